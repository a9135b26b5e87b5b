"""How do labelled image files become an image source?"""

import os

import numpy as np
import tensorflow as tf

from bagnet_tf.datasets import base, folder_masks, labels, reading
from bagnet_tf.datasets.class_folders import list_class_folders
from bagnet_tf.datasets.listing import IMAGE_SUFFIXES, ImageList
from bagnet_tf.datasets.manifest import SUFFIX, list_manifest
from bagnet_tf.dicom import is_dicom, require_pydicom


class FolderSource(base.ImageSource):
    """Images in one folder a class, or listed in a CSV file.

    Either `PATH/train/CLASS/...`, with `PATH/val` (or `PATH/validation`) and
    `PATH/test` of the same form if there are any; or `PATH/CLASS/...`, of
    which a hash of each file's relative path takes 80 % into `train` and the
    others into `validation`, the same ones on every machine. Class folders
    are searched with their sub-folders for files that end in .jpg, .jpeg,
    .png, .bmp, .gif, .tif, .tiff, .webp, .dcm or .npy, in any case; hidden
    ones are passed over. PATH/masks, a tree of the same form, may hold masks
    of the true evidence (see `folder_masks`), for all images or for some.

    Or `PATH/FILE.csv` (see `manifest`). Where it has a column `group`, images
    of one group stay together: in one split, next to each other, and on the
    same side of every slice, whose ends move to the nearest border of two
    groups.

    The classes are the sorted names. The order of the images is that of
    hashes, so that every slice of a split mixes the classes. An example's id
    is the file's path relative to PATH, or as the CSV file has it.

    Images are read as people see them (see `reading`).
    """

    def __init__(self, path: str, skip_empty: bool = False, channels: int = 3):
        """Lists the images; reads none of them.

        Args:
            path: The folder, or the CSV file.
            skip_empty: Whether to go without class folders that have no
                images.
            channels: 3 for RGB; 1 for grey; 4 for RGB with transparency; or
                as many as the .npy files have.

        Raises:
            ValueError: If there is no such folder or file, it has fewer than
                two classes (one, if images may have several or none), a class
                folder has no images, another split has a class that `train`
                has not, a line of the file is wrong, or DICOM files cannot be
                read for want of pydicom.
        """
        if channels < 1:
            raise ValueError(
                f"channels must be at least 1. Received: channels={channels!r}"
            )
        self.name = f"folder:{path}"
        self.channels = channels
        images = self._list(path, skip_empty)
        classes = sorted(
            {name for image in images.splits["train"] for name in image.classes}
        )
        self.labels = labels.in_words(classes)
        self.multi_label = images.multi_label
        self._class_ids = {name: index for index, name in enumerate(classes)}
        self._root = images.root
        self._empty_classes = images.empty_classes
        self._images = {
            split: sorted(part, key=lambda image: image.order)
            for split, part in images.splits.items()
        }
        every = [i for part in self._images.values() for i in part]
        self.has_masks = any(image.mask for image in every)
        self._borders = None
        if any(image.group for image in every):
            self._borders = {
                split: _borders(part) for split, part in self._images.items()
            }
        self._checked = set()  # Images whose masks and arrays were found fit.
        if any(is_dicom(image.file) for image in every):
            require_pydicom()

    @property
    def skipped(self) -> dict[str, list[str]]:
        """What was left out; see `ImageSource.skipped`."""
        empty = list(self._empty_classes)
        return {"empty_classes": empty} if empty else {}

    def split_sizes(self) -> dict[str, int]:
        """Returns the number of examples of each split, by split name."""
        return {split: len(part) for split, part in self._images.items()}

    def ranges(self, split: str) -> list[base.SplitRange]:
        """Returns the ranges that make up `split`; they cut no group."""
        return base.read_ranges(split, self.split_sizes(), self._borders)

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`; see `ImageSource.dataset`."""
        return self.decoded(self.undecoded(split))

    def undecoded(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`, not yet decoded.

        With neither one nor three channels their image is the file's path.
        """
        images = self._select(split)
        for image in images:
            self._check(image)
        columns = self._label_columns(images) | {
            "image": [os.fsencode(self._root / i.file) for i in images]
        }
        if self.has_masks:
            columns["mask"] = [
                os.fsencode(self._root / i.mask) if i.mask else b""
                for i in images
            ]
        return tf.data.Dataset.from_tensor_slices(columns).map(
            self._read, num_parallel_calls=tf.data.AUTOTUNE
        )

    def decode(self, image: tf.Tensor) -> tf.Tensor:
        """Decodes an image of `undecoded`; see `ImageSource.decode`."""
        if self._has_paths:
            return reading.read_pixels(image, self.channels)
        return super().decode(image)

    def label_dataset(self, split: str) -> tf.data.Dataset:
        """Returns labels and ids of the examples of `split`."""
        columns = self._label_columns(self._select(split))
        return tf.data.Dataset.from_tensor_slices(columns).map(_with_label)

    @property
    def _has_paths(self):
        return self.channels not in (1, 3)

    def _list(self, path, skip_empty) -> ImageList:
        suffixes = IMAGE_SUFFIXES
        if self.channels not in (1, 3, reading.RGBA):
            suffixes = (reading.ARRAY_SUFFIX,)
        is_folder = os.path.isdir(os.path.expanduser(path))
        if path.lower().endswith(SUFFIX) and not is_folder:
            return list_manifest(path, suffixes)
        return list_class_folders(path, suffixes, skip_empty)

    def _select(self, split):
        return [
            image
            for name, start, stop in self.ranges(split)
            for image in self._images[name][start:stop]
        ]

    def _label_columns(self, images):
        """What labels and ids of examples are made of, by column."""
        if self.multi_label:  # In bytes: there may be many classes.
            label = np.zeros((len(images), len(self.labels)), np.uint8)
            for row, image in enumerate(images):
                label[
                    row, [self._class_ids[name] for name in image.classes]
                ] = 1
        else:
            label = np.array(
                [self._class_ids[image.classes[0]] for image in images],
                np.int64,
            )
        return {"label": label, "id": [os.fsencode(i.file) for i in images]}

    def _check(self, image):
        """Makes sure that an image's mask and array fit, once."""
        if image.file in self._checked:
            return
        path = self._root / image.file
        if path.suffix.lower() == reading.ARRAY_SUFFIX:
            reading.check_array(path, self.channels)
        if image.mask:
            folder_masks.check_mask(self._root / image.mask, path)
        self._checked.add(image.file)

    def _read(self, example):
        """Reads the files of an example."""
        read = _with_label(example)
        if not self._has_paths:
            read["image"] = reading.read_encoded(example["image"])
        if "mask" in example:
            read["mask"] = folder_masks.read_mask(example["mask"])
        return read


def _with_label(example):
    label = example["label"]
    if label.shape.rank:
        label = tf.cast(label, tf.float32)
    return dict(example, label=label)


def _borders(images):
    """Returns where slices of images in their order cut no group."""
    starts = [
        number
        for number, image in enumerate(images)
        if not number or images[number - 1].order[:2] != image.order[:2]
    ]
    return np.array([*starts, len(images)])
