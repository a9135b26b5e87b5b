"""How do the built-in glyphs become an image source?"""

import functools

import numpy as np
import tensorflow as tf

from bagnet_tf.datasets import base, glyphs
from bagnet_tf.photos import in_grey


class GlyphsSource(base.ImageSource):
    """The built-in dataset, drawn when it is first read.

    Images are uint8 `(64, 64, channels)`, masks bool `(64, 64)`; see `glyphs`.
    """

    name = "glyphs"
    labels = glyphs.LABELS
    has_masks = True

    def __init__(self, channels: int = 3):
        """Draws nothing yet.

        Args:
            channels: 3 for RGB, 1 for grey.

        Raises:
            ValueError: If it is another number.
        """
        base.check_colours(channels, self.name)
        self.channels = channels

    def split_sizes(self) -> dict[str, int]:
        """Returns the number of examples of each split, by split name."""
        return dict(glyphs.SPLIT_SIZES)

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`; see `ImageSource.dataset`."""
        parts = [
            tf.data.Dataset.from_tensor_slices(_draw(*part, self.channels))
            for part in self.ranges(split)
        ]
        return functools.reduce(lambda a, b: a.concatenate(b), parts)

    def label_dataset(self, split: str) -> tf.data.Dataset:
        """Returns labels and ids of the examples of `split`; draws none."""
        parts = [
            tf.data.Dataset.from_tensor_slices(
                {
                    "label": glyphs.generate_labels(name, range(start, stop)),
                    "id": _ids(name, range(start, stop)),
                }
            )
            for name, start, stop in self.ranges(split)
        ]
        return functools.reduce(lambda a, b: a.concatenate(b), parts)


@functools.lru_cache(maxsize=8)
def _draw(split, start, stop, channels):
    """Draws a range of examples, once in a process."""
    indices = range(start, stop)
    images, label_ids, masks = glyphs.generate(split, indices)
    if channels == 1:
        images = np.stack([in_grey(image) for image in images])
    arrays = {
        "image": images,
        "label": label_ids,
        "id": _ids(split, indices),
        "mask": masks,
    }
    with tf.device("CPU"):
        return {key: tf.constant(array) for key, array in arrays.items()}


def _ids(split, indices):
    return np.array([f"glyphs/{split}/{index}".encode() for index in indices])
