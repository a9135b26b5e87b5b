"""How does an export folder come to be, whole or not at all?

All is written to a folder beside it and verified there; only then is that
folder renamed.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import keras
import numpy as np
from absl import logging

from bagnet_tf.model_info import ModelInfo

from .litert import LiteRTRunner, write_litert
from .metadata import METADATA_FILE, write_labels, write_metadata
from .saved_model import SavedModelRunner, write_saved_model
from .verify import Runner, Verification, verify


@dataclasses.dataclass(frozen=True)
class Format:
    """One kind of file that a model can be exported to.

    Attributes:
        path: The file or folder, relative to the export.
        write: Called with the model, what belongs to it and the absolute path.
        open: Called with the absolute path; gives a runner for `verify`.
    """

    path: str
    write: Callable[[keras.Model, ModelInfo, pathlib.Path], None]
    open: Callable[[pathlib.Path], Runner]


FORMATS: Mapping[str, Format] = {
    "saved_model": Format("saved_model/1", write_saved_model, SavedModelRunner),
    "litert": Format("litert/model.tflite", write_litert, LiteRTRunner),
}


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """What an export wrote.

    Attributes:
        verifications: One for each file or folder, in the order of formats.
        sizes: Bytes of each, by artefact.
    """

    verifications: Sequence[Verification]
    sizes: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Whether every file agrees with the model: else none was kept."""
        return all(v.passed for v in self.verifications)


def check_request(
    output: str | os.PathLike, formats: Sequence[str], overwrite: bool
) -> None:
    """Refuses, before any work, what `export_model` would refuse.

    Raises:
        ValueError: If `formats` is empty or has an unknown one, or `output`
            exists and may not be replaced.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(
            f"formats must be some of {', '.join(FORMATS)}. "
            f"Received: formats={','.join(formats)}"
        )
    output = pathlib.Path(output)
    if not os.path.lexists(output):
        return
    if not overwrite:
        raise ValueError(
            "output must be a folder that does not exist, or --overwrite must "
            f"be given to replace it. Received: output={str(output)!r}"
        )
    # --overwrite deletes a whole folder: a slip must not cost other files.
    if output.is_symlink() or not (output / METADATA_FILE).is_file():
        raise ValueError(
            "output, to be overwritten, must be an earlier export (a folder "
            f"with {METADATA_FILE}). Received: output={str(output)!r}"
        )


def export_model(
    model: keras.Model,
    info: ModelInfo,
    output: str | os.PathLike,
    formats: Sequence[str],
    images: Iterable[np.ndarray],
    overwrite: bool = False,
) -> ExportResult:
    """Writes a model in several formats and verifies each of them.

    Args:
        model: A BagNet with a classifier and `include_preprocessing`.
        info: Its input size, head, labels and metrics.
        output: The folder to make.
        formats: Keys of `FORMATS`.
        images: Batches to compare on, uint8 (batch, *info.image_size,
            channels).
        overwrite: Whether to replace an earlier export.

    Returns:
        What was found. If it has not `passed`, nothing was put at `output`,
        and what was there still is.

    Raises:
        ValueError: If an argument is not as above, or `output` exists and may
            not be replaced.

    Example:
        >>> model, info = load_model("model.keras")
        >>> images = verification_images(
        ...     "glyphs", "validation", None, 64, info.image_size
        ... )
        >>> export_model(model, info, "exported", ["litert"], images).passed
    """
    check_request(output, formats, overwrite)
    chosen = {name: FORMATS[name] for name in formats}
    with _temporary_sibling(pathlib.Path(output)) as folder:
        for name, kind in chosen.items():
            logging.info("Writing %s.", name)
            kind.write(model, info, folder / kind.path)
        logging.info("Verifying.")
        openers = {
            kind.path: functools.partial(kind.open, folder / kind.path)
            for kind in chosen.values()
        }
        result = ExportResult(
            verify(model, openers, images, info.head),
            {path: _num_bytes(folder / path) for path in openers},
        )
        if result.passed:
            write_labels(info.labels, folder)
            paths = {name: kind.path for name, kind in chosen.items()}
            write_metadata(model, info, paths, result.verifications, folder)
            _put_in_place(folder, pathlib.Path(output))
    return result


@contextlib.contextmanager
def _temporary_sibling(output: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder on the same disk, gone at the end unless renamed."""
    output = output.absolute()
    folder = output.with_name(f"{output.name}.tmp-{os.getpid()}")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: pathlib.Path, output: pathlib.Path) -> None:
    if not output.exists():
        folder.rename(output)
        return
    replaced = folder.with_name(folder.name + "-replaced")
    output.rename(replaced)
    folder.rename(output)
    shutil.rmtree(replaced)


def _num_bytes(path: pathlib.Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
