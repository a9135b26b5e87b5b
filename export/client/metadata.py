"""What does an export's metadata.json say, and are its files the named ones?"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from bagnet_tf.decisions import thresholds_of
from bagnet_tf.files import sha256_of
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.heads import check_head

METADATA_FILE = "metadata.json"

# Counts up when a client that reads the file must change.
FORMAT_VERSION = 2
_EXPORT_AGAIN = "export the model again with this version of bagnet_tf"
# What JSON of other values than those looked for makes of reading it.
# `Infinity` is JSON to Python: no whole number.
OTHER_JSON = (
    *(ValueError, TypeError, AttributeError, LookupError, OverflowError),
)
_MOST_SAID = 300  # Of what is wrong with a value, which may be long.
_UPGRADE = "install a newer version of bagnet_tf"


@dataclasses.dataclass(frozen=True)
class FormatRecord:
    """One file or folder that a model was exported to.

    Attributes:
        path: Where it lies, relative to the export.
        input_size: (height, width) of the images that it was made for, pixels.
        input_dtype: `"float32"` or `"uint8"`; values are 0-255 in both.
        precision: That of the convolutions of a SavedModel.
    """

    path: str
    input_size: tuple[int, int]
    input_dtype: str
    precision: str = "float32"


@dataclasses.dataclass(frozen=True)
class FileRecord:
    """A file as it was written.

    Attributes:
        size: Bytes.
        sha256: Of its content, in hexadecimal digits.
    """

    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a client must know of an export.

    Attributes:
        folder: Where the files lie that it speaks of.
        model: Name of the model.
        input_size: (height, width) of the model's input, pixels.
        channels: Of the model's input: 3 for RGB, 1 for grey.
        any_size: Whether formats without a fixed size take others too.
        receptive_field: Side of a patch, pixels.
        stride: Distance between neighbouring patches, pixels.
        labels: Class names, by class id.
        head: What the logits mean, `"softmax"` or `"sigmoid"`.
        metrics: Measured numbers, by name.
        formats: By name of the format, such as `"litert_int8"`.
        robust_patch_size: (height, width) of the largest patch that the
            signature `robust_logits` withstands, pixels of the model's input;
            None if there is no such signature.
        files: By path, relative to the folder.
    """

    folder: pathlib.Path
    model: str
    input_size: tuple[int, int]
    channels: int
    any_size: bool
    receptive_field: int
    stride: int
    labels: tuple[str, ...]
    head: str
    metrics: Mapping[str, Any]
    formats: Mapping[str, FormatRecord]
    robust_patch_size: tuple[int, int] | None
    files: Mapping[str, FileRecord]

    @property
    def geometry(self) -> PatchGeometry:
        """Which pixels a patch sees."""
        return PatchGeometry(self.receptive_field, self.stride)

    @property
    def thresholds(self) -> dict[int, float]:
        """Operating thresholds, by class id, of the classes that have one."""
        return thresholds_of(self.metrics, len(self.labels))

    def grid_shape(
        self, size: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """(rows, cols) of patches in an image, by default of `input_size`.

        Raises:
            ValueError: If the image is smaller than one patch.
        """
        return self.geometry.grid_shape(*(size or self.input_size))

    def format_of(self, relative_path: str) -> FormatRecord:
        """The format that a path belongs to.

        Args:
            relative_path: Of a file or folder, relative to `folder`.

        Returns:
            Its record.

        Raises:
            ValueError: If no format has that path.
        """
        for record in self.formats.values():
            if record.path == relative_path:
                return record
        paths = ", ".join(record.path for record in self.formats.values())
        raise ValueError(
            f"The file must be one that {METADATA_FILE} lists: {paths}. "
            f"Received: file={relative_path!r}"
        )


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Reads the metadata of an export.

    Args:
        path: The export's folder, or its metadata.json.

    Returns:
        What it says.

    Raises:
        ValueError: If there is no such file, it is no metadata of an export,
            is damaged or was written by another version.

    Example:
        >>> metadata = read_metadata("exported")
        >>> metadata.grid_shape()
        (24, 24)
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / METADATA_FILE
    if not path.is_file():
        raise ValueError(
            f"metadata must be an existing {METADATA_FILE} of an export. "
            f"Received: metadata={str(path)!r}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    # UnicodeDecodeError is a ValueError too; JSON may be nested too deep.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"metadata must be a whole JSON file ({error}). "
            f"Received: metadata={str(path)!r}"
        ) from error
    _check_version(content, path)
    try:
        return _parsed(content, path.parent)
    except OTHER_JSON as error:
        missing = isinstance(error, KeyError)
        reason = f"it lacks {error}" if missing else str(error)
        raise ValueError(
            f"metadata must be what an export wrote ({reason[:_MOST_SAID]}). "
            f"Received: metadata={str(path)!r}"
        ) from error


def check_file(metadata: Metadata, relative_path: str) -> pathlib.Path:
    """Makes sure that a file is the one that the metadata speaks of.

    Args:
        metadata: That of the export.
        relative_path: The file, relative to `metadata.folder`.

    Returns:
        Where it lies.

    Raises:
        ValueError: If the metadata does not list the file, or it is missing,
            truncated or another one.
    """
    record = metadata.files.get(relative_path)
    if record is None:
        raise ValueError(
            f"The file must be one whose hash {METADATA_FILE} holds. "
            f"Received: file={relative_path!r}, metadata of {metadata.model!r}"
        )
    path = metadata.folder / relative_path
    if not os.path.isfile(path):  # No error for a name that no disk takes.
        raise ValueError(f"The file must exist. Received: file={str(path)!r}")
    size = path.stat().st_size
    if size != record.size:
        raise ValueError(
            f"The file must have the {record.size} bytes that {METADATA_FILE} "
            f"says: it is not whole, or another one. "
            f"Received: file={str(path)!r} of {size} bytes"
        )
    digest = sha256_of(path)
    if digest != record.sha256:
        raise ValueError(
            f"The file must have the sha256 that {METADATA_FILE} says, "
            f"{record.sha256}: it is damaged, or another one. "
            f"Received: file={str(path)!r} with {digest}"
        )
    return path


def _check_version(content, path) -> None:
    version = content.get("format_version") if type(content) is dict else None
    if type(version) is not int:
        raise ValueError(
            f"metadata must be the {METADATA_FILE} of an export. "
            f"Received: metadata={str(path)!r} without a format_version"
        )
    if version != FORMAT_VERSION:
        advice = _UPGRADE if version > FORMAT_VERSION else _EXPORT_AGAIN
        raise ValueError(
            f"metadata must be of format_version {FORMAT_VERSION}: {advice}. "
            f"Received: metadata={str(path)!r} of format_version {version}"
        )


def _parsed(content, folder) -> Metadata:
    image, geometry = content["input"], content["geometry"]
    input_size = _size(image["size"])
    metadata = Metadata(
        folder=folder,
        model=str(content["model"]),
        input_size=input_size,
        channels=_positive(image["channels"]),
        any_size=bool(image["any_size"]),
        receptive_field=_positive(geometry["receptive_field"]),
        stride=_positive(geometry["stride"]),
        labels=_labels(content["labels"]),
        head=content["head"],
        metrics=dict(content["metrics"]),
        formats={
            name: FormatRecord(
                str(record["path"]),
                _size(record.get("input_size", input_size)),
                record.get("input_dtype", "float32"),
                record.get("precision", "float32"),
            )
            for name, record in content["formats"].items()
        },
        robust_patch_size=_robust_patch_size(content),
        files={
            name: FileRecord(int(record["bytes"]), str(record["sha256"]))
            for name, record in content["files"].items()
        },
    )
    check_head(metadata.head)
    stated = tuple(geometry["grid_shape"])
    if metadata.grid_shape() != stated:
        raise ValueError(
            f"a grid of {metadata.grid_shape()} patches lies in its images, "
            f"not {stated}"
        )
    return metadata


def _robust_patch_size(content) -> tuple[int, int] | None:
    record = content.get("robust")
    return None if record is None else _size(record["patch_size"])


def _size(value) -> tuple[int, int]:
    height, width = value
    return _positive(height), _positive(width)


def _positive(value) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no positive whole number")
    return value


def _labels(value) -> tuple[str, ...]:
    whole = type(value) is list and all(type(label) is str for label in value)
    if not whole or not value:
        raise ValueError("its labels are no list of names")
    return tuple(value)
