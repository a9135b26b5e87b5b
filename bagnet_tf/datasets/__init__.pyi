"""What type checkers see of names that are imported on first use."""

from bagnet_tf.datasets.base import ImageSource as ImageSource
from bagnet_tf.datasets.corrupt import corrupt_images as corrupt_images
from bagnet_tf.datasets.sources import image_source as image_source
