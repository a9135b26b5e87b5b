"""How does a SavedModel decode the photos of a request, or refuse them?

Encoded photos are decoded one by one; TensorFlow's own error for a bad one
does not tell which it was. So the beginnings of all are looked at before.
"""

from collections.abc import Callable

import tensorflow as tf

from bagnet_tf.preprocessing import decode_image, evaluation_image

# The first bytes of the formats that TensorFlow decodes: JPEG, PNG, GIF, BMP.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")


def images_decoder(
    image_size: tuple[int, int], channels: int
) -> Callable[[tf.Tensor], tf.Tensor]:
    """What makes input of encoded photos, in a graph.

    The EXIF orientation of a photo is not looked at: whoever sends it turns it
    upright before.

    Args:
        image_size: (height, width) of the model's input, pixels.
        channels: Of the model's input: 3 for RGB, 1 for grey.

    Returns:
        A function from encoded JPEG, PNG, GIF or BMP files, string (batch,),
        to images, uint8 (batch, *image_size, channels). When it runs, it
        raises InvalidArgumentError at a photo that cannot be decoded; the
        message names its position in the batch where its beginning is already
        that of no such file.
    """

    def decode(encoded):
        return evaluation_image(decode_image(encoded, channels), image_size)

    def decode_all(encoded):
        # Nothing in a graph orders the check before the decoding but this.
        with tf.control_dependencies([_check_beginnings(encoded)]):
            encoded = tf.identity(encoded)
        return tf.map_fn(
            decode,
            encoded,
            fn_output_signature=tf.TensorSpec(
                (*image_size, channels), tf.uint8
            ),
        )

    return decode_all


def _check_beginnings(encoded: tf.Tensor) -> tf.Operation:
    """Fails if a string is empty or begins like no image file."""
    known = tf.zeros_like(encoded, tf.bool)
    for beginning in _BEGINNINGS:
        start = tf.strings.substr(encoded, 0, len(beginning))
        known |= tf.equal(start, beginning)
    unknown = tf.where(~known)[:, 0]
    return tf.debugging.Assert(
        tf.equal(tf.size(unknown), 0),
        [
            "image_bytes must be JPEG, PNG, GIF or BMP files; those at these "
            "positions in the batch, counted from 0, begin like none:",
            unknown,
        ],
        summarize=16,
    )
