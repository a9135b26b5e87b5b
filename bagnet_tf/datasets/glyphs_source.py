"""How do the built-in glyphs become an image source?"""

import functools

import numpy as np
import tensorflow as tf

from bagnet_tf.datasets import base, glyphs


class GlyphsSource(base.ImageSource):
    """The built-in dataset, drawn when it is first read.

    Images are uint8 `(64, 64, 3)`, masks bool `(64, 64)`; see `glyphs`.
    """

    name = "glyphs"
    labels = glyphs.LABELS
    has_masks = True

    def split_sizes(self) -> dict[str, int]:
        """Returns the number of examples of each split, by split name."""
        return dict(glyphs.SPLIT_SIZES)

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`; see `ImageSource.dataset`."""
        ranges = base.read_ranges(split, self.split_sizes())
        parts = [tf.data.Dataset.from_tensor_slices(_draw(*r)) for r in ranges]
        return functools.reduce(lambda a, b: a.concatenate(b), parts)


@functools.lru_cache(maxsize=8)
def _draw(split, start, stop):
    """Draws a range of examples, once in a process."""
    indices = range(start, stop)
    images, label_ids, masks = glyphs.generate(split, indices)
    arrays = {
        "image": images,
        "label": label_ids,
        "id": np.array([f"glyphs/{split}/{i}".encode() for i in indices]),
        "mask": masks,
    }
    with tf.device("CPU"):
        return {key: tf.constant(array) for key, array in arrays.items()}
