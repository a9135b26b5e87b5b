"""What does every image source offer, and how is a split spelled?"""

import abc
import re
import typing
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from bagnet_tf.preprocessing import decode_image
from bagnet_tf.tensorflow_files import dataset_errors_named

_LABEL_BATCH = 1024


class SplitRange(typing.NamedTuple):
    """Examples `start` to `stop` (half-open) of one named split."""

    split: str
    start: int
    stop: int


class ImageSource(abc.ABC):
    """Labelled images under one name, in a fixed order.

    Attributes:
        name: The spelling that `image_source` takes, for example
            `"imagenette/320px-v2"`.
        labels: Class names in words; the index is the class id.
        has_masks: Whether examples carry a mask of the true evidence, not
            necessarily all of them.
        multi_label: Whether an image may have several classes, or none.
        any_of: Whether an image's label is the set of its acceptable classes:
            a decision for any of them is right, and an image with an empty
            set does not count. Such a source is not `multi_label`.
        channels: 3 (RGB), 1 (grey), or what the files have.
    """

    name: str
    labels: tuple[str, ...]
    has_masks: bool = False
    multi_label: bool = False
    any_of: bool = False
    channels: int = 3

    @property
    def skipped(self) -> dict[str, list[str]]:
        """What was left out so far: `"corrupt_images"`, `"empty_classes"`.

        A kind of which nothing was left out is missing. Images are named by
        their ids.
        """
        return {}

    @abc.abstractmethod
    def split_sizes(self) -> dict[str, int]:
        """Returns the number of examples of each split, by split name."""

    @abc.abstractmethod
    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`, unshuffled, always in one order.

        The order of a slice is that of the whole split, so that `train[:9]`
        holds the first nine examples of `train`.

        Args:
            split: A split in TFDS's slicing grammar, such as `"train"`,
                `"train[:90%]"`, `"validation[100:200]"`, `"train[-5%:]"` or
                `"train+validation"`.

        Returns:
            A dataset of dictionaries: `"image"`, a string scalar (encoded
            bytes) or uint8 `(height, width, 3)`, RGB 0-255, and never encoded
            but uint8 `(height, width, channels)` where there are not three
            channels; `"label"`, an int64 scalar, or float32 `(classes,)` of 0
            and 1 where `multi_label` or `any_of`; `"id"`, a string scalar that
            names the example; and, where `has_masks`, `"mask"`, bool
            `(height, width)`, or `(1, 1)` and False for an image that has
            none.

        Raises:
            ValueError: If `split` is misspelt, unknown, out of range or empty.
        """

    def label_dataset(self, split: str) -> tf.data.Dataset:
        """Returns `"label"` and `"id"` of the examples of `split` only.

        Sources that know them without reading images do so.
        """
        return self.undecoded(split).map(
            lambda example: {key: example[key] for key in ("label", "id")}
        )

    def label_counts(self, split: str) -> np.ndarray:
        """Counts the examples of each class; decodes no image.

        Args:
            split: A split in TFDS's slicing grammar (see `dataset`).

        Returns:
            int64 (classes,). An example of several classes counts for each.

        Raises:
            ValueError: If `split` is misspelt, unknown, out of range or empty,
                or a file of the dataset is missing or damaged.
        """
        classes = len(self.labels)
        counts = np.zeros(classes, np.int64)
        with dataset_errors_named(self.name, decodes=False):
            for batch in self.label_dataset(split).batch(_LABEL_BATCH):
                labels = batch["label"].numpy()
                if labels.ndim == 1:
                    counts += np.bincount(labels, minlength=classes)
                else:
                    counts += np.count_nonzero(labels, axis=0)
        return counts

    def undecoded(self, split: str) -> tf.data.Dataset:
        """Returns the examples with `"image"` as `decode` takes it.

        See `dataset`: this is for finding images that cannot be decoded.
        """
        return self.dataset(split)

    def decode(self, image: tf.Tensor) -> tf.Tensor:
        """Decodes an image of `undecoded`, in a graph.

        Returns:
            uint8 (height, width, channels).

        Raises:
            tf.errors.InvalidArgumentError: If the image is corrupt.
        """
        if image.dtype == tf.string:
            image = decode_image(image, self.channels)
        return image

    def splits(self) -> tuple[str, ...]:
        """Returns the names of the splits."""
        return tuple(self.split_sizes())

    def num_examples(self, split: str) -> int:
        """Returns the number of examples of `split`.

        Args:
            split: A split in TFDS's slicing grammar (see `dataset`).

        Returns:
            The number of examples, at least 1.

        Raises:
            ValueError: If `split` is misspelt, unknown, out of range or empty.
        """
        return sum(stop - start for _, start, stop in self.ranges(split))

    def ranges(self, split: str) -> list[SplitRange]:
        """Returns the ranges of examples that make up `split`.

        Raises:
            ValueError: If `split` is misspelt, unknown, out of range or empty.
        """
        return read_ranges(split, self.split_sizes())

    def decoded(self, examples: tf.data.Dataset) -> tf.data.Dataset:
        """Turns examples of `undecoded` into those of `dataset`."""
        if self.channels == 3:
            return examples
        return examples.map(
            lambda example: dict(example, image=self.decode(example["image"])),
            num_parallel_calls=tf.data.AUTOTUNE,
        )


def check_colours(channels: int, name: str) -> None:
    """Makes sure that a source of RGB images can have so many channels.

    Raises:
        ValueError: If not.
    """
    if channels not in (1, 3):
        raise ValueError(
            f"channels must be 1 (grey) or 3 (RGB) for {name!r}; folders of "
            f".npy files have others. Received: channels={channels!r}"
        )


def read_ranges(
    split: str,
    sizes: dict[str, int],
    borders: Mapping[str, Sequence[int] | np.ndarray] | None = None,
) -> list[SplitRange]:
    """Translates a split in TFDS's slicing grammar into ranges of examples.

    Example:
        >>> read_ranges("train[:25%]", {"train": 200})
        [SplitRange(split='train', start=0, stop=50)]

    Args:
        split: The split, for example `"train[:90%]+validation"`.
        sizes: Number of examples of each split, by split name.
        borders: Where slices of a split may start and stop: in increasing
            order, from 0 to its size. A slice moves to the nearest ones, so
            that slices that met still meet; by default they are everywhere.

    Returns:
        Ranges to be read one after the other; none of them is empty.

    Raises:
        ValueError: If `split` is misspelt, unknown, out of range or empty.
    """
    # TFDS itself does the arithmetic, so that a slice means the same examples
    # by number for every source.
    infos = {  # Shard by shard it would not: those slices are refused.
        name: tfds.core.SplitInfo(name=name, shard_lengths=[size], num_bytes=0)
        for name, size in sizes.items()
    }
    try:
        if re.search(r"\dshard\b", split):
            raise ValueError("Slices by shard are not supported.")
        instruction = tfds.core.ReadInstruction.from_spec(split)
        absolute = instruction.to_absolute(infos)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(
            f"split must be one of {', '.join(sizes)}, or a slice by percent "
            "or example numbers within its size, such as 'train[:90%]'. "
            f"Received: split={split!r}"
        ) from error
    ranges = [
        SplitRange(
            part.splitname,
            part.from_ or 0,
            sizes[part.splitname] if part.to is None else part.to,
        )
        for part in absolute
    ]
    if borders:
        ranges = [
            SplitRange(
                name,
                _nearest(start, borders[name]),
                _nearest(stop, borders[name]),
            )
            for name, start, stop in ranges
        ]
    for part in ranges:
        if part.start >= part.stop:
            groups = ""
            if borders:
                count = len(borders[part.split]) - 1
                groups = f" in {count} groups, which slices do not cut"
            raise ValueError(
                f"split must select at least one example; {part.split!r} has "
                f"{sizes[part.split]}{groups}. Received: split={split!r}"
            )
    return ranges


def _nearest(number, borders):
    """Returns the border nearest to a number, the lower one of two."""
    above = np.searchsorted(borders, number)
    below = max(above - 1, 0)
    is_above = borders[above] - number < number - borders[below]
    return int(borders[above if is_above else below])
