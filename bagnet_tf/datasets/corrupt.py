"""Which images of a source cannot be decoded, and how does one go without?"""

import functools
from collections.abc import Iterator

import tensorflow as tf
from absl import logging

from bagnet_tf.datasets.base import ImageSource
from bagnet_tf.preprocessing import decode_image

_MOST_NAMED = 5


def corrupt_images(source: ImageSource, split: str) -> Iterator[str]:
    """Yields the ids of the images of a split that cannot be decoded.

    Reads and decodes every image up to the last one that is asked for.
    """
    examples = source.dataset(split)
    if examples.element_spec["image"].dtype != tf.string:
        return
    for example in examples:
        try:
            decode_image(example["image"])
        except tf.errors.InvalidArgumentError:
            yield example["id"].numpy().decode()


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
        self._corrupt = functools.cache(self._find_corrupt)

    def split_sizes(self) -> dict[str, int]:
        """Returns the sizes of the splits, corrupt images included."""
        return self._source.split_sizes()

    def num_examples(self, split: str) -> int:
        """Returns the number of readable images of `split`."""
        return self._source.num_examples(split) - len(self._corrupt(split))

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the readable examples of `split`; see `ImageSource`."""
        examples, corrupt = self._source.dataset(split), self._corrupt(split)
        if not corrupt:
            return examples
        return examples.filter(
            lambda example: tf.reduce_all(example["id"] != tf.constant(corrupt))
        )

    def _find_corrupt(self, split: str) -> list[str]:
        corrupt = list(corrupt_images(self._source, split))
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
