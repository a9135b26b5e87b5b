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
from collections.abc import Iterator, Mapping, Sequence

import tqdm

from bagnet_tf.files import num_bytes
from bagnet_tf.geometry import geometry_of
from bagnet_tf.tensorflow_files import file_errors_named

from .client.metadata import METADATA_FILE
from .formats import KITS, Artefact, artefacts, check_channels, check_formats
from .metadata import describe, write_labels
from .metadata_file import write_metadata
from .request import Images, Request
from .verification import Verification, verify

# Enough for the records that warm up a server.
_KIT_IMAGES = 8


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """What an export wrote.

    Attributes:
        verifications: One for each file or folder.
        sizes: Bytes of each, by artefact.
    """

    verifications: Sequence[Verification]
    sizes: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Whether every file agrees with the model: else none was kept."""
        return all(v.passed for v in self.verifications)


def check_output(output: str | os.PathLike[str], overwrite: bool) -> None:
    """Refuses, before any work, what `export_model` would refuse.

    Raises:
        ValueError: If `output` exists and may not be replaced.
    """
    output = pathlib.Path(output)
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise ValueError(
            f"output must be a folder. Received: output={str(output)!r}"
        )
    if not overwrite:
        raise ValueError(
            "output exists; --overwrite replaces it, if it is an export. "
            f"Received: output={str(output)!r}"
        )
    # --overwrite deletes a whole folder: a slip must not cost other files.
    if output.is_symlink() or not (output / METADATA_FILE).is_file():
        raise ValueError(
            "output, to be overwritten, must be an earlier export (a folder "
            f"with {METADATA_FILE}). Received: output={str(output)!r}"
        )


def export_model(
    request: Request,
    output: str | os.PathLike[str],
    formats: Sequence[str],
    images: Images,
    further_image_sizes: Sequence[tuple[int, int]] = (),
    overwrite: bool = False,
) -> ExportResult:
    """Writes a model in several formats and verifies each of them.

    Args:
        request: The model, and how its files are wanted.
        output: The folder to make.
        formats: Keys of `FORMATS` and `KITS`.
        images: What to compare on.
        further_image_sizes: (height, width), pixels, of files beside those
            of the model's own size, for formats of a fixed size.
        overwrite: Whether to replace an earlier export.

    Returns:
        What was found. If it has not `passed`, nothing was put at `output`,
        and what was there still is.

    Raises:
        ValueError: If an argument is not as above, or `output` exists and may
            not be replaced.
        RuntimeError: If a file is not what was asked for, or what was made of
            it does not work; one line.

    Example:
        >>> request = Request(*load_model("model.keras"))
        >>> images = real_images("glyphs", "validation", None, 64)
        >>> export_model(request, "exported", ["litert"], images).passed
    """
    check_formats(
        formats,
        further_image_sizes,
        request.calibration is not None,
        request.robust is not None,
    )
    check_channels(formats, request.model.input_shape[-1])
    check_output(output, overwrite)
    wanted = artefacts(formats, request.info.image_size, further_image_sizes)
    for artefact in wanted:  # Refuses images smaller than a patch.
        geometry_of(request.model).grid_shape(*artefact.image_size)
        request.at_size(artefact.image_size)  # And than one stuck on them.
    with _temporary_sibling(pathlib.Path(output)) as folder:
        _write(request, wanted, folder)
        result = verify_export(request, folder, wanted, images)
        if result.passed:
            _complete(request, folder, formats, wanted, images, result)
            _put_in_place(folder, pathlib.Path(output))
    return result


def _write(request, wanted, folder) -> None:
    """Writes each file, or folder."""
    progress = tqdm.tqdm(wanted, unit="file", disable=None)
    for artefact in progress:
        progress.set_description(f"writing {artefact.path}")
        with file_errors_named(artefact.path):
            artefact.format.write(
                request.at_size(artefact.image_size), folder / artefact.path
            )


def verify_export(
    request: Request,
    folder: pathlib.Path,
    wanted: Sequence[Artefact],
    images: Images,
) -> ExportResult:
    """Compares the files of an export with the model.

    Args:
        request: The model, and how its files were wanted.
        folder: Where the files are.
        wanted: Which there are.
        images: What to compare on.

    Returns:
        What was found, in the order of `wanted`.
    """
    found = {}
    for size in dict.fromkeys(artefact.image_size for artefact in wanted):
        group = [a for a in wanted if a.image_size == size]
        verifications = verify(
            request.model,
            {
                a.path: functools.partial(a.format.open, folder / a.path)
                for a in group
            },
            _progress(images(size)),
            request.info.head,
            {a.path: a.format.tolerance(request) for a in group},
            {a.path: request.robust for a in group if a.format.robust},
        )
        found.update({v.artefact: v for v in verifications})
    return ExportResult(
        [found[a.path] for a in wanted],
        {a.path: num_bytes(folder / a.path) for a in wanted},
    )


def _progress(batches):
    with tqdm.tqdm(desc="comparing", unit="image", disable=None) as progress:
        for batch in batches:
            yield batch
            progress.update(len(batch))


def _complete(request, folder, formats, wanted, images, result) -> None:
    """Adds what is made of verified files: labels, kits, metadata."""
    write_labels(request.info.labels, folder)
    metadata = describe(request, wanted, result.verifications)
    kits = {name: KITS[name] for name in formats if name in KITS}
    if kits:
        first = next(iter(images(request.info.image_size)))[:_KIT_IMAGES]
        for name, kit in kits.items():
            with file_errors_named(name):
                kit.write(folder, metadata, first)
    write_metadata(metadata, folder)


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
    try:
        folder.rename(output)
    except OSError:  # What was there stays there.
        replaced.rename(output)
        raise
    shutil.rmtree(replaced)
