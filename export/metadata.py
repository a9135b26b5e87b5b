"""What must a client know of an export that the files cannot say?"""

import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
from collections.abc import Iterable, Mapping

import keras
import tensorflow as tf

import bagnet_tf
from bagnet_tf.geometry import geometry_of
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.preprocessing import RESIZE_RULE

from .verify import Verification

METADATA_FILE = "metadata.json"
LABELS_FILE = "labels.txt"

# Counts up when a client that reads the file must change.
_FORMAT_VERSION = 1

# By number of channels; of others only who trained the model can tell.
_CHANNEL_ORDERS = {1: "grey", 3: "RGB"}


def write_labels(labels: Iterable[str], folder: pathlib.Path) -> None:
    """Writes the class names, one a line, by class id."""
    text = "".join(f"{label}\n" for label in labels)
    (folder / LABELS_FILE).write_text(text, encoding="utf-8")


def write_metadata(
    model: keras.Model,
    info: ModelInfo,
    formats: Mapping[str, str],
    verifications: Iterable[Verification],
    folder: pathlib.Path,
) -> None:
    """Writes all that is needed to draw a heatmap; call this last.

    Args:
        model: The exported model.
        info: Its input size, head, labels and metrics.
        formats: The path of each format in the folder.
        verifications: What was found when the files were compared with it.
        folder: The export, with all other files in it.
    """
    metadata = {
        "format_version": _FORMAT_VERSION,
        "model": model.name,
        "input": _input(model, info),
        "geometry": _geometry(model, info),
        "labels": list(info.labels),
        "head": info.head,
        "metrics": dict(info.metrics),
        "formats": dict(formats),
        "files": _files(folder),
        "verification": [v.to_json() for v in verifications],
        "versions": _versions(),
    }
    text = json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"
    (folder / METADATA_FILE).write_text(text, encoding="utf-8")


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


def _geometry(model, info):
    geometry = geometry_of(model)
    return {
        **dataclasses.asdict(geometry),
        "grid_shape": list(geometry.grid_shape(*info.image_size)),
        "unseen_margin": list(geometry.unseen_margin(*info.image_size)),
    }


def _files(folder):
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        files[path.relative_to(folder).as_posix()] = {
            "bytes": path.stat().st_size,
            "sha256": digest,
        }
    return files


def _versions():
    return {
        "bagnet_tf": bagnet_tf.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
    }
