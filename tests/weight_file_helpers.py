"""Files of weights, written as their publishers write them."""

import functools
import json
import pathlib
import zipfile

import h5py
import numpy as np

from tests.shared_data import shared

# Leaf of a PyTorch key and rank -> name of the variable in Keras.
_KERAS_LEAVES = {
    ("weight", 4): "kernel",
    ("weight", 2): "kernel",
    ("weight", 1): "gamma",
    ("running_mean", 1): "moving_mean",
    ("running_var", 1): "moving_variance",
}
SMALL_CLASSES = 5
SMALL_WIDTH = 1 / 16


@functools.cache
def small_state_dict(layout: str = "official") -> dict[str, np.ndarray]:
    """Weights of a BagNet-9 of `SMALL_CLASSES` and `SMALL_WIDTH`."""
    names = json.loads(shared("golden", "names.json").read_text())["bagnet9"]
    rng = np.random.default_rng(0)
    entries = {}
    # Both layouts list the same weights in the same order.
    for (_, shape), (key, _) in zip(
        names["official"], names[layout], strict=True
    ):
        shape = tuple(
            SMALL_CLASSES
            if side == 1000
            else side
            if side in (1, 3)
            else side // 16
            for side in shape
        )
        entries[key] = rng.uniform(0.5, 1.5, shape).astype("float32")
    return entries


def write_tf2cv(
    path: pathlib.Path, variant: str, pytorchcv: dict, rename=lambda name: name
) -> None:
    """Writes weights under the names of a published `.tf2.h5` file.

    Which weight gets which name is told by the order alone: both
    implementations list the weights of each kind in the same one.

    Args:
        path: Of the file.
        variant: Of the weights.
        pytorchcv: The weights by their names in pytorchcv.
        rename: Changes a name before it is written.
    """
    by_kind = {}
    for key, value in pytorchcv.items():
        leaf = key.rpartition(".")[2]
        if leaf == "bias":
            kind = "bias" if key.startswith("output") else "beta"
        else:
            kind = _KERAS_LEAVES.get((leaf, value.ndim))
        by_kind.setdefault(kind, []).append(value)
    by_kind.pop(None, None)  # num_batches_tracked
    by_kind = {kind: iter(values) for kind, values in by_kind.items()}
    text = shared("golden", "tf2cv_h5_names.json").read_text()
    with h5py.File(path, "w") as file:
        for group, name, shape in json.loads(text)[variant]:
            value = next(by_kind[name.rpartition("/")[2].removesuffix(":0")])
            axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.ndim]
            value = value.transpose(axes)
            if pytorchcv["output.bias"].size == 1000:
                assert value.shape == tuple(shape), name
            file[rename(f"{group}/{name}")] = value
    assert not any(list(values) for values in by_kind.values())


def zipped(path: pathlib.Path, member: str | None = None) -> pathlib.Path:
    """Packs a file into a zip archive beside it."""
    archive = path.with_name(path.name + ".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.write(path, member or path.name)
    return archive
