"""What does a DICOM file show?

pydicom reads it: the optional extra `medical`.
"""

import os
import textwrap

import numpy as np

SUFFIX = ".dcm"


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether a file is called like a DICOM file."""
    return os.fspath(path).lower().endswith(SUFFIX)


def require_pydicom() -> None:
    """Makes sure that DICOM files can be read.

    Raises:
        ValueError: If pydicom is missing; it says what to install.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"DICOM files ({SUFFIX}) need pydicom: "
            "pip install 'bagnet-tf[medical]'"
        ) from error


def load_dicom(
    path: str | os.PathLike[str],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads a DICOM image as a viewer shows it first.

    Of several frames the first; grey values under the file's VOI table, else
    its first window, else from the least to the largest of the image;
    MONOCHROME1 (white is low) inverted; colours as RGB.

    Args:
        path: The DICOM file.

    Returns:
        RGB, uint8 (height, width, 3), and a short phrase for each conversion,
        such as "DICOM window 40/400" (centre and width).

    Raises:
        ValueError: If pydicom is missing, or the plugin of pydicom that the
            file's compression needs; or if the file is missing or is no whole
            DICOM image.
    """
    require_pydicom()
    import pydicom

    try:
        dataset = pydicom.dcmread(path)
        _check_compression(dataset)
        return _as_rgb(dataset)
    except FileNotFoundError as error:
        raise ValueError(
            f"image must be an existing file. Received: image={str(path)!r}"
        ) from error
    # Damaged files raise whatever is the matter where pydicom stumbles.
    except Exception as error:
        reason = textwrap.shorten(str(error), 400, placeholder=" ...")
        raise ValueError(
            "image must be a whole DICOM file with pixels that pydicom reads "
            f"({reason}). Received: image={str(path)!r}"
        ) from error


def dicom_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """(width, height) of a DICOM image; None if the file cannot be read."""
    require_pydicom()
    import pydicom

    try:
        dataset = pydicom.dcmread(path, specific_tags=["Rows", "Columns"])
        return dataset.Columns, dataset.Rows
    except Exception:  # As above.
        return None


def _check_compression(dataset):
    """Makes sure that pydicom has what it needs to decompress the pixels."""
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    decoder = get_decoder(syntax)
    if not decoder.is_available:
        needed = "; ".join(decoder.missing_dependencies)
        raise ValueError(
            f"its compression, {syntax.name}, needs one of pydicom's plugins: "
            f"{needed}"
        )


def _as_rgb(dataset):
    """The pixels of a file, and what was done."""
    from pydicom import pixels

    notes = []
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        notes.append(f"first of {dataset.NumberOfFrames} frames")
    values = pixels.pixel_array(dataset, index=0)
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        values = pixels.apply_color_lut(values, dataset)
        notes.append("palette to RGB")
        most = np.iinfo(values.dtype).max
    elif values.ndim == 3:
        most = 2**dataset.BitsStored - 1
    else:
        grey, done = _grey(values, dataset)
        if photometric == "MONOCHROME1":
            grey = 1 - grey
            done.append("MONOCHROME1 inverted")
        values, most = np.repeat(grey[..., np.newaxis], 3, axis=-1), 1
        notes += done
    scaled = np.clip(values * (255 / most), 0, 255)
    return np.round(scaled[..., :3]).astype(np.uint8), tuple(notes)


def _grey(values, dataset):
    """Grey values from 0 to 1 under the file's tables, and what was done."""
    from pydicom import pixels

    values = pixels.apply_modality_lut(values, dataset)
    if dataset.get("VOILUTSequence"):
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        shown = pixels.apply_voi(values, dataset)
        return shown / (2**bits - 1), ["DICOM VOI table"]
    centre, width = (
        _first(dataset.get(key)) for key in ("WindowCenter", "WindowWidth")
    )
    if centre is not None and width is not None:
        # The window's ends are those of the stored values, whatever they are.
        low, high = pixels.apply_windowing(np.array([-np.inf, np.inf]), dataset)
        shown = pixels.apply_windowing(values, dataset)
        note = f"DICOM window {centre:g}/{width:g}"
        return (shown - low) / (high - low), [note]
    values = values.astype(np.float64)
    low, high = values.min(), values.max()
    note = f"DICOM values {low:g} to {high:g}"
    return (values - low) / max(high - low, np.finfo(float).tiny), [note]


def _first(value):
    """The first of several values, the value itself, or None."""
    from pydicom.multival import MultiValue

    value = value[0] if isinstance(value, MultiValue) and value else value
    return None if value in (None, "") else float(value)
