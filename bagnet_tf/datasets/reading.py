"""How does an image file become an example's image, in a TensorFlow graph?

JPEG and PNG files that TensorFlow decodes as people see them stay as they
are. Others are read by `load_photo` and encoded anew, without loss.
"""

import functools
import io
import os

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import ExifTags, Image, ImageOps

from bagnet_tf.dicom import dicom_size, is_dicom
from bagnet_tf.photos import load_photo

ARRAY_SUFFIX = ".npy"
RGBA = 4  # Channels of a photo whose transparency is kept.

# What looks like metadata that changes how an image is shown: orientation in
# EXIF or XMP, transparency. A file that merely seems to have some is looked
# at more closely.
_METADATA = r"(?s)\C*(?:Exif|eXIf|tRNS|Orientation|adobe\.xmp|Raw profile)\C*"
# The start of a scan of 1, 3 or 4 components: no metadata come after it.
_JPEG_SCAN = (
    r"(?s)\C*\x00(?:\x08\x01\C\C\x00|\x0c\x03\C\C\C\C\C\C\x00|"
    r"\x0e\x04\C\C\C\C\C\C\C\C\x00)\C*"
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Eight bits in grey, RGB or from a palette.
_PNG_KINDS = (b"\x08\x00", b"\x08\x02", b"\x08\x03")
_ENDS = 16_384  # Bytes in which metadata are looked for: searching costs time.


def read_encoded(path: tf.Tensor) -> tf.Tensor:
    """Reads an image file.

    Args:
        path: Scalar string. An array (.npy) has one or three channels.

    Returns:
        Scalar string that `decode_image` decodes as people see the image. A
        file that cannot be read is returned as it is, for `decode_image` to
        refuse.
    """
    encoded = tf.io.read_file(path)

    def convert():
        converted = tf.numpy_function(
            _convert, [path, encoded], tf.string, stateful=False
        )
        return tf.ensure_shape(converted, ())

    return tf.cond(_is_plain(encoded), lambda: encoded, convert)


def read_pixels(path: tf.Tensor, channels: int) -> tf.Tensor:
    """Reads a file of any number of channels.

    Args:
        path: Scalar string: an array (.npy) or, with four channels, an image.
        channels: What the file has.

    Returns:
        uint8 (height, width, channels). A file that cannot be read is an
        error of the graph: InvalidArgumentError.
    """
    pixels = tf.numpy_function(
        functools.partial(_load_pixels, channels=channels),
        [path],
        tf.uint8,
        stateful=False,
    )
    return tf.ensure_shape(pixels, (None, None, channels))


def check_array(path: str | os.PathLike[str], channels: int) -> None:
    """Makes sure that an array is an image; reads its head only.

    A file that cannot be read is passed over: that is for others to report.

    Raises:
        ValueError: If its type, rank or number of channels is another.
    """
    head = _array_head(path)
    if head is None:
        return
    shape, dtype = head
    shapes = [(*shape[:2], channels)] + [shape[:2]] * (channels == 1)
    if len(shape) < 2 or shape not in shapes or dtype not in _ARRAY_TYPES:
        raise ValueError(
            "image must be an array of uint8 (0-255) or uint16 (0-65535), "
            f"(height, width, {channels}). Received: image={str(path)!r} of "
            f"{dtype} {shape}"
        )


def image_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """(width, height) of an image as people see it, pixels.

    Reads the head of the file only; None if it cannot be read.
    """
    if is_dicom(path):
        return dicom_size(path)
    if _is_array(path):
        head = _array_head(path)
        return head and head[0][1::-1]
    try:
        with Image.open(path) as opened:
            width, height = opened.size
            orientation = opened.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow raises many kinds for damaged files.
        return None
    turned = orientation in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


_ARRAY_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16))


