"""How is a photo read, and how does it become the model's input?

The one evaluation transform: shorter side to round(size / 0.875) with Pillow's
antialiased bilinear filter, then a centre crop; an image that already has the
model's size passes unchanged. It takes any number of channels.

NumPy and Pillow are all that is needed: clients of exported models read photos
with this module too, where there is no TensorFlow.
"""

import dataclasses
import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from bagnet_tf.dicom import is_dicom, load_dicom
from bagnet_tf.geometry import Box

RESIZE_RULE = (
    "shorter side to round(size / 0.875), antialiased bilinear, centre crop"
)


@dataclasses.dataclass(frozen=True)
class CropTransform:
    """Where the model's input lies in the photo that it was made from.

    Attributes:
        photo_shape: (height, width) of the photo, pixels.
        resized_shape: (height, width) after resizing, pixels.
        top: First row of the crop in the resized photo.
        left: First column of the crop in the resized photo.
    """

    photo_shape: tuple[int, int]
    resized_shape: tuple[int, int]
    top: int
    left: int

    def to_photo(self, box: Box) -> Box:
        """Maps a box in input pixels to whole pixels of the photo."""
        scale_y = self.photo_shape[0] / self.resized_shape[0]
        scale_x = self.photo_shape[1] / self.resized_shape[1]
        return Box(
            round((box.top + self.top) * scale_y),
            round((box.left + self.left) * scale_x),
            round((box.bottom + self.top) * scale_y),
            round((box.right + self.left) * scale_x),
        )


