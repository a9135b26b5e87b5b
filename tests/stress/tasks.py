"""What is killed: commands, what they may leave, and what they end with."""

import csv
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple
from xml.etree import ElementTree

import keras
import numpy as np
from PIL import Image

from bagnet_tf import StoredPatchLogits
from bagnet_tf.datasets import image_source
from bagnet_tf.loading import load_model
from bagnet_tf.model_info import ModelInfo
from export.client.metadata import read_metadata
from export.existing import changed_files
from tests import export_helpers
from tests.small_models import tiny_model


class Task(NamedTuple):
    """A command that is killed.

    Attributes:
        prepare: Writes what it reads into a folder.
        command: Its command line, by that folder and the one of its results.
        check: Raises if a file of the results passes for whole and is not.
        result: What it ended with, to be compared; by the results' folder.
        needs_overwrite: Whether, after a kill, it may ask for `--overwrite`.
    """

    prepare: Callable[[pathlib.Path], None]
    command: Callable[[pathlib.Path, pathlib.Path], list[str]]
    check: Callable[[pathlib.Path], None]
    result: Callable[[pathlib.Path], object]
    needs_overwrite: bool = False


def _model(folder):
    model = tiny_model(classes=10)
    model.save(folder / "model.keras")
    ModelInfo((64, 64), image_source("glyphs").labels).save(
        model, folder / "model.keras"
    )


def _check_json(folder):
    for path in folder.rglob("*.json"):
        if ".tmp-" not in str(path):
            json.loads(path.read_text(encoding="utf-8"))


def _digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# === Training ===

_TRAINING = {
    **{"train_split": "train[:48]", "holdout_split": "train[48:56]"},
    **{"eval_split": "validation[:8]", "width": "0.05", "batch_size": "8"},
    **{"epochs": "2", "steps_per_call": "1", "checkpoint_steps": "1"},
}


def _train(folder, output):
    return [
        *(sys.executable, "-m", "train.main", "--config=glyphs"),
        f"--workdir={output}",
        *(f"--config.{key}={value}" for key, value in _TRAINING.items()),
    ]


def _check_training(output):
    _check_json(output)
    for name in ("model.keras", "last.keras"):
        if (output / name).exists():
            load_model(output / name)
    if (output / "metrics.jsonl").exists():
        for line in (output / "metrics.jsonl").read_text().splitlines():
            json.loads(line)


def _trained(output):
    models = [
        keras.models.load_model(output / name, compile=False).get_weights()
        for name in ("model.keras", "last.keras")
    ]
    Image.open(output / "metrics.png").load()
    metrics = (output / "metrics.json").read_text()
    weights = [value.tobytes() for m in models for value in m]
    return weights, metrics.partition("training_seconds")[0]


# === Export ===


def _model_to_export(folder):
    model = export_helpers.tiny_model()
    model.save(folder / "model.keras")
    labels = ("ant", "bee", "cat", "dog", "elk")
    ModelInfo(export_helpers.SIZE, labels).save(model, folder / "model.keras")


def _export(folder, output):
    return [
        *(sys.executable, "-m", "export.main", f"--output={output}"),
        "--formats=saved_model,litert,litert_fp16,litert_dynamic,web",
        f"--model={folder / 'model.keras'}",
        "--num_verification_images=3",
        "--verification_split=validation[:3]",
    ]


def _check_export(output):
    if output.exists():
        changed = changed_files(read_metadata(output))
        assert not changed, changed


def _exported(output):
    _check_export(output)
    metadata = read_metadata(output)
    # A SavedModel has names in it that are new each time.
    files = {path.name: _digest(path) for path in output.glob("litert/*")}
    return sorted(metadata.files), files


# === Analysis ===

_EXPERIMENTS = ("interactions", "logit-histogram", "misclassified")


