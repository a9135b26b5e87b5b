"""In which letters is a picture written, without matplotlib's fonts?

A common font of the system if there is one; else the one inside Pillow, which
has little more than ASCII, so that other letters are spelled with those.
"""

import functools
import unicodedata

from PIL import ImageFont

# Regular and bold, of Linux, Windows, macOS and Android.
_SYSTEM_FONTS = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("arial.ttf", "arialbd.ttf"),
    ("Arial.ttf", "Arial Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("Roboto-Regular.ttf", "Roboto-Bold.ttf"),
)
_IN_ASCII = {"−": "-", "–": "-", "×": "x", "≥": ">=", "≤": "<=", "ß": "ss"}
# What Pillow's own font has beyond ASCII.
_ALSO_BUILT_IN = "·…"


def font(
    size: float, bold: bool = False
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font.

    Args:
        size: In pixels.
        bold: Whether it should be bold; the one inside Pillow cannot be.
    """
    path = _system_font(bold)
    if path is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(path, size)


def spelled(text: str) -> str:
    """A text in letters that the font has."""
    if _system_font(False) is not None:
        return text
    return "".join(_spelled(letter) for letter in text)


def _spelled(letter: str) -> str:
    if letter.isascii() or letter in _ALSO_BUILT_IN:
        return letter
    if letter in _IN_ASCII:
        return _IN_ASCII[letter]
    # Accents come off; what nothing is left of is a question mark.
    decomposed = unicodedata.normalize("NFKD", letter)
    return "".join(part for part in decomposed if part.isascii()) or "?"


@functools.cache
def _system_font(bold: bool) -> str | None:
    for names in _SYSTEM_FONTS:
        try:
            for name in names:
                ImageFont.truetype(name)
        except OSError:
            continue
        return names[bold]
    return None