def _is_plain(encoded):
    """Whether a file is surely one that TensorFlow decodes as people see it.

    In the graph and on the ends of the file, since nearly all files are.
    """
    size = tf.strings.length(encoded)
    head = tf.strings.substr(encoded, 0, _ENDS)
    tail = tf.strings.substr(encoded, tf.maximum(size - _ENDS, 0), _ENDS)
    kind = tf.strings.substr(tf.strings.join([head, bytes(26)]), 24, 2)

    def has(pattern, text):
        return tf.strings.regex_full_match(text, pattern)

    def plain_png():
        is_png = tf.strings.substr(head, 0, 8) == _PNG_SIGNATURE
        known = tf.reduce_any(kind == tf.constant(_PNG_KINDS))
        in_prefix = has(r"(?s)\C*IDAT\C*", head)
        return is_png & known & in_prefix & ~has(_METADATA, tail)

    return ~has(_METADATA, head) & tf.cond(
        tf.io.is_jpeg(encoded), lambda: has(_JPEG_SCAN, head), plain_png
    )


def _convert(path, encoded):
    """The bytes of a file if TensorFlow decodes them alike, or a PNG's."""
    try:
        if _decodes_alike(encoded):
            return encoded
        name = os.fsdecode(path)
        pixels = _load_array(name) if _is_array(name) else load_photo(name)
        return tf.io.encode_png(pixels, compression=1).numpy()
    except (OSError, ValueError) as error:
        _warn(str(error))
        return encoded


def _decodes_alike(encoded):
    """Whether TensorFlow decodes a JPEG or PNG as people see it."""
    try:
        with Image.open(io.BytesIO(encoded)) as opened:
            if opened.format in ("JPEG", "MPO"):
                return not _is_turned(opened)
            return (
                opened.format == "PNG"
                # Grey of 16 bits; colours of 16 bits both decoders cut alike.
                and not opened.mode.startswith("I")
                and not opened.has_transparency_data
                and not _is_turned(opened)
            )
    except Exception:  # As above.
        return False


def _is_turned(opened):
    return opened.getexif().get(ExifTags.Base.Orientation) in range(2, 9)


def _load_pixels(path, channels):
    """uint8 (height, width, channels) of an array or an RGBA image."""
    path = os.fsdecode(path)
    if _is_array(path):
        return _load_array(path)
    photo = None
    if not is_dicom(path):
        photo = _load_rgba(path)
    if photo is None:  # Nothing shines through.
        photo = load_photo(path)
        opaque = np.full_like(photo[..., :1], 255)
        photo = np.concatenate([photo, opaque], axis=-1)
    return photo


def _load_rgba(path):
    """An image with its transparency; None if it has none."""
    try:
        with Image.open(path) as opened:
            if not opened.has_transparency_data:
                return None
            image = ImageOps.exif_transpose(opened)
            return np.asarray(image.convert("RGBA"))
    except Exception as error:  # As above.
        raise ValueError(
            f"image must be a whole image file ({error}). "
            f"Received: image={path!r}"
        ) from error


def _load_array(path):
    """uint8 (height, width, channels) of an array that was checked."""
    array = _mapped(path)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.dtype == np.uint16:
        array = array // 257  # Of 65535 to 255, as `load_photo` does.
    return np.array(array, np.uint8)


def _array_head(path):
    """(shape, dtype) of a .npy file; None if it cannot be read."""
    try:
        array = _mapped(path)
        return array.shape, array.dtype
    except (OSError, ValueError):
        return None


def _mapped(path):
    """The array of a .npy file, still on disk; never one of pickled objects."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # Its head is Python, which NumPy parses.
        raise ValueError(
            f"image must be a whole .npy file ({error}). "
            f"Received: image={os.fspath(path)!r}"
        ) from error


def _is_array(path):
    return os.fspath(path).lower().endswith(ARRAY_SUFFIX)


@functools.cache
def _warn(message):
    """Says once what is the matter with a file."""
    logging.warning("%s", message)
