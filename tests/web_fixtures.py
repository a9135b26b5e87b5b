"""What do the tests of the browser page need? Exports, photos, answers.

    python tests/web_fixtures.py FOLDER

Writes exports with their pages, image files, and what Pillow, NumPy,
matplotlib and Python's LiteRT make of them, as JSON. `make test-web` calls it.
"""

import base64
import functools
import io
import json
import os
import pathlib
import shutil
import sys

# Before TensorFlow is imported, which has much to say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import matplotlib
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from bagnet_tf.colours import colour_limit
from bagnet_tf.decisions import verdict_of
from bagnet_tf.evidence import explain
from bagnet_tf.heads import probabilities_of
from bagnet_tf.loading import load_model
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.photos import evaluation_transform, in_grey, load_photo
from bagnet_tf.rendering.maps import COLOUR_MAP
from export.formats import artefacts
from export.metadata import describe
from export.request import Request
from export.web.kit import WEB_FOLDER, write_web_kit
from tests.export_helpers import tiny_model
from tests.web_photos import write_photos

_FORMATS = ("litert", "litert_dynamic", "litert_int8")
# (height, width) of a photo and of the input: smaller, larger, very long, the
# same, narrow, and of the input's size in one direction only.
_RESIZED = (
    ((300, 401), (105, 105)),
    ((37, 29), (64, 48)),
    ((3, 900), (21, 26)),
    ((21, 26), (21, 26)),
    ((700, 350), (224, 224)),
    ((120, 500), (105, 105)),
    ((1, 1), (21, 26)),
)
_IMAGE_TYPES = ("JPEG", "PNG", "GIF", "BMP", "WebP")


def main(folder: pathlib.Path) -> None:
    """Writes everything anew."""
    shutil.rmtree(folder, ignore_errors=True)
    photos = folder / "photos"
    photos.mkdir(parents=True)
    write_photos(photos)
    cases = {
        "resized": [_resized(*shapes) for shapes in _RESIZED],
        "grey": _resized((90, 120), (21, 26), channels=1),
        "headers": [_header(name) for name in _IMAGE_TYPES],
        "colours": _colours(),
        "evidence": [_evidence(head) for head in ("softmax", "sigmoid")],
        "verdicts": _verdicts(),
    }
    cases["exports"] = {
        name: _export(folder / name, request, photos)
        for name, request in _requests(photos).items()
    }
    (folder / "cases.json").write_text(json.dumps(cases))


def _requests(photos) -> dict[str, Request]:
    """The models whose pages are tested."""
    model, info = load_model("imagenette")
    thousand = [f"class {number}" for number in range(998)]
    long = "a name that is much longer than what a narrow telephone can show "
    labels = (*thousand, "crane", long + "in a line, Pneumonoultramicroscopic")
    return {
        "imagenette": Request(
            model, info, functools.partial(_calibration, photos)
        ),
        "grey": Request(
            tiny_model(classes=3, input_shape=(None, None, 1)),
            ModelInfo((21, 26), ("ant", "bee", "cat"), head="sigmoid"),
            input_type="uint8",
        ),
        "thousand": Request(
            tiny_model(classes=1000), ModelInfo((21, 26), labels)
        ),
    }


def _calibration(photos, size):
    files = sorted(photos.glob("*.jpg"))
    yield np.stack([_input_of(file, size, 3) for file in files])


def _export(folder, request, photos) -> dict:
    """An export with its page; the answers of its files, by photo."""
    full = request.calibration is not None
    names = _FORMATS if full else ("litert",)
    size = request.info.image_size
    written = artefacts(names, size)
    for artefact in written:
        artefact.format.write(request, folder / artefact.path)
    write_web_kit(folder, describe(request, written, []), None)
    channels = request.model.input_shape[-1]
    inputs = {
        path.name: _input_of(path, size, channels)
        for path in sorted(photos.iterdir())
    }
    return {
        "page": f"{folder.name}/{WEB_FOLDER}",
        "inputs": {name: _encoded(image) for name, image in inputs.items()},
        "answers": {a.name: _answers(folder / a.path, inputs) for a in written},
    }


