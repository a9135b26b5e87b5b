"""What does a list of labelled images hold, and which split has an image?"""

import dataclasses
import hashlib
import os
import pathlib
import typing

TRAIN_FRACTION = 0.8  # Of the images of a list that names no splits.
# What splits are called on disk and in files, and what we call them.
SPLIT_NAMES = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
# Files that are taken for images. Case does not matter.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".dcm", ".npy"),
)


class ListedImage(typing.NamedTuple):
    """An image file and what is known of it.

    Attributes:
        file: Its path relative to the list's root, or absolute; the id.
        classes: Names of its classes.
        group: What its relatives (images of one patient, part or scene) have
            in common; empty if it has none.
        mask: The file of its mask, spelled as `file` is; empty if it has none.
    """

    file: str
    classes: tuple[str, ...]
    group: str = ""
    mask: str = ""

    @property
    def side(self) -> int:
        """64 bits that decide where the image goes, and its relatives too."""
        return _hash(self.group or self.file)

    @property
    def order(self) -> tuple:
        """What to sort by: relatives stay together, classes are mixed."""
        return self.side, self.group, _hash(self.file)


@dataclasses.dataclass(frozen=True)
class ImageList:
    """Labelled images by split; no file was read.

    Attributes:
        root: The folder that relative paths start from.
        splits: The images of each split.
        multi_label: Whether an image may have several classes, or none.
        empty_classes: Names of classes that were left out for want of images.
    """

    root: pathlib.Path
    splits: dict[str, list[ListedImage]]
    multi_label: bool = False
    empty_classes: tuple[str, ...] = ()


def split_by_hash(images: list[ListedImage]) -> dict[str, list[ListedImage]]:
    """Gives 80 % of the images to train, the others to validation.

    The hash of its group decides about an image, or that of its path: it goes
    the same way on every machine, and its relatives go with it.
    """
    splits = {"train": [], "validation": []}
    for image in images:
        in_train = image.side < TRAIN_FRACTION * 2**64
        splits["train" if in_train else "validation"].append(image)
    return {split: part for split, part in splits.items() if part}


def _hash(text):
    """Returns 64 bits that depend on the text only."""
    return int.from_bytes(hashlib.sha256(os.fsencode(text)).digest()[:8])
