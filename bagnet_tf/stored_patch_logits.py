"""How are the patch logits of a whole split kept on disk, and read again?

A folder of .npz shards, each with the arrays `ids`, `labels`, `logits` and
`patch_logits`, and a manifest.json that says what they are of. Nothing in it
is pickled.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import typing
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np

from bagnet_tf.files import write_json
from bagnet_tf.geometry import PatchGeometry

MANIFEST_FILE = "manifest.json"
DTYPES = ("float32", "float16")
_FORMAT = 1


class StoredBatch(typing.NamedTuple):
    """Some images of a split, in its order.

    Attributes:
        ids: What the dataset calls them, strings (batch,).
        labels: Class ids, int64 (batch,); or multi-hot, float32
            (batch, classes).
        logits: float32 (batch, classes).
        patch_logits: (batch, rows, cols, classes), of the manifest's dtype.
    """

    ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    patch_logits: np.ndarray


class StoredPatchLogits:
    """Patch logits that `train.evaluate --store_patch_logits` has written.

    Example:
        >>> stored = StoredPatchLogits("runs/glyphs/validation")
        >>> for ids, labels, logits, patch_logits in stored.batches():
        ...     stored.geometry, patch_logits.shape

    Attributes:
        manifest: All that is known of them (see `PatchLogitsWriter`).
        labels: Class names in words, by class id.
        geometry: Receptive field and stride.
        grid_shape: (rows, cols).
    """

    def __init__(self, folder: str | os.PathLike):
        """Reads the manifest, and looks whether all files are there.

        Raises:
            ValueError: If the folder has no whole manifest, or not all of
                its files.
        """
        self._folder = pathlib.Path(folder)
        try:
            self.manifest = _checked_manifest(self._folder / MANIFEST_FILE)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._error(
                f"be stored patch logits with a whole {MANIFEST_FILE} "
                f"({type(error).__name__}: {error})"
            ) from error
        missing = [
            file["name"]
            for file in self.manifest["files"]
            if not (self._folder / file["name"]).is_file()
        ]
        if missing:
            raise self._error(f"have all its files; {missing} are missing")
        self.labels = tuple(self.manifest["labels"])
        self.geometry = PatchGeometry(**self.manifest["geometry"])
        self.grid_shape = tuple(self.manifest["grid_shape"])

    def __len__(self) -> int:
        """Number of images."""
        return self.manifest["num_images"]

    def batches(self, batch_size: int = 64) -> Iterator[StoredBatch]:
        """Yields all images in the order of the split.

        One shard at a time is in memory, and its hash is checked first.

        Args:
            batch_size: The most images of a batch; the last one of a shard may
                be smaller.

        Raises:
            ValueError: If `batch_size` is not positive, or a shard is damaged.
        """
        if batch_size < 1:
            raise ValueError(
                "batch_size must be at least 1. "
                f"Received: batch_size={batch_size}"
            )
        for file in self.manifest["files"]:
            shard = self._read(file)
            for first in range(0, file["num_images"], batch_size):
                part = slice(first, first + batch_size)
                yield StoredBatch(*(array[part] for array in shard))

    def _read(self, file: Mapping) -> StoredBatch:
        """The arrays of one shard, if they are what was written."""
        path = self._folder / file["name"]
        try:
            intact = _sha256(path) == file["sha256"]
            if intact:
                with np.load(path, allow_pickle=False) as arrays:
                    return StoredBatch(
                        *(arrays[n] for n in StoredBatch._fields)
                    )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise self._error(
                f"have whole files; {path.name!r} cannot be read ({error})"
            ) from error
        raise self._error(
            f"have files with the hashes of its manifest; {path.name!r} is "
            "damaged"
        )

    def _error(self, rule):
        return ValueError(
            f"folder must {rule}. Received: {str(self._folder)!r}"
        )


class PatchLogitsWriter:
    """Writes patch logits, the whole folder or nothing.

    Example:
        >>> with PatchLogitsWriter("stored", facts) as writer:
        ...     writer.add(ids, labels, logits, patch_logits)
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        facts: Mapping,
        dtype: str = "float32",
        shard_size: int = 512,
        overwrite: bool = False,
    ):
        """Refuses what could not be written.

        Args:
            folder: Where they shall be; its parent exists.
            facts: What the manifest shall say besides the shards: `labels`
                (class names) and `geometry` (`receptive_field`, `stride`), and
                whatever is JSON.
            dtype: Of the patch logits, one of `DTYPES`.
            shard_size: Number of images of a file.
            overwrite: Whether stored patch logits may be replaced.

        Raises:
            ValueError: If an argument is not as above, or `folder` exists and
                may not be replaced.
        """
        if dtype not in DTYPES or shard_size < 1:
            raise ValueError(
                f"dtype must be one of {', '.join(DTYPES)} and shard_size at "
                f"least 1. Received: dtype={dtype!r}, shard_size={shard_size}"
            )
        self._folder = pathlib.Path(folder).absolute()
        _check_place(self._folder, overwrite)
        self._facts = dict(facts)
        self._dtype = dtype
        self._shard_size = shard_size
        self._temporary = self._folder.with_name(
            f"{self._folder.name}.tmp-{os.getpid()}"
        )
        self._files = []
        self._batches = []  # What no file holds yet.
        self._grid_shape = None

    def __enter__(self) -> "PatchLogitsWriter":
        """Makes a temporary folder beside the real one."""
        self._temporary.mkdir()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        """Puts the folder in its place, unless something went wrong."""
        try:
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def add(
        self,
        ids: np.ndarray,
        labels: np.ndarray,
        logits: np.ndarray,
        patch_logits: np.ndarray,
    ) -> None:
        """Adds a batch.

        Args:
            ids: Strings, (batch,).
            labels: Class ids, (batch,), or multi-hot, (batch, classes).
            logits: (batch, classes).
            patch_logits: (batch, rows, cols, classes); all batches have the
                same rows and columns.

        Raises:
            ValueError: If a patch logit is too large for the dtype.
        """
        with np.errstate(over="ignore"):
            patch_logits = np.asarray(patch_logits).astype(self._dtype)
        if not np.isfinite(patch_logits).all():
            raise ValueError(
                "patch logits must be finite numbers in their dtype. "
                f"Received: dtype={self._dtype!r}"
            )
        self._grid_shape = list(patch_logits.shape[1:3])
        self._batches.append(
            StoredBatch(
                np.asarray(ids, str), np.asarray(labels), logits, patch_logits
            )
        )
        while sum(len(b.ids) for b in self._batches) >= self._shard_size:
            self._write_shard()

    def _write_shard(self) -> None:
        """Writes the first images that no file holds yet."""
        shard = [np.concatenate(c) for c in zip(*self._batches, strict=True)]
        size = self._shard_size
        rest = StoredBatch(*(array[size:] for array in shard))
        self._batches = [rest] if len(rest.ids) else []
        arrays = StoredBatch(*(array[:size] for array in shard))
        path = self._temporary / f"shard-{len(self._files):05d}.npz"
        np.savez(path, **arrays._asdict())
        self._files.append(
            {
                "name": path.name,
                "num_images": len(arrays.ids),
                "sha256": _sha256(path),
            }
        )

    def _finish(self) -> None:
        if self._batches:
            self._write_shard()
        manifest = {
            "format": _FORMAT,
            **self._facts,
            "dtype": self._dtype,
            "grid_shape": self._grid_shape,
            "num_images": sum(f["num_images"] for f in self._files),
            "files": self._files,
        }
        write_json(self._temporary / MANIFEST_FILE, manifest)
        replaced = self._temporary.with_name(self._temporary.name + "-replaced")
        with contextlib.suppress(FileNotFoundError):
            self._folder.rename(replaced)
        self._temporary.rename(self._folder)
        shutil.rmtree(replaced, ignore_errors=True)


def _check_place(folder: pathlib.Path, overwrite: bool) -> None:
    if not folder.parent.is_dir():
        rule = "be in an existing folder"
    elif not os.path.lexists(folder):
        return
    elif not overwrite:
        rule = "not exist yet, or --overwrite be given"
    # A whole folder is deleted: a slip must not cost other files.
    elif folder.is_symlink() or not (folder / MANIFEST_FILE).is_file():
        rule = f"be one with a {MANIFEST_FILE}, to be replaced"
    else:
        return
    raise ValueError(
        f"folder of patch logits must {rule}. Received: folder={str(folder)!r}"
    )


def _checked_manifest(path: pathlib.Path) -> dict:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest["format"] != _FORMAT:
        raise ValueError(f"format {manifest['format']} is unknown")
    counts = [file["num_images"] for file in manifest["files"]]
    if sum(counts) != manifest["num_images"]:
        raise ValueError("the files have not as many images as there are")
    for key in ("labels", "geometry", "grid_shape", "dtype"):
        manifest[key]  # Raises if it is missing.
    return manifest


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