def _answers(path, inputs) -> dict:
    run = Interpreter(str(path), num_threads=1).get_signature_runner(
        "patch_logits"
    )
    dtype = run.get_input_details()["image"]["dtype"]
    return {
        name: {
            key: _encoded(value)
            for key, value in run(image=image[None].astype(dtype)).items()
        }
        for name, image in inputs.items()
    }


def _input_of(path, size, channels) -> np.ndarray:
    photo = load_photo(path)
    photo = in_grey(photo) if channels == 1 else photo
    return evaluation_transform(photo, size)[0]


def _header(name) -> dict:
    """The start of a file of some type, of a size that is not square."""
    noise = np.random.default_rng(1).integers(0, 256, (70, 300, 3), np.uint8)
    files = []
    # Three kinds of WebP; to the other types most of it is the same.
    for options in ({}, {"lossless": True}, {"exif": b"Exif\0\0"}):
        file = io.BytesIO()
        Image.fromarray(noise).save(file, name, **options)
        files.append(_encoded(np.frombuffer(file.getvalue(), np.uint8)))
    return {"type": name, "files": files, "width": 300, "height": 70}


# === Numbers ===


def _resized(shape, size, channels=3) -> dict:
    rng = np.random.default_rng(sum(shape))
    photo = rng.integers(0, 256, (*shape, 3), np.uint8)
    # Whole areas of the darkest and the brightest, where sums run over.
    photo[: shape[0] // 3] = rng.choice(np.uint8([0, 255]), (1, shape[1], 3))
    seen = in_grey(photo) if channels == 1 else photo
    found, transform = evaluation_transform(seen, size)
    return {
        "shape": shape,
        "size": size,
        "channels": channels,
        "photo": _encoded(photo),
        "input": _encoded(found),
        "resized": transform.resized_shape,
        "corner": [transform.top, transform.left],
    }


def _colours() -> list:
    values = np.linspace(-1.2, 1.2, 25)
    colours = matplotlib.colormaps[COLOUR_MAP]((values + 1) / 2, bytes=True)
    return [
        {"value": value, "colour": colour.tolist()}
        for value, colour in zip(values, colours[:, :3], strict=True)
    ]


def _evidence(head) -> dict:
    """An explanation of a photo by a small model, in NumPy's numbers."""
    images = np.random.default_rng(2).integers(0, 256, (1, 45, 50, 3), np.uint8)
    classes = 6
    found = explain(
        tiny_model(classes=classes),
        images,
        range(classes),
        top_k=5,
        head=head,
    )
    maps = np.moveaxis(found.decisive_evidence[0], -1, 0)
    columns = maps.shape[2]
    return {
        "head": head,
        "logits": _encoded(found.logits[0]),
        "patchLogits": _encoded(found.class_evidence[0]),
        "gridShape": maps.shape[1:],
        "receptiveField": found.geometry.receptive_field,
        "stride": found.geometry.stride,
        "probabilities": probabilities_of(
            found.logits[0].astype(np.float64), head
        ).tolist(),
        "maps": maps.astype(np.float64).tolist(),
        "contrast": found.contrast(0, 1, 4).tolist(),
        "limit": colour_limit(maps),
        "strongest": [
            [
                patch.row * columns + patch.col
                for patch in found.top_patches(0, class_index=class_id)
                if patch.evidence > 0
            ]
            for class_id in range(classes)
        ],
    }


def _verdicts() -> list:
    rng = np.random.default_rng(3)
    cases = []
    for number in range(60):
        classes = int(rng.integers(1, 6))
        head = ("softmax", "sigmoid")[number % 2]
        logits = rng.normal(0, 2, classes).round(1)
        thresholds = {
            int(i): float(rng.uniform().__round__(2))
            for i in rng.permutation(classes)[: int(rng.integers(0, 3))]
        }
        labels = [f"class {i}" for i in range(classes)]
        named = verdict_of(logits, head, labels, thresholds).class_ids
        cases.append(
            {
                "head": head,
                "logits": logits.tolist(),
                "thresholds": list(thresholds.items()),
                "named": [int(i) for i in named],
            }
        )
    return cases


def _encoded(array: np.ndarray) -> dict:
    """An array as JSON: its bytes in base64."""
    array = np.ascontiguousarray(array)
    return {
        "dtype": array.dtype.name,
        "shape": array.shape,
        "data": base64.b64encode(array.tobytes()).decode(),
    }


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
