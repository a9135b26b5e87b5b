"""Where on this disk is the file of a preset, whole and checked?

Nothing is read as weights before its hash is that of the record. Shipped files
lie inside the package; published ones get into a cache. What is downloaded
lies in a folder of its own until then, and is renamed into place.
"""

import hashlib
import os
import pathlib
import tempfile
import urllib.parse
import zipfile
import zlib
from typing import Protocol

import keras
from absl import logging

from bagnet_tf.presets import SHIPPED_FOLDER
from bagnet_tf.weight_files import read_member

# What zipfile raises; ValueError is ours.
_DAMAGED_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    RuntimeError,
    EOFError,
    ValueError,
)


class Published(Protocol):
    """A file known by its hash, such as a `Preset` of weights.

    Properties, since a record may be frozen.
    """

    @property
    def url(self) -> str:
        """Where it is published; empty if it ships inside the package."""
        ...

    @property
    def file(self) -> str:
        """Its name; where `url` is a zip archive, that of its member."""
        ...

    @property
    def hash_algorithm(self) -> str:
        """As `hashlib` calls it."""
        ...

    @property
    def file_hash(self) -> str:
        """Hexadecimal, or only its beginning."""
        ...


def fetch(preset: Published, kind: str = "models") -> pathlib.Path:
    """Returns a published file; downloads it where necessary.

    It lies in the folder `models` of Keras's cache (`$KERAS_HOME`, by default
    `~/.keras`). A file that someone put there by hand, unpacked or as the
    published zip archive, is used like a downloaded one. One of another hash
    is set aside under another name.

    Args:
        preset: The record of the weights, or of another file.
        kind: Name of the cache's folder.

    Returns:
        The path of the file, whose hash is that of the record.

    Raises:
        ValueError: If what was shipped or downloaded has another hash, or a
            shipped file is missing.
        OSError: If it cannot be downloaded or the cache not be written.

    Example:
        >>> fetch(bagnet_tf.preset_info("bagnet33-imagenet"))
    """
    if not preset.url:
        return _shipped(preset)
    folder = cache_folder(kind)
    path = folder / preset.file
    if path.is_file():
        if _hash(path, preset) == preset.file_hash:
            return path
        aside = path.with_name(path.name + ".wrong_hash")
        path.replace(aside)
        logging.warning(
            "%s does not have the published hash; it is now %s.", path, aside
        )
    folder.mkdir(parents=True, exist_ok=True)
    name = pathlib.PurePosixPath(urllib.parse.urlsplit(preset.url).path).name
    by_hand = folder / name
    with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as new:
        new = pathlib.Path(new)
        source, origin = by_hand, str(by_hand)
        # It can only be there if it is the archive of the file.
        if not by_hand.is_file():
            source, origin = _download(preset, by_hand, new), preset.url
        file = source
        if name != preset.file:
            file = _unpack(source, preset.file, new / "unpacked", origin)
        found = _hash(file, preset)
        if found != preset.file_hash:
            raise ValueError(
                f"{preset.file} must have the {preset.hash_algorithm} "
                f"{preset.file_hash}. Received: {found} from {origin}"
            )
        file.replace(path)
    return path


def cache_folder(kind: str = "models") -> pathlib.Path:
    """The folder that published files are kept in; it may not exist yet."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return pathlib.Path(home).expanduser() / kind


def _shipped(preset) -> pathlib.Path:
    path = pathlib.Path(SHIPPED_FOLDER / preset.file)
    found = _hash(path, preset) if path.is_file() else "no such file"
    if found != preset.file_hash:
        raise ValueError(
            f"{preset.file} of the package must have the "
            f"{preset.hash_algorithm} {preset.file_hash}; install bagnet_tf "
            f"again. Received: {found}, {path}"
        )
    return path


def _hash(path, preset) -> str:
    """The hash of a file, as many digits of it as are published."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, preset.hash_algorithm).hexdigest()
    return digest[: len(preset.file_hash)]


def _download(preset, by_hand, folder) -> pathlib.Path:
    try:
        path = keras.utils.get_file(
            fname=by_hand.name,
            origin=preset.url,
            cache_dir=folder,
            cache_subdir="",
        )
    except Exception as error:  # Keras wraps what happened in a bare one.
        raise OSError(
            f"{preset.url} cannot be downloaded ({error}). Where there is no "
            "network, download it elsewhere and put it there by hand: "
            f"{by_hand}"
        ) from error
    return pathlib.Path(path)


def _unpack(archive, member, path, origin) -> pathlib.Path:
    """Unpacks the one member of exactly this name, to `path`."""
    try:
        with zipfile.ZipFile(archive) as opened:
            path.write_bytes(read_member(opened, member))
    except _DAMAGED_ARCHIVE as error:
        raise ValueError(
            f"the download must be a zip archive with {member} in it "
            f"({error}). Received: {origin}"
        ) from error
    return path
