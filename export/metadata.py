"""What must a client know of an export that the files cannot say?"""

import dataclasses
import importlib.metadata
import pathlib
from collections.abc import Iterable

from bagnet_tf.geometry import geometry_of
from bagnet_tf.preprocessing import RESIZE_RULE
from bagnet_tf.version import library_versions

from .client.metadata import FORMAT_VERSION
from .client.signature_names import ROBUST_LOGITS
from .formats import Artefact
from .request import Request
from .verification import Verification
from .versions import SAVED_MODEL

LABELS_FILE = "labels.txt"

# By number of channels; of others only who trained the model can tell.
_CHANNEL_ORDERS = {1: "grey", 3: "RGB"}


def write_labels(labels: Iterable[str], folder: pathlib.Path) -> None:
    """Writes the class names, one a line, by class id."""
    text = "".join(f"{label}\n" for label in labels)
    (folder / LABELS_FILE).write_text(text, encoding="utf-8")


def describe(
    request: Request,
    artefacts: Iterable[Artefact],
    verifications: Iterable[Verification],
) -> dict:
    """All that is needed to draw a heatmap, but for the hashes of the files.

    Args:
        request: The model, and how its files were wanted.
        artefacts: The files.
        verifications: What was found when they were compared with the model.

    Returns:
        Content for JSON; docs/export.md explains the keys.
    """
    model, info = request.model, request.info
    return {
        "format_version": FORMAT_VERSION,
        "model": request.model_name or model.name,
        "input": _input(model, info),
        "geometry": {
            **dataclasses.asdict(geometry_of(model)),
            **_grid(model, info.image_size),
        },
        "labels": list(info.labels),
        "head": info.head,
        "metrics": dict(info.metrics),
        "formats": {a.name: _format(request, a) for a in artefacts},
        **_robust(request),
        "verification": [v.to_json() for v in verifications],
        "versions": _versions(),
    }


def _input(model, info):
    channels = model.input_shape[-1]
    return {
        "name": "image",
        "layout": "NHWC",
        "size": list(info.image_size),
        # Whether the SavedModel takes other sizes too; a .tflite never does.
        "any_size": None in model.input_shape[1:3],
        "dtype": "float32",
        "range": [0, 255],
        "channels": channels,
        "channel_order": _CHANNEL_ORDERS.get(channels),
        "normalization": "included",
        "resize_rule": RESIZE_RULE,
    }


def _grid(model, image_size):
    geometry = geometry_of(model)
    return {
        "grid_shape": list(geometry.grid_shape(*image_size)),
        "unseen_margin": list(geometry.unseen_margin(*image_size)),
    }


def _format(request, artefact):
    typed = artefact.format.typed_input
    record = {
        "path": artefact.path,
        "input_size": list(artefact.image_size),
        "input_dtype": request.input_type if typed else "float32",
        **_grid(request.model, artefact.image_size),
    }
    if artefact.path == SAVED_MODEL:
        record["precision"] = request.precision
    return record


def _robust(request):
    if request.robust is None:
        return {}
    record = {"signature": ROBUST_LOGITS, **request.robust.to_json()}
    return {"robust": record}


def _versions():
    return {
        **library_versions(),
        "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
    }
