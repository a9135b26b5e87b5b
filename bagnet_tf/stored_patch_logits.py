"""How are the patch logits of a whole split kept on disk, and read again?

A folder of .npz shards, each with the arrays `ids`, `labels`, `logits` and
`patch_logits`, and a manifest.json that says what they are of. Nothing in it
is pickled. `bagnet_tf.patch_logits_writer` writes it.
"""

import json
import os
import pathlib
import typing
from collections.abc import Iterator, Mapping

import numpy as np

from bagnet_tf.files import sha256_of
from bagnet_tf.geometry import PatchGeometry

MANIFEST_FILE = "manifest.json"
FORMAT = 1  # Of the folder; another one is refused.
_OF_A_FILE = {"name", "num_images", "sha256"}  # What a manifest says.
# What a manifest of other content makes of reading it.
_NOT_WHOLE = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError),
    RecursionError,  # Of JSON.
)


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
        manifest: All that is known of them (see
            `bagnet_tf.patch_logits_writer`).
        labels: Class names in words, by class id.
        geometry: Receptive field and stride.
        grid_shape: (rows, cols).
    """

    def __init__(self, folder: str | os.PathLike[str]):
        """Reads the manifest, and looks whether all files are there.

        Raises:
            ValueError: If the folder has no whole manifest, or not all of
                its files.
        """
        self._folder = pathlib.Path(folder)
        try:
            self.manifest = _checked_manifest(self._folder / MANIFEST_FILE)
            self.labels: tuple[str, ...] = tuple(self.manifest["labels"])
            self.geometry = PatchGeometry(**self.manifest["geometry"])
            rows, cols = self.manifest["grid_shape"]
            self.grid_shape: tuple[int, int] = rows, cols
        except _NOT_WHOLE as error:
            raise self._error(
                f"be stored patch logits with a whole {MANIFEST_FILE} "
                f"({type(error).__name__}: {error})"
            ) from error
        missing = [
            file["name"]
            for file in self.manifest["files"]
            # No error for a name that no disk takes.
            if not os.path.isfile(self._folder / file["name"])
        ]
        if missing:
            raise self._error(f"have all its files; {missing} are missing")

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
            intact = sha256_of(path) == file["sha256"]
            if intact:
                with np.load(path, allow_pickle=False) as arrays:
                    shard = StoredBatch(
                        *(np.asarray(arrays[n]) for n in StoredBatch._fields)
                    )
        except Exception as error:  # NumPy raises many kinds for damaged files.
            raise self._error(
                f"have whole files; {path.name!r} cannot be read ({error})"
            ) from error
        if not intact:
            raise self._error(
                f"have files with the hashes of its manifest; {path.name!r} "
                "is damaged"
            )
        if {array.shape[:1] for array in shard} != {(file["num_images"],)}:
            raise self._error(
                f"have a manifest of its files; {path.name!r} has another "
                f"number of images than {file['num_images']}"
            )
        shape = file["num_images"], *self.grid_shape, len(self.labels)
        found = shard.patch_logits.shape, str(shard.patch_logits.dtype)
        if found != (shape, self.manifest["dtype"]):
            raise self._error(
                f"have a manifest of its files; {path.name!r} has patch logits "
                f"{found[0]} of dtype {found[1]}, not {shape} of dtype "
                f"{self.manifest['dtype']}"
            )
        return shard

    def _error(self, rule):
        return ValueError(
            f"folder must {rule}. Received: folder={str(self._folder)!r}"
        )


def _checked_manifest(path: pathlib.Path) -> dict[str, typing.Any]:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']} is unknown")
    for key in ("dtype", "labels", "geometry", "grid_shape", "num_images"):
        if key not in manifest:
            raise ValueError(f"{key} is missing")
    if any(not _OF_A_FILE <= file.keys() for file in manifest["files"]):
        raise ValueError(f"every file needs {', '.join(sorted(_OF_A_FILE))}")
    for file in manifest["files"]:
        # A file of this folder, not one that a path leads to elsewhere.
        if pathlib.PurePath(file["name"]).name != file["name"]:
            raise ValueError(f"{file['name']!r} is no file of the folder")
        if type(file["num_images"]) is not int or file["num_images"] < 1:
            raise ValueError(f"num_images is {file['num_images']!r}")
    counts = [file["num_images"] for file in manifest["files"]]
    if sum(counts) != manifest["num_images"]:
        raise ValueError("the files have not as many images as there are")
    return manifest
