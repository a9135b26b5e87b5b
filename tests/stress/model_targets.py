"""Models: weights of every layout, .keras files, model.json, .tflite."""

import hashlib
import io
import json
import zipfile

import h5py
import keras
import numpy as np

import bagnet_tf
from bagnet_tf.loading import load_model
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.weights import LAYOUTS
from export.client.metadata import read_metadata
from export.device.litert_model import LiteRTModel
from tests.small_models import TINY, random_images, tiny_model
from tests.stress.targets import Target

_LABELS = ("a", "b", "c", "d")
_SIDE = 9
# Axes of a Keras kernel as PyTorch has them, by rank.
_TORCH_AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
_TORCH_LEAVES = {
    **{"kernel": "weight", "bias": "bias", "gamma": "weight"},
    **{"beta": "bias", "moving_mean": "running_mean"},
    "moving_variance": "running_var",
}


def _bytes_of(folder, name, write) -> bytes:
    path = folder / name
    write(path)
    content = path.read_bytes()
    path.unlink()
    return content


def _weights_by_name(layout) -> dict[str, np.ndarray]:
    """The tiny model's weights under the names of a layout."""
    entries = {}
    for layer in tiny_model().layers:
        for variable in layer.weights:
            leaf, values = variable.name, variable.numpy()
            if LAYOUTS[layout].pytorch:
                leaf = _TORCH_LEAVES[leaf]
                values = values.transpose(_TORCH_AXES[values.ndim])
            stem = LAYOUTS[layout].stem(layer.name)
            key = f"{stem}{LAYOUTS[layout].separator}{leaf}"
            entries[key] = np.ascontiguousarray(values)
    return entries


def _keras_weights(folder) -> list[bytes]:
    model = tiny_model()
    return [
        _bytes_of(folder, "m.weights.h5", model.save_weights),
        _bytes_of(folder, "m.keras", model.save),
    ]


def _tf2cv_weights(folder) -> list[bytes]:
    def write(path):
        with h5py.File(path, "w") as file:
            for name, values in _weights_by_name("tf2cv").items():
                file[f"net/features/{name}:0"] = values

    plain = _bytes_of(folder, "m.h5", write)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("m.tf2.h5", plain)
    return [plain, archive.getvalue()]


def _torch_weights(folder) -> list[bytes]:
    import torch

    found = []
    for layout in ("official", "pytorchcv"):
        entries = _weights_by_name(layout)
        tensors = {key: torch.from_numpy(v) for key, v in entries.items()}
        for zipped in (True, False):
            stream = io.BytesIO()
            torch.save(
                {"state_dict": tensors},
                stream,
                _use_new_zipfile_serialization=zipped,
            )
            found.append(stream.getvalue())
    return found


def _read_weights(folder, data):
    path = folder / "weights"
    path.write_bytes(data)
    bagnet_tf.BagNet(TINY, path, classes=len(_LABELS))


def _whole_models(folder) -> list[bytes]:
    return [_bytes_of(folder, "m.keras", tiny_model().save)]


def _read_model(folder, data):
    path = folder / "model.keras"
    path.write_bytes(data)
    model, info = load_model(path)
    if max(info.image_size) < 1_000:
        images = random_images(*info.image_size, channels=model.input_shape[-1])
        bagnet_tf.explain(model, images, head=info.head)


def _model_json(folder) -> list[bytes]:
    model = tiny_model()
    model.save(folder / "model.keras")
    operating = [{"class_id": 1, "threshold": 0.25}]
    info = ModelInfo(
        (_SIDE, _SIDE),
        _LABELS,
        {"temperature": 1.5, "operating_points": operating},
    )
    info.save(model, folder / "model.keras")
    return [(folder / "model.json").read_bytes()]


def _read_model_json(folder, data):
    (folder / "model.json").write_bytes(data)
    _, info = load_model(folder / "model.keras")
    # Whatever is not refused at once has to be refused where it is used.
    assert all(isinstance(label, str) for label in info.labels), info
    assert all(isinstance(side, int) for side in info.image_size), info
    return info.temperature, info.thresholds, info.has_names


# === Exports ===


def _export_folder(folder) -> list[bytes]:
    from tests import export_helpers

    content = export_helpers.tiny_tflite()
    keras.backend.clear_session()
    _describe(folder, content)
    return [content]


def _describe(folder, content):
    from tests.client_helpers import write_export

    write_export(
        folder,
        {"litert/model.tflite": content},
        formats={"litert": {"path": "litert/model.tflite"}},
    )


def _run(folder):
    path = folder / "litert" / "model.tflite"
    model = LiteRTModel(path, read_metadata(folder), num_threads=1)
    image = np.zeros((*model.input_size, 3), np.uint8)
    return model(image)


def _read_tflite(folder, data):
    (folder / "litert" / "model.tflite").write_bytes(data)
    _run(folder)


def _read_rehashed_tflite(folder, data):
    """A file whose hash was made good: LiteRT itself sees the damage."""
    (folder / "litert" / "model.tflite").write_bytes(data)
    path = folder / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["files"]["litert/model.tflite"] = {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    path.write_text(json.dumps(metadata))
    _run(folder)


def _metadata(folder) -> list[bytes]:
    _export_folder(folder)
    return [(folder / "metadata.json").read_bytes()]


def _read_metadata(folder, data):
    from export.client.metadata import check_file

    (folder / "metadata.json").write_bytes(data)
    metadata = read_metadata(folder)
    for name in metadata.files:
        check_file(metadata, name)
    metadata.format_of("litert/model.tflite")
    return metadata.thresholds, metadata.grid_shape()


TARGETS = {
    "weights_of_keras": Target(_keras_weights, _read_weights, 40),
    "weights_of_tf2cv": Target(_tf2cv_weights, _read_weights, 40),
    "weights_of_pytorch": Target(_torch_weights, _read_weights, 50, "torch"),
    "model.keras": Target(_whole_models, _read_model, 35),
    "model.json": Target(_model_json, _read_model_json, 25),
    "metadata.json": Target(_metadata, _read_metadata, 90),
    "tflite": Target(_export_folder, _read_tflite, 20),
    "tflite_rehashed": Target(_export_folder, _read_rehashed_tflite, 20),
}
