"""Records that a run leaves and another one reads, labels, answers."""

import hashlib
import json

import numpy as np

from bagnet_tf import StoredPatchLogits
from bagnet_tf.analysis.partial import PartialResults
from bagnet_tf.loading import read_labels
from bagnet_tf.patch_logits_writer import PatchLogitsWriter
from tests.stress.targets import Target
from tests.training_helpers import tiny_config
from train.class_weights import weights_of_classes
from train.config_checks import check_config
from train.optimization import learning_rate_schedule
from train.pipeline import steps_per_epoch, training_sizes
from train.workdir import Workdir

_FACTS = {
    "model": "model.keras",
    "labels": ["bolt", "nut"],
    "geometry": {"receptive_field": 9, "stride": 8},
}
_MANIFEST = "manifest.json"
_SHARD = "shard-00000.npz"


def _store(folder):
    rng = np.random.default_rng(0)
    patch_logits = rng.normal(size=(5, 2, 3, 2)).astype("float32")
    with PatchLogitsWriter(
        folder / "stored", _FACTS, shard_size=3, overwrite=True
    ) as writer:
        ids = np.array([f"photo {index}" for index in range(5)])
        logits = patch_logits.mean(axis=(1, 2))
        writer.add(ids, np.arange(5) % 2, logits, patch_logits)


def _manifests(folder) -> list[bytes]:
    _store(folder)
    return [(folder / "stored" / _MANIFEST).read_bytes()]


def _shards(folder) -> list[bytes]:
    _store(folder)
    return [(folder / "stored" / _SHARD).read_bytes()]


def _read_stored(folder):
    stored = StoredPatchLogits(folder / "stored")
    count = sum(len(batch.ids) for batch in stored.batches(2))
    assert count == len(stored), (count, len(stored))


def _read_manifest(folder, data):
    (folder / "stored" / _MANIFEST).write_bytes(data)
    _read_stored(folder)


def _read_shard(folder, data):
    """Half of the time its hash is made good."""
    (folder / "stored" / _SHARD).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    if int(digest[0], 16) % 2:
        path = folder / "stored" / _MANIFEST
        manifest = json.loads(path.read_text())
        manifest["files"][0]["sha256"] = digest
        path.write_text(json.dumps(manifest))
    _read_stored(folder)


# === An analysis that was interrupted ===

_RUN = {"experiment": "logit-histogram", "seed": 0, "options": {"bins": [1]}}


def _partial_results(folder) -> list[bytes]:
    path = folder / "written.jsonl"
    with PartialResults(path, _RUN) as partial:
        partial.add("logits", [[0.5, 1.5], [2.0, -1.0]])
        partial.add("masked", [{"index": 3, "value": 0.25}])
    return [path.read_bytes()]


def _read_partial_results(folder, data):
    path = folder / "partial.jsonl"
    path.write_bytes(data)
    with PartialResults(path, _RUN) as partial:
        partial.values("logits")
        partial.add("logits", [[1.0, 2.0]])


# === A training run ===


def _claimed(folder) -> list[bytes]:
    Workdir(folder / "run").claim(tiny_config())
    return [(folder / "run" / "config.json").read_bytes()]


def _read_config_json(folder, data):
    (folder / "run" / "config.json").write_bytes(data)
    Workdir(folder / "run").claim(tiny_config())


def _histories(folder) -> list[bytes]:
    _claimed(folder)
    entries = [{"epoch": i, "step": i, "loss": 1.5 / i} for i in (1, 2, 3)]
    Workdir(folder / "run").append_history(entries)
    return [(folder / "run" / "metrics.jsonl").read_bytes()]


def _read_history(folder, data):
    (folder / "run" / "metrics.jsonl").write_bytes(data)
    for entry in Workdir(folder / "run").history(2):
        assert isinstance(entry, dict), entry


def _configurations(folder) -> list[bytes]:
    return [tiny_config().to_json().encode()]


def _read_configuration(folder, data):
    """What --config.KEY=VALUE lets through: values of the entry's own type."""
    from bagnet_tf.datasets import image_source

    try:
        changes = dict(json.loads(data))
    except (ValueError, TypeError, RecursionError):
        return
    config = tiny_config()
    for key, value in changes.items():
        if key in config and type(value) is type(config[key]):
            config[key] = value
    source = image_source(config.dataset, channels=config.channels)
    # As the trainer does before it builds the network.
    steps = steps_per_epoch(source, config)
    check_config(config, source, replicas=1)
    weights_of_classes(config, source)
    if config.epochs < 1_000:
        training_sizes(config)
    learning_rate_schedule(config, steps)


def _labels(folder) -> list[bytes]:
    return ["cat\nhot dog\ncrème brûlée\n".encode(), b"a\r\nb\r\n"]


def _read_labels(folder, data):
    path = folder / "labels.txt"
    path.write_bytes(data)
    read_labels(path)


# === A map that is being written ===


def _tiled(folder) -> list[bytes]:
    from bagnet_tf.heatmap import HeatmapNetwork
    from tests.small_models import tiny_model

    network = HeatmapNetwork(tiny_model(), stride=2)
    _tiles(folder, network, interrupted=True)
    _tiled.network = network
    return [(folder / "map.npy.partial.json").read_bytes()]


def _tiles(folder, network, interrupted=False):
    from bagnet_tf.readers import CallbackReader
    from bagnet_tf.tiling import tiled_heatmap

    left = [2]

    def pixels(box):
        left[0] -= 1
        if interrupted and left[0] < 0:
            raise InterruptedError
        return np.zeros((box.bottom - box.top, box.right - box.left, 3))

    reader = CallbackReader(pixels, (23, 23, 3))
    try:
        tiled_heatmap(network, reader, folder / "map.npy", [0], tile_size=8)
    except InterruptedError:
        return


def _read_progress(folder, data):
    (folder / "map.npy.partial.json").write_bytes(data)
    whole = (folder / "map.npy.partial").read_bytes()
    try:
        _tiles(folder, _tiled.network)
    finally:
        (folder / "map.npy").unlink(missing_ok=True)
        (folder / "map.npy.partial").write_bytes(whole)


TARGETS = {
    "manifest_of_patch_logits": Target(_manifests, _read_manifest, 50),
    "shard_of_patch_logits": Target(_shards, _read_shard, 30),
    "partial_analysis": Target(_partial_results, _read_partial_results, 40),
    "config.json": Target(_claimed, _read_config_json, 30),
    "metrics.jsonl": Target(_histories, _read_history, 20),
    "configuration": Target(_configurations, _read_configuration, 40),
    "labels": Target(_labels, _read_labels, 10),
    "partial_map": Target(_tiled, _read_progress, 10),
}
