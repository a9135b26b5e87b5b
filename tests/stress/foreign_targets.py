"""What other programs wrote: TFDS's datasets, answers of a server."""

import contextlib
import json
import shutil
import socketserver
import threading

import numpy as np

from bagnet_tf.datasets import image_source
from bagnet_tf.datasets.batches import corrupt_images_named, evaluation_batches
from export.serving.failures import ServerError
from export.serving.served_model import ServedModel
from tests.client_helpers import GRID, LABELS, SIZE, answer, write_export
from tests.stress.targets import Target
from tests.tfds_helpers import (
    DATASET,
    RECORDS,
    read_records,
    with_label,
    write_records,
    write_tfds,
)

# === Datasets of TFDS ===


def _tfds(folder):
    """The folder of a whole dataset; made once."""
    path = folder / "whole"
    return path / DATASET / "1.0.0" if path.exists() else write_tfds(path)


def _read_tfds(folder, name, data):
    """Opens the dataset with one file changed, as a command does."""
    data_dir = folder / "tfds"
    shutil.rmtree(data_dir, ignore_errors=True)
    shutil.copytree(folder / "whole", data_dir)
    (data_dir / DATASET / "1.0.0" / name).write_bytes(data)
    source = image_source(DATASET, str(data_dir))
    if source.num_examples("validation") > 1_000:
        return
    source.label_counts("validation")
    with corrupt_images_named(source, "validation"):
        list(evaluation_batches(source, "validation", SIZE, 8))


def _file_target(name, share) -> Target:
    return Target(
        lambda folder: [(_tfds(folder) / name).read_bytes()],
        lambda folder, data: _read_tfds(folder, name, data),
        share,
    )


def _examples(folder) -> list[bytes]:
    whole = read_records(_tfds(folder))
    return whole + [with_label(whole[0], label) for label in (2, -1, 2**40)]


def _read_example(folder, data):
    """A record of another content, with the checksum that it should have."""
    *others, _ = read_records(_tfds(folder))
    write_records(folder, [*others, data])
    _read_tfds(folder, RECORDS, (folder / RECORDS).read_bytes())


# === Answers over REST ===


class _Server(socketserver.ThreadingTCPServer):
    """Says `said` to whoever asks."""

    daemon_threads = True
    said = b""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        length = 0
        for line in self.rfile:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if not line.strip():
                break
        self.rfile.read(length)
        with contextlib.suppress(OSError):  # The client may hang up.
            self.wfile.write(self.server.said)


def _http(content: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n".encode() + content


def _spec(dtype, *shape):
    sides = [{"size": str(side), "name": ""} for side in shape]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": sides, "unknown_rank": False},
        "name": "x:0",
    }


def _served(folder):
    write_export(folder)
    _served.server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=_served.server.serve_forever, daemon=True).start()


def _signatures(folder) -> list[bytes]:
    _served(folder)
    classes = len(LABELS)
    signature = {
        "inputs": {"image": _spec("DT_FLOAT", -1, *SIZE, 3)},
        "outputs": {
            "logits": _spec("DT_FLOAT", -1, classes),
            "patch_logits": _spec("DT_FLOAT", -1, *GRID, classes),
        },
        "method_name": "tensorflow/serving/predict",
    }
    content = {
        "model_spec": {"name": "tiny", "signature_name": "", "version": "1"},
        "metadata": {
            "signature_def": {"signature_def": {"patch_logits": signature}}
        },
    }
    body = json.dumps(content).encode()
    return [body, body, _http(body)]


def _predictions(folder) -> list[bytes]:
    _served(folder)
    logits, patch_logits = answer()
    outputs = {
        "logits": [logits.tolist()],
        "patch_logits": [patch_logits.tolist()],
    }
    body = json.dumps({"outputs": outputs}).encode()
    return [body, body, _http(body), b'{"error": "Servable not found"}']


def _ask(folder, data, ask):
    """Whole answers, or only their content, with a head that fits."""
    from export.client.metadata import read_metadata

    server = _served.server
    server.said = data if data.startswith(b"HTTP") else _http(data)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    model = ServedModel(url, read_metadata(folder), timeout=5, retries=0)
    try:
        ask(model)
    except ServerError as error:
        assert "\n" not in str(error), error
        raise ValueError(f"{error}. Received: an answer") from error


def _read_signatures(folder, data):
    _ask(folder, data, lambda model: model.check())


def _read_predictions(folder, data):
    images = np.zeros((1, *SIZE, 3), np.uint8)
    _ask(folder, data, lambda model: model.predict(images))


TARGETS = {
    "dataset_info_of_tfds": _file_target("dataset_info.json", 15),
    "features_of_tfds": _file_target("features.json", 15),
    "records_of_tfds": _file_target(RECORDS, 10),
    "example_of_tfds": Target(_examples, _read_example, 20),
    "answer_of_signatures": Target(_signatures, _read_signatures, 30),
    "answer_of_predictions": Target(_predictions, _read_predictions, 30),
}
