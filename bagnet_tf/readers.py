"""How is a part of an image read when the whole does not fit into memory?"""

import os
import struct
from collections.abc import Callable
from typing import Protocol

import numpy as np

from bagnet_tf.geometry import Box

# Deflate makes at most so many bytes of one (zlib's documentation).
_DEFLATE_LIMIT = 1032
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # By the kind of colour.


class RegionReader(Protocol):
    """An image that can be read in parts.

    Attributes:
        name: What to call it in messages and records.
        shape: (height, width, channels).
    """

    name: str
    shape: tuple[int, int, int]

    def read(self, box: Box) -> np.ndarray:
        """The pixels of a box that lies within the image.

        Boxes come from the top to the bottom: none begins above an earlier
        one.
        """
        ...


class ArrayReader:
    """An array, for example one that `numpy.load(..., mmap_mode="r")` gives."""

    def __init__(self, array: np.ndarray, name: str = "array"):
        """Takes an array (height, width, channels).

        Raises:
            ValueError: If it has another rank.
        """
        if array.ndim != 3:
            raise ValueError(
                "array must be (height, width, channels). "
                f"Received: array.shape={array.shape}"
            )
        self.name = name
        self.shape = array.shape
        self._array = array

    def read(self, box: Box) -> np.ndarray:
        """See `RegionReader`."""
        return self._array[box.top : box.bottom, box.left : box.right]


class CallbackReader:
    """Anything that can give the pixels of a region: a slide, a map server."""

    def __init__(
        self,
        read: Callable[[Box], np.ndarray],
        shape: tuple[int, int, int],
        name: str = "callback",
    ):
        """Takes a function of a `Box` and the (height, width, channels)."""
        self.name = name
        self.shape = tuple(shape)
        self._read = read

    def read(self, box: Box) -> np.ndarray:
        """See `RegionReader`.

        Raises:
            ValueError: If the function gives pixels of another shape.
        """
        pixels = np.asarray(self._read(box))
        expected = (box.bottom - box.top, box.right - box.left, self.shape[2])
        if pixels.shape != expected:
            raise ValueError(
                f"read must give pixels of shape {expected} for {box}. "
                f"Received: shape={pixels.shape}"
            )
        return pixels


class FileReader:
    """An image file of any size, decoded in strips from the top.

    Of the decoded pixels only the rows that tiles still need are held.
    Transparency is laid over white, grey becomes RGB and 16 bits become 8.
    """

    def __init__(self, path: str | os.PathLike[str]):
        """Opens a file of any format that libvips reads (TIFF, PNG, ...).

        Raises:
            ValueError: If it is missing or no readable image.
            ImportError: If pyvips is not installed.
        """
        self.name = str(path)
        self._vips = _pyvips()
        self._image = self._opened(path)
        self.shape = self._image.height, self._image.width, 3
        self._region = self._vips.Region.new(self._image)
        self._top = 0
        self._rows = np.empty((0, self._image.width, 3), np.uint8)

    def read(self, box: Box) -> np.ndarray:
        """See `RegionReader`.

        Raises:
            ValueError: If the file is damaged.
        """
        self._rows = self._rows[max(box.top - self._top, 0) :]
        self._top = max(box.top, self._top)
        start = self._top + len(self._rows)
        if box.bottom > start:
            strip = self._strip(start, box.bottom - start)
            self._rows = np.concatenate([self._rows, strip])
        rows = self._rows[box.top - self._top : box.bottom - self._top]
        return rows[:, box.left : box.right]

    def _opened(self, path):
        if not os.path.isfile(path):
            raise ValueError(
                f"image must be an existing file. Received: image={str(path)!r}"
            )
        try:
            image = self._vips.Image.new_from_file(
                str(path), access="sequential", fail_on="truncated"
            )
            _check_length(self.name)
            turned = image.get_typeof("orientation") != 0
            if turned and image.get("orientation") != 1:
                # Turning needs rows in another order than they are stored.
                image = self._vips.Image.new_from_file(
                    str(path), fail_on="truncated"
                ).autorot()
            image = image.colourspace("srgb")
            if image.hasalpha():
                image = image.flatten(background=255)
            return image.cast("uchar")
        except self._vips.Error as error:
            raise self._unreadable(error) from error

    def _strip(self, top, height) -> np.ndarray:
        try:
            pixels = self._region.fetch(0, top, self._image.width, height)
        except self._vips.Error as error:
            raise self._unreadable(error) from error
        shape = height, *self.shape[1:]
        return np.frombuffer(pixels, np.uint8).reshape(shape)

    def _unreadable(self, error) -> ValueError:
        reason = " ".join(str(error).split())
        return ValueError(
            "image must be a whole file of a format that libvips reads "
            f"({reason}). Received: image={self.name!r}"
        )


def _check_length(path):
    """Refuses a PNG too short for the pixels that its header claims.

    Decoding it would go on for a minute before the end is found missing.
    """
    with open(path, "rb") as file:
        header = file.read(26)
    if header[:8] != b"\x89PNG\r\n\x1a\n":
        return
    width, height, depth, kind = struct.unpack(">IIBB", header[16:])
    bits = depth * _PNG_CHANNELS[kind]
    length = os.path.getsize(path)
    if width * height * bits // 8 > _DEFLATE_LIMIT * length:
        raise ValueError(
            f"image must be a whole file: {length} bytes cannot hold "
            f"{width} x {height} pixels. Received: image={path!r}"
        )


def _pyvips():
    try:
        import pyvips
    except (ImportError, OSError) as error:
        raise ImportError(
            "Reading image files in strips needs pyvips: "
            "pip install 'bagnet-tf[large]'"
        ) from error
    return pyvips