def _analyze(folder, output):
    return [
        *(sys.executable, "-m", "bagnet_tf.commands.analyze", "report"),
        *(f"--model={folder / 'model.keras'}", "--dataset=glyphs"),
        *(f"--output={output}", "--num_images=96", "--patch_sizes=8,16"),
        f"--experiments={','.join(_EXPERIMENTS)}",
    ]


def _check_analyses(output):
    """Numbers that are there are whole, and so is what belongs to them."""
    _check_json(output)
    for path in output.glob("*.json"):
        if (output / f"{path.stem}.partial.jsonl").exists():
            continue  # The same command goes on: it is not done.
        with (output / f"{path.stem}.csv").open(encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) > 0
        if path.stem in _EXPERIMENTS:
            Image.open(output / f"{path.stem}.png").load()
            ElementTree.parse(output / f"{path.stem}.svg")
        else:
            page = (output / f"{path.stem}.html").read_text(encoding="utf-8")
            assert page.rstrip().endswith("</html>")


def _analyzed(output):
    _check_analyses(output)
    assert not list(output.glob("*.partial.jsonl"))
    found = []
    for name in (*_EXPERIMENTS, "report"):
        content = json.loads((output / f"{name}.json").read_text())
        found += [content["summary"], (output / f"{name}.csv").read_text()]
    return found


# === Evaluation ===


def _evaluate(folder, output):
    return [
        *(sys.executable, "-m", "train.evaluate", "--dataset=glyphs"),
        *(f"--model={folder / 'model.keras'}", "--split=validation[:640]"),
        *("--batch_size=16", "--shard_size=16"),
        f"--output={output}.json",
        f"--store_patch_logits={output}",
    ]


def _check_stored(output):
    if output.exists():
        for _ in StoredPatchLogits(output).batches():
            pass
    scores = pathlib.Path(f"{output}.json")
    if scores.exists():
        json.loads(scores.read_text())


def _stored(output):
    batches = list(StoredPatchLogits(output).batches())
    arrays = [np.concatenate(column) for column in zip(*batches, strict=True)]
    scores = json.loads(pathlib.Path(f"{output}.json").read_text())
    return [array.tobytes() for array in arrays], scores["top1"]


# === Download ===

_SIZE = 3_000_000
_CHUNK = 30_000
_CONTENT = np.random.default_rng(0).bytes(_SIZE)
_FETCH = """
import dataclasses, sys
from bagnet_tf.downloads import fetch
from bagnet_tf.presets import preset_info

fetch(
    dataclasses.replace(
        preset_info("bagnet9-imagenet-official"),
        url=sys.argv[1], file="b.pth.tar", file_hash=sys.argv[2],
    )
)
"""


class _SlowFiles(http.server.BaseHTTPRequestHandler):
    """Gives the file in about two seconds, to whoever asks."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(_SIZE))
        self.end_headers()
        try:
            for first in range(0, _SIZE, _CHUNK):
                self.wfile.write(_CONTENT[first : first + _CHUNK])
                time.sleep(0.02)
        except OSError:
            return  # Who asked was killed.

    def log_message(self, *arguments):
        return


def _serve(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _SlowFiles)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/b.pth.tar"
    (folder / "url").write_text(url)


def _download(folder, output):
    digest = hashlib.sha256(_CONTENT).hexdigest()
    url = (folder / "url").read_text()
    home = f"KERAS_HOME={output}"
    return ["env", home, sys.executable, "-c", _FETCH, url, digest]


def _check_download(output):
    path = output / "models" / "b.pth.tar"
    assert not path.exists() or path.read_bytes() == _CONTENT


def _downloaded(output):
    return _digest(output / "models" / "b.pth.tar")


TASKS = {
    "train": Task(lambda folder: None, _train, _check_training, _trained),
    "export": Task(_model_to_export, _export, _check_export, _exported),
    "analyze": Task(_model, _analyze, _check_analyses, _analyzed),
    "evaluate": Task(_model, _evaluate, _check_stored, _stored, True),
    "download": Task(_serve, _download, _check_download, _downloaded),
}
