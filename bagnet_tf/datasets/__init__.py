"""Where do labelled images come from?"""

from bagnet_tf.datasets.base import ImageSource
from bagnet_tf.datasets.sources import image_source

__all__ = ["ImageSource", "image_source"]
