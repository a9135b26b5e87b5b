"""Which mask of the true evidence belongs to an image of a folder?

The folder PATH/masks repeats the tree of the images: the mask of
PATH/val/CLASS/STEM.jpg is PATH/masks/val/CLASS/STEM.png, that of
PATH/CLASS/STEM.jpg is PATH/masks/CLASS/STEM.png. It has the size of its image
as people see it (EXIF rotation applied), and a pixel that is not black is true
evidence, whatever its colour; transparency is ignored.
"""

import os
import pathlib

import tensorflow as tf
from PIL import Image

from bagnet_tf.datasets.reading import image_size

FOLDER = "masks"
SUFFIX = ".png"


def list_masks(root: pathlib.Path, names: list[str]) -> dict[str, str] | None:
    """Finds the masks; reads none of them.

    Args:
        root: The folder of images.
        names: Names of the folders in it: splits, or classes.

    Returns:
        Files relative to ROOT, by that of their image without its suffix,
        such as `{"val/cat/1": "masks/val/cat/1.png"}`. `None` if ROOT/masks
        is missing, or has no sub-folder named like one beside it: then it is
        a class of that name.
    """
    folder = root / FOLDER
    tops = {
        name for name in names if name != FOLDER and (folder / name).is_dir()
    }
    if not tops:
        return None
    masks = {}
    for top in sorted(tops):
        for parent, _, files in os.walk(folder / top):
            for name in files:
                if name.lower().endswith(SUFFIX):
                    file = pathlib.Path(parent, name)
                    image = file.relative_to(folder).with_suffix("")
                    masks[image.as_posix()] = file.relative_to(root).as_posix()
    return masks


def check_mask(mask: pathlib.Path, image: pathlib.Path) -> None:
    """Makes sure that a mask can be read and fits its image.

    An image that cannot be read is passed over: that is for others to report.

    Args:
        mask: A PNG file.
        image: An image file, of which only the head is read.

    Raises:
        ValueError: If the mask is no whole PNG file or has another size than
            the image.
    """
    rule = "mask must be a whole PNG file of the size of its image"
    try:
        with Image.open(mask, formats=["PNG"]) as opened:
            mask_size = opened.size
            opened.verify()
    except Exception as error:  # Pillow raises many kinds for damaged files.
        raise ValueError(
            f"{rule} ({error}). Received: mask={str(mask)!r}"
        ) from error
    size = image_size(image)
    if size and mask_size != size:
        raise ValueError(
            f"{rule}, {size[0]} x {size[1]} pixels (width x "
            f"height). Received: mask={str(mask)!r} of "
            f"{mask_size[0]} x {mask_size[1]}"
        )


def read_mask(path: tf.Tensor) -> tf.Tensor:
    """Reads a mask in a TensorFlow graph.

    Args:
        path: Scalar string; empty where there is no mask.

    Returns:
        Bool (height, width); one False pixel where there is no mask.
    """

    def decoded():
        # 16 bits, so that the faintest grey of a 16-bit file is not lost.
        pixels = tf.io.decode_png(
            tf.io.read_file(path), channels=3, dtype=tf.uint16
        )
        return tf.reduce_any(pixels != 0, axis=-1)

    return tf.cond(path == "", lambda: tf.zeros((1, 1), tf.bool), decoded)
