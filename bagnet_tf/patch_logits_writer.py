"""How are the patch logits of a whole split written? The folder, or nothing.

`bagnet_tf.stored_patch_logits` says what is in it, and reads it.
"""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Mapping

import numpy as np

from bagnet_tf.files import sha256_of, write_json
from bagnet_tf.stored_patch_logits import (
    FORMAT,
    MANIFEST_FILE,
    StoredBatch,
)

DTYPES = ("float32", "float16")


class PatchLogitsWriter:
    """Writes patch logits, the whole folder or nothing.

    Example:
        >>> with PatchLogitsWriter("stored", facts) as writer:
        ...     writer.add(ids, labels, logits, patch_logits)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
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
        check_place(self._folder, overwrite)
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
                "sha256": sha256_of(path),
            }
        )

    def _finish(self) -> None:
        if self._batches:
            self._write_shard()
        manifest = {
            "format": FORMAT,
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


def check_place(folder: pathlib.Path, overwrite: bool) -> None:
    """Refuses a folder in whose place no patch logits can be written.

    Args:
        folder: Where they shall be.
        overwrite: Whether stored patch logits may be replaced.

    Raises:
        ValueError: If its parent is missing, or it may not be replaced.
    """
    if not folder.parent.is_dir():
        rule = "folder must be in an existing folder"
    elif not os.path.lexists(folder):
        return
    elif not overwrite:
        rule = "folder exists; --overwrite replaces it, if it is one of those"
    # A whole folder is deleted: a slip must not cost other files.
    elif folder.is_symlink() or not (folder / MANIFEST_FILE).is_file():
        rule = (
            "folder, to be overwritten, must be one of patch logits (with a "
            f"{MANIFEST_FILE})"
        )
    else:
        return
    raise ValueError(f"{rule}. Received: folder={str(folder)!r}")