def load_photo(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads an image file as people see it.

    EXIF rotation is applied, transparency is laid over white, grey and
    palette images become RGB, 16-bit ones are scaled to 8 bits. DICOM files
    (.dcm) are read as `load_dicom` does.

    Args:
        path: A file of any format that Pillow reads, or a DICOM file.

    Returns:
        RGB, uint8 (height, width, 3).

    Raises:
        ValueError: If the file is missing, or is no readable image.
    """
    return load_photo_and_notes(path)[0]


def load_photo_and_notes(
    path: str | os.PathLike[str],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """`load_photo`, and what had to be done to the file's pixels.

    Args:
        path: A file of any format that Pillow reads, or a DICOM file.

    Returns:
        RGB, uint8 (height, width, 3), and a short phrase for each conversion,
        such as "rotated by EXIF"; none for an ordinary photo.

    Raises:
        ValueError: If the file is missing, or is no readable image.

    Example:
        >>> photo, notes = load_photo_and_notes("scan.png")
        >>> notes
        ('16-bit scaled to 8', 'grey to RGB')
    """
    if is_dicom(path):
        return load_dicom(path)
    return _read(path, str(path))


def decode_photo(encoded: bytes) -> np.ndarray:
    """`load_photo` of a file that is in memory already, such as an upload.

    Args:
        encoded: A whole file of any format that Pillow reads.

    Returns:
        RGB, uint8 (height, width, 3).

    Raises:
        ValueError: If it is no readable image.
    """
    return _read(io.BytesIO(encoded), "bytes")[0]


def _read(
    file: str | os.PathLike[str] | io.BytesIO, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pixels of an image file, and what was done to them."""
    try:
        with Image.open(file) as opened:
            return _as_rgb(opened)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ValueError(
            f"image must be an existing file. Received: image={name!r}"
        ) from error
    except Exception as error:  # Pillow raises many kinds for damaged files.
        # Pillow's own words name an object where the file is in memory.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "it is empty or of no known kind" if unknown else error
        raise ValueError(
            "image must be a whole file of a format that Pillow reads "
            f"({reason}). Received: image={name!r}"
        ) from error


# EXIF orientations: 2 and 4 mirror, 3, 6 and 8 rotate, 5 and 7 do both.
_ORIENTATIONS = {
    **dict.fromkeys((2, 4), "mirrored by EXIF"),
    **dict.fromkeys((3, 6, 8), "rotated by EXIF"),
    **dict.fromkeys((5, 7), "rotated and mirrored by EXIF"),
}
# Pillow's modes whose pixels are not already RGB, in words.
_MODES = {
    "1": "black and white to RGB",
    "L": "grey to RGB",
    "LA": "grey to RGB",
    "F": "floating point clipped to 0-255",
    "P": "palette to RGB",
    "PA": "palette to RGB",
}


def _as_rgb(opened: Image.Image) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pixels of an image that was just opened, and what was done."""
    notes = []
    if getattr(opened, "n_frames", 1) > 1:
        notes.append(f"first of {opened.n_frames} frames")
    # Colour images of 16 bits are scaled by Pillow's decoder itself: only the
    # file's encoding tells, and only until the pixels are read.
    encodings = str([tile.args for tile in opened.tile])
    orientation = opened.getexif().get(ExifTags.Base.Orientation)
    if orientation in _ORIENTATIONS:
        notes.append(_ORIENTATIONS[orientation])
    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):
        scaled = np.asarray(image, np.float64) * (255 / 65535)
        image = Image.fromarray(scaled.clip(0, 255).astype(np.uint8))
        if "I;32" in encodings:
            notes.append("32-bit clipped to 16")
        notes.append("16-bit scaled to 8")
    elif ";16" in encodings:
        notes.append("16-bit scaled to 8")
    if image.mode not in ("RGB", "RGBA", "RGBa", "RGBX"):
        notes.append(_MODES.get(image.mode, f"{image.mode} to RGB"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            notes.append("transparency laid over white")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB")), tuple(notes)


def in_grey(photo: np.ndarray) -> np.ndarray:
    """A photo as a model of one channel sees it: Pillow's `convert("L")`.

    Args:
        photo: RGB, uint8 (height, width, 3).

    Returns:
        uint8 (height, width, 1).
    """
    return np.asarray(Image.fromarray(photo).convert("L"))[..., np.newaxis]


def evaluation_transform(
    photo: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, CropTransform]:
    """Resizes and crops a photo to the model's input size.

    Args:
        photo: uint8 (height, width, channels), such as RGB.
        size: (height, width) of the model's input, pixels.

    Returns:
        The input, uint8 (*size, channels), and where it lies in the photo.

    Raises:
        ValueError: If `photo` is no such array.
    """
    if photo.ndim != 3 or not photo.shape[-1] or photo.dtype != np.uint8:
        raise ValueError(
            "photo must be uint8 (height, width, channels). Received: "
            f"shape={photo.shape}, dtype={photo.dtype}"
        )
    height, width = photo.shape[:2]
    if (height, width) == tuple(size):
        return photo, CropTransform((height, width), (height, width), 0, 0)
    resized_shape = scaled_shape(height, width, size)
    resized = _resized(photo, resized_shape)
    top = (resized_shape[0] - size[0]) // 2
    left = (resized_shape[1] - size[1]) // 2
    crop = resized[top : top + size[0], left : left + size[1]]
    return crop, CropTransform((height, width), resized_shape, top, left)


def _resized(photo: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if photo.shape[-1] != 3:
        # Pillow filters each channel by itself, so that they may come apart.
        channels = np.split(photo, photo.shape[-1], axis=-1)
        parts = [
            _pillow_resized(channel[..., 0], shape) for channel in channels
        ]
        return np.stack(parts, axis=-1)
    return _pillow_resized(photo, shape)


def _pillow_resized(pixels, shape) -> np.ndarray:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR))


def scaled_shape(
    height: Any,
    width: Any,
    size: tuple[int, int],
    maximum: Callable[[Any, Any], Any] = max,
) -> tuple[Any, Any]:
    """(rows, cols) after resizing: `size / 0.875`, the longer side in scale.

    In whole numbers, halves rounded up, so that every language agrees; the
    same formula serves Python integers and TensorFlow scalars.
    """
    least_rows, least_cols = ((16 * side + 7) // 14 for side in size)
    rows = (2 * height * least_cols + width) // (2 * width)
    cols = (2 * width * least_rows + height) // (2 * height)
    return maximum(least_rows, rows), maximum(least_cols, cols)
