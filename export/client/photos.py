"""How does a client make the model's input of a photo? As training did."""

import os

import numpy as np

from bagnet_tf.photos import (
    decode_photo,
    evaluation_transform,
    in_grey,
    load_photo,
)


def read_photo(photo: str | os.PathLike[str] | bytes) -> np.ndarray:
    """Reads an image file as people see it: upright, transparency over white.

    Args:
        photo: A path, or the content of a file, of any format that Pillow
            reads.

    Returns:
        RGB, uint8 (height, width, 3).

    Raises:
        ValueError: If it is missing, empty, damaged or no image, or so large
            that Pillow takes it for an attack (about 179 megapixels).
    """
    if isinstance(photo, bytes):
        return decode_photo(photo)
    return load_photo(photo)


def evaluation_image(
    photo: np.ndarray, size: tuple[int, int], channels: int = 3
) -> np.ndarray:
    """The model's input, made of a photo by the one evaluation transform.

    Shorter side to round(size / 0.875), antialiased bilinear, centre crop; an
    image that already has the size passes unchanged.

    Args:
        photo: RGB, uint8 (height, width, 3).
        size: (height, width) of the model's input, pixels.
        channels: Of the model's input: 3, or 1 for grey.

    Returns:
        uint8 (*size, channels).

    Raises:
        ValueError: If `photo` is no such array, or the model takes other
            channels.

    Example:
        >>> photo = read_photo("cat.jpg")
        >>> evaluation_image(photo, metadata.input_size, metadata.channels)
    """
    if channels not in (1, 3):
        raise ValueError(
            "channels must be 3 (RGB) or 1 (grey), as photos have. "
            f"Received: channels={channels!r}"
        )
    if photo.ndim != 3 or photo.shape[-1] != 3 or photo.dtype != np.uint8:
        raise ValueError(
            "photo must be RGB, uint8 (height, width, 3). Received: "
            f"shape={photo.shape}, dtype={photo.dtype}"
        )
    if channels == 1:
        photo = in_grey(photo)
    return evaluation_transform(photo, size)[0]
