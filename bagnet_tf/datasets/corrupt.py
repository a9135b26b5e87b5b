"""Which images of a source cannot be decoded, and how does one go without?"""

import functools
from collections.abc import Iterator

import tensorflow as tf
from absl import logging

from bagnet_tf.datasets.base import ImageSource, SplitRange
from bagnet_tf.tensorflow_files import damaged, dataset_errors_named

_MOST_NAMED = 5


def corrupt_images(source: ImageSource, split: str) -> Iterator[str]:
    """Yields the ids of the images of a split that cannot be decoded.

    Reads and decodes every image up to the last one that is asked for.

    Raises:
        ValueError: If a mask cannot be decoded; it names the image. Or if a
            file of the dataset is missing or damaged.
    """
    examples = source.undecoded(split)
    if examples.element_spec["image"].dtype != tf.string:
        return
    decode = tf.function(source.decode)
    with dataset_errors_named(source.name, decodes=True):
        for example in _with_masks(examples, source, split):
            try:
                decode(example["image"])
            except tf.errors.InvalidArgumentError:
                yield example["id"].numpy().decode()


def _with_masks(examples, source, split) -> Iterator[dict]:
    """Yields the examples; their masks are decoded already."""
    iterator, count = iter(examples), 0
    while True:
        try:
            example = next(iterator, None)
        except tf.errors.InvalidArgumentError as error:
            if not source.has_masks:  # It is no record of this dataset.
                raise damaged(source.name, error) from error
            labels = source.label_dataset(split).skip(count)
            image = next(iter(labels))["id"].numpy().decode()
            raise ValueError(
                f"dataset {source.name!r} must hold readable masks, whole PNG "
                f"files. Received: the mask of image={image!r}"
            ) from error
        if example is None:
            return
        yield example
        count += 1


class WithoutCorrupt(ImageSource):
    """A source without its corrupt images, which are counted in the log.

    Every split that is used is decoded once, to find them.
    """

    def __init__(self, source: ImageSource):
        """Wraps `source`."""
        self._source = source
        self.name = source.name
        self.labels = source.labels
        self.has_masks = source.has_masks
        self.multi_label = source.multi_label
        self.any_of = source.any_of
        self.channels = source.channels
        self._found = {}  # Ids of corrupt images, in the order found.
        self._corrupt = functools.cache(self._find_corrupt)

    @property
    def skipped(self) -> dict[str, list[str]]:
        """What was left out so far; see `ImageSource.skipped`."""
        found = {"corrupt_images": list(self._found)} if self._found else {}
        return self._source.skipped | found

    def split_sizes(self) -> dict[str, int]:
        """Returns the sizes of the splits, corrupt images included."""
        return self._source.split_sizes()

    def ranges(self, split: str) -> list[SplitRange]:
        """Returns the ranges of `split`, corrupt images included."""
        return self._source.ranges(split)

    def num_examples(self, split: str) -> int:
        """Returns the number of readable images of `split`."""
        return self._source.num_examples(split) - len(self._corrupt(split))

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the readable examples of `split`; see `ImageSource`."""
        return self.decoded(self.undecoded(split))

    def undecoded(self, split: str) -> tf.data.Dataset:
        """Returns the readable examples of `split`, not yet decoded."""
        return self._without_corrupt(self._source.undecoded(split), split)

    def decode(self, image: tf.Tensor) -> tf.Tensor:
        """Decodes an image; see `ImageSource.decode`."""
        return self._source.decode(image)

    def label_dataset(self, split: str) -> tf.data.Dataset:
        """Returns labels and ids of the readable examples of `split`."""
        return self._without_corrupt(self._source.label_dataset(split), split)

    def _without_corrupt(self, examples, split):
        corrupt = self._corrupt(split)
        if not corrupt:
            return examples
        return examples.filter(
            lambda example: tf.reduce_all(example["id"] != tf.constant(corrupt))
        )

    def _find_corrupt(self, split: str) -> list[str]:
        corrupt = list(corrupt_images(self._source, split))
        self._found |= dict.fromkeys(corrupt)
        if corrupt:
            named = ", ".join(corrupt[:_MOST_NAMED])
            more = ", ..." if len(corrupt) > _MOST_NAMED else ""
            logging.warning(
                "Skipping %d corrupt image(s) of %s: %s%s",
                len(corrupt),
                split,
                named,
                more,
            )
        return corrupt
