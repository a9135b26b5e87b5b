"""Which photos and kinds of image files is the browser page tested with?"""

import pathlib
import unittest

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image, PngImagePlugin

from bagnet_tf.datasets import glyphs
from tests.shared_data import shared

_NUM_REAL_PHOTOS = 4


def write_photos(folder: pathlib.Path) -> None:
    """Photos, if they are here, and glyphs in all kinds of files."""
    try:
        for place, encoded in enumerate(_real_photos()):
            (folder / f"real{place}.jpg").write_bytes(encoded)
    except unittest.SkipTest as reason:
        print(f"No real photos: {reason}")
    images, _, _ = glyphs.generate("validation", range(2))
    large, small = map(Image.fromarray, images)
    large = large.resize((800, 600), Image.Resampling.BICUBIC)
    large.save(folder / "glyph.jpg", quality=90)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    large.save(folder / "rotated.jpg", quality=90, exif=rotated)
    small.save(folder / "small.png")
    small.convert("L").save(folder / "grey.png")
    # What a browser would use to change the colours, and Pillow does not.
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", (100_000).to_bytes(4, "big"))
    large.save(folder / "gamma.png", pnginfo=gamma)
    small.convert("P").save(folder / "palette.gif")
    ramp = np.linspace(0, 65535, 200 * 300).reshape(200, 300)
    Image.fromarray(ramp.astype(np.uint16)).save(folder / "deep.png")
    transparent = large.convert("RGBA")
    ramp = np.linspace(0, 255, large.width).round().astype(np.uint8)
    alpha = np.broadcast_to(ramp, large.size[::-1])
    transparent.putalpha(Image.fromarray(alpha.copy()))
    transparent.save(folder / "transparent.png")


def _real_photos():
    """The first few of Imagenette's validation split, as they are stored."""
    builder = tfds.builder("imagenette/320px-v2", data_dir=shared("tfds"))
    dataset = builder.as_dataset(
        f"validation[:{_NUM_REAL_PHOTOS}]",
        decoders={"image": tfds.decode.SkipDecoding()},
    )
    for example in tfds.as_numpy(dataset):
        yield example["image"]
