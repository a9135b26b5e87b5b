"""What does every image source offer, and how is a split spelled?"""

import abc
import re
import typing

import tensorflow as tf
import tensorflow_datasets as tfds


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
    """

    name: str
    labels: tuple[str, ...]
    has_masks: bool = False
    multi_label: bool = False
    channels: int = 3

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
            bytes) or uint8 `(height, width, 3)`, RGB 0-255; `"label"`, an
            int64 scalar; `"id"`, a string scalar that names the example; and,
            where `has_masks`, `"mask"`, bool `(height, width)`, or `(1, 1)`
            and False for an image that has none.

        Raises:
            ValueError: If `split` is misspelt, unknown, out of range or empty.
        """

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
        ranges = read_ranges(split, self.split_sizes())
        return sum(stop - start for _, start, stop in ranges)


def read_ranges(split: str, sizes: dict[str, int]) -> list[SplitRange]:
    """Translates a split in TFDS's slicing grammar into ranges of examples.

    Example:
        >>> read_ranges("train[:25%]", {"train": 200})
        [SplitRange(split='train', start=0, stop=50)]

    Args:
        split: The split, for example `"train[:90%]+validation"`.
        sizes: Number of examples of each split, by split name.

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
    for part in ranges:
        if part.start >= part.stop:
            raise ValueError(
                f"split must select at least one example; {part.split!r} has "
                f"{sizes[part.split]}. Received: split={split!r}"
            )
    return ranges
