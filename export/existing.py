"""Which files does an export that exists have, and are they still the same?"""

import dataclasses
import re
from collections.abc import Mapping

from bagnet_tf.geometry import geometry_of
from bagnet_tf.loading import load_model

from .client.metadata import Metadata, check_file
from .formats import FORMATS, Artefact
from .request import Request

_FURTHER_SIZE = re.compile(r"(.+)_\d+x\d+")


def changed_files(metadata: Metadata) -> Mapping[str, str]:
    """What has happened to the files of an export since it was written.

    Args:
        metadata: That of the export.

    Returns:
        What is wrong, by path relative to the export: empty if every file is
        there and has the hash that the metadata says.
    """
    changed = {}
    for name in metadata.files:
        try:
            check_file(metadata, name)
        except ValueError as error:
            changed[name] = str(error)
    return changed


def artefacts_of(metadata: Metadata) -> list[Artefact]:
    """The files of an export that can be compared with its model.

    Args:
        metadata: That of the export.

    Returns:
        One for each format and size.

    Raises:
        ValueError: If the metadata has none, or one of an unknown format.
    """
    found = []
    for name, record in metadata.formats.items():
        further = _FURTHER_SIZE.fullmatch(name)
        kind = FORMATS.get(further[1] if further else name)
        if kind is None:
            raise ValueError(
                f"metadata must have formats among {', '.join(FORMATS)}. "
                f"Received: format={name!r}"
            )
        found.append(Artefact(name, record.path, record.input_size, kind))
    if not found:
        raise ValueError("metadata must have formats. Received: none")
    return found


def request_of(metadata: Metadata, model: str) -> Request:
    """What was asked for when an export was made.

    Args:
        metadata: That of the export.
        model: The model of which it is said to be, as `load_model` takes it.

    Returns:
        The request, without images to calibrate on.

    Raises:
        ValueError: If the model cannot be opened, or has other classes or
            patches.
        OSError: If a preset's weights cannot be downloaded.
    """
    network, info = load_model(model, None, metadata.labels)
    if geometry_of(network) != metadata.geometry:
        raise ValueError(
            f"model must have the patches of the export, {metadata.geometry}. "
            f"Received: model={model!r} with {geometry_of(network)}"
        )
    info = dataclasses.replace(
        info, image_size=metadata.input_size, head=metadata.head
    )
    saved_model = metadata.formats.get("saved_model")
    precision = "float32" if saved_model is None else saved_model.precision
    return Request(
        network,
        info,
        precision=precision,
        robust_patch_size=metadata.robust_patch_size,
    )
