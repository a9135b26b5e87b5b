"""How does a photo become the model's input in a TensorFlow graph?

`bagnet_tf.photos` is the definition, in Pillow; `evaluation_image` is the same
for input pipelines and exported graphs, at most one grey level away.
"""

import tensorflow as tf

from bagnet_tf.photos import (
    RESIZE_RULE,
    CropTransform,
    evaluation_transform,
    in_grey,
    load_photo,
    load_photo_and_notes,
    scaled_shape,
)

__all__ = [
    "RESIZE_RULE",
    "CropTransform",
    "decode_image",
    "evaluation_image",
    "evaluation_transform",
    "in_grey",
    "load_photo",
    "load_photo_and_notes",
]

# Pillow's for grey from RGB (ITU-R 601), in 65536ths.
_GREY_WEIGHTS = (19595, 38470, 7471)


def decode_image(encoded: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """Decodes a JPEG, PNG, GIF (first frame) or BMP, as Pillow would.

    Args:
        encoded: Scalar string.
        channels: 3 for RGB, or 1 for grey, which is made of RGB as `in_grey`
            does it.

    Returns:
        uint8 (height, width, channels).

    Raises:
        ValueError: If `channels` is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ValueError(
            f"channels must be 1 or 3. Received: channels={channels!r}"
        )

    # TensorFlow's default JPEG decoding is up to 7 grey levels off Pillow's.
    def jpeg():
        return tf.io.decode_jpeg(
            encoded, channels=3, dct_method="INTEGER_ACCURATE"
        )

    def other():
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)

    image = tf.cond(tf.io.is_jpeg(encoded), jpeg, other)
    image.set_shape((None, None, 3))
    if channels == 1:
        weighted = tf.cast(image, tf.int32) * _GREY_WEIGHTS
        total = tf.reduce_sum(weighted, axis=-1, keepdims=True)
        image = tf.cast((total + 2**15) // 2**16, tf.uint8)
    return image


def evaluation_image(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """`evaluation_transform` as a TensorFlow graph.

    Args:
        image: uint8 (height, width, channels); sides may be unknown.
        size: (height, width) of the result, pixels.

    Returns:
        uint8 (*size, channels).
    """
    shape = tf.shape(image)
    height, width, channels = shape[0], shape[1], image.shape[-1]

    def resize_and_crop():
        rows, cols = scaled_shape(height, width, size, maximum=tf.maximum)
        resized = tf.image.resize(
            image, (rows, cols), tf.image.ResizeMethod.BILINEAR, antialias=True
        )
        resized = tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
        return tf.image.crop_to_bounding_box(
            resized, (rows - size[0]) // 2, (cols - size[1]) // 2, *size
        )

    fits = tf.logical_and(tf.equal(height, size[0]), tf.equal(width, size[1]))
    image = tf.cond(fits, lambda: image, resize_and_crop)
    return tf.ensure_shape(image, (*size, channels))
