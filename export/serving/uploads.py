"""Which bytes of a photo does a server decode as its client would?"""

import io
import os

from PIL import ExifTags, Image

from bagnet_tf.photos import load_photo

_UPRIGHT = 1


def upright_file(path: str | os.PathLike[str]) -> bytes:
    """A photo as a file for the signature that takes encoded photos.

    The server knows JPEG, PNG, GIF and BMP, and looks neither at the EXIF
    orientation nor at transparency.

    Args:
        path: A file of any format that can be read here.

    Returns:
        The file's own bytes, if it is an upright JPEG file in RGB or grey;
        else a PNG file of what `load_photo` makes of it.

    Raises:
        ValueError: If it cannot be read.
    """
    photo = load_photo(path)  # Refuses a damaged file, too.
    if _is_plain_jpeg(path):
        with open(path, "rb") as file:
            return file.read()
    encoded = io.BytesIO()
    Image.fromarray(photo).save(encoded, "PNG")
    return encoded.getvalue()


def _is_plain_jpeg(path) -> bool:
    try:
        with Image.open(path) as opened:
            orientation = opened.getexif().get(
                ExifTags.Base.Orientation, _UPRIGHT
            )
            return (
                opened.format == "JPEG"
                and opened.mode in ("RGB", "L")
                and orientation == _UPRIGHT
            )
    except OSError:  # A DICOM file.
        return False
