"""Which files does TensorFlow Serving take beside the SavedModel?"""

import pathlib
import string
from collections.abc import Mapping
from importlib import resources

import numpy as np

from .names import served_name
from .protos import serving_api
from .warmup import replay_warmup_requests, write_warmup_requests

# The server's Docker image: of the TensorFlow that wrote the SavedModel.
SERVER_IMAGE = "tensorflow/serving:2.21.0"

# Images that the server puts together at most; a bigger request is refused.
MAX_BATCH_SIZE = 8

_FOLDER = "serving"
_TEMPLATES = ("models.config", "batching.config", "compose.yaml", "README.md")


def check_serving_packages() -> None:
    """Refuses to begin what would end for want of a package.

    Raises:
        ValueError: If tensorflow-serving-api is not installed.
    """
    serving_api("prediction_log_pb2")


def write_serving_kit(
    folder: pathlib.Path, metadata: Mapping, images: np.ndarray
) -> None:
    """Writes configuration and instructions, and warm-up requests.

    Args:
        folder: The export, with its SavedModel in it.
        metadata: What will be its metadata.json.
        images: Real ones, uint8 (batch, height, width, channels), for the
            requests that warm up a server.

    Raises:
        ValueError: If the SavedModel is missing, or tensorflow-serving-api is
            not installed.
        RuntimeError: If a warm-up request is not answered as it should be.
    """
    record = metadata["formats"].get("saved_model")
    if record is None:
        raise ValueError(
            "formats must have saved_model beside serving. "
            f"Received: formats={','.join(metadata['formats'])}"
        )
    name = served_name(metadata["model"])
    saved_model = folder / record["path"]
    write_warmup_requests(
        saved_model,
        name,
        images,
        len(metadata["labels"]),
        (1, MAX_BATCH_SIZE),
    )
    replay_warmup_requests(saved_model)
    values = {
        "name": name,
        "image": SERVER_IMAGE,
        "max_batch_size": MAX_BATCH_SIZE,
        "model_folder": pathlib.PurePosixPath(record["path"]).parent,
    }
    kit = folder / _FOLDER
    kit.mkdir()
    for template in _TEMPLATES:
        text = _template(template).substitute(values)
        (kit / template).write_text(text, encoding="utf-8")


def _template(name: str) -> string.Template:
    package = resources.files(__package__)
    text = package.joinpath("templates", name).read_text(encoding="utf-8")
    return string.Template(text)
