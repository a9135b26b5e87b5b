"""Image sources: TFDS datasets, folders of images and built-in glyphs."""

from bagnet_tf.datasets.base import ImageSource
from bagnet_tf.datasets.corrupt import corrupt_images
from bagnet_tf.datasets.sources import image_source

__all__ = ["ImageSource", "corrupt_images", "image_source"]
