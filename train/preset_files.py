"""What does a preset consist of? Rounded weights, and what is known of them."""

import json
import os
import pathlib
import tempfile

import h5py
import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.datasets import ImageSource, image_source
from bagnet_tf.datasets.batches import evaluation_batches
from bagnet_tf.files import num_bytes, sha256_of
from bagnet_tf.loading import load_model
from bagnet_tf.models import BagNet

from .evaluation import Evaluator

# What may ship inside the package.
_MOST_BYTES = 8_000_000
# Two evaluations of one model differ by the order of float32 sums alone, which
# may turn a tie or two.
_MOST_DISAGREEMENT = 1e-3
_SCORES = (
    "loss",
    "brier_score",
    "expected_calibration_error",
    "equal_mass_calibration_error",
)


class FinishedRun:
    """A model, and what its run has left beside it."""

    def __init__(
        self, model: str | os.PathLike[str], data_dir: str | None = None
    ):
        """Reads the run.

        Args:
            model: Best model of the run, a `.keras` file.
            data_dir: Folder of TFDS datasets.

        Raises:
            ValueError: If a file is missing or damaged, the run is not
                finished, or its dataset is not there.
        """
        self.model, self._info = load_model(model)
        folder = pathlib.Path(model).parent
        self._metrics = _read(folder / "metrics.json")
        self._run = _read(folder / "config.json")
        if self._info.temperature is None:
            raise ValueError(
                "model must be that of a finished run, whose JSON holds a "
                f"temperature. Received: model={str(model)!r}"
            )
        self._source = image_source(self._run["config"]["dataset"], data_dir)

    def record(self, weights: pathlib.Path) -> dict:
        """Scores the model and the one of rounded weights.

        Args:
            weights: File that `write_half_precision` has made of the model.

        Returns:
            The content of a preset's JSON file: what `bagnet_tf.preset_info`
            tells of it, how it was trained, the scores of the rounded weights
            and what the rounding costs.

        Raises:
            ValueError: If the run's metrics are not those of the model.
        """
        config = self._run["config"]
        rounded = BagNet(
            ARCHITECTURES[config["architecture"]],
            weights,
            classes=len(self._info.labels),
            width=config["width"],
        )
        before, after = self._scores(self.model), self._scores(rounded)
        stated = self._metrics["top1"]["value"]
        if abs(before["top1"]["value"] - stated) > _MOST_DISAGREEMENT:
            raise ValueError(
                "metrics.json must be of the model, whose top-1 is "
                f"{before['top1']['value']:.4f}. Received: {stated:.4f}"
            )
        return {
            "architecture": config["architecture"],
            "width": config["width"],
            "parameters": rounded.count_params(),
            "labels": list(self._info.labels),
            "input_size": list(self._info.image_size),
            "file": weights.name,
            "bytes": num_bytes(weights),
            "sha256": sha256_of(weights),
            "metrics": self._summary(after),
            "rounding": {
                "top1_before": before["top1"]["value"],
                "top1_after": after["top1"]["value"],
                **self._changes(rounded),
            },
            "training": {
                "best_epoch": self._metrics["best_epoch"],
                "seconds": self._metrics["training_seconds"],
                **self._run,
            },
            "evaluation": {
                "dataset": config["dataset"],
                "split": config["eval_split"],
                **after,
            },
        }

    def _scores(self, model) -> dict:
        evaluate = Evaluator(model, self._source, self._info.image_size)
        split = self._run["config"]["eval_split"]
        return evaluate(split, {"temperature": self._info.temperature})

    def _summary(self, scores) -> dict[str, float | None]:
        """What a user asks for first, as numbers by name."""
        rates = {
            key: scores[key]["value"]
            for key in ("top1", "top5")
            if key in scores
        }
        return {
            **rates,
            **{key: scores[key] for key in _SCORES},
            "temperature": self._info.temperature,
        }

    def _changes(self, rounded) -> dict:
        return logit_changes(
            self.model,
            rounded,
            self._source,
            self._run["config"]["eval_split"],
            self._info.image_size,
        )


def write_half_precision(model: keras.Model, path: pathlib.Path) -> None:
    """Writes weights as Keras does, but kernels in float16, and compressed.

    Vectors stay in float32: they are a hundredth of all numbers, and a moving
    variance may be smaller than what float16 resolves. Readers of a
    `.weights.h5` file, Keras's own included, open it like any other.

    Args:
        model: Any model.
        path: The file, `NAME.weights.h5`.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, path.name)
        model.save_weights(whole)
        with h5py.File(whole) as source:
            # Older versions of HDF5 write half a megabyte more of groups.
            with h5py.File(path, "w", libver="v110") as target:
                source.visititems(lambda _, item: _copy(item, target))


def check_size(path: pathlib.Path) -> None:
    """Raises unless a file is small enough to ship.

    Raises:
        ValueError: If it is not.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(
            f"model must fit into {_MOST_BYTES:,} bytes, rounded and "
            f"compressed. Received: {size:,}"
        )


def logit_changes(
    model: keras.Model,
    rounded: keras.Model,
    source: ImageSource,
    split: str,
    image_size: tuple[int, int],
) -> dict:
    """Compares the logits of two models on all photos of a split.

    Args:
        model: One model.
        rounded: The same with rounded weights.
        source: Where the photos come from.
        split: Which photos, in TFDS's slicing grammar.
        image_size: (height, width) of the input, pixels.

    Returns:
        `changed_decisions`, the number of photos that get another class, and
        `largest_logit_change`, in parts of the model's largest logit.
    """
    networks = [tf.function(network) for network in (model, rounded)]
    changed, change, largest = 0, 0.0, 0.0
    for batch in evaluation_batches(source, split, image_size, 64):
        first, second = (
            network(batch["image"], training=False).numpy()
            for network in networks
        )
        changed += int((first.argmax(axis=1) != second.argmax(axis=1)).sum())
        change = max(change, float(np.abs(first - second).max()))
        largest = max(largest, float(np.abs(first).max()))
    return {
        "changed_decisions": changed,
        "largest_logit_change": change / largest,
    }


def _copy(item, target) -> None:
    """Copies a dataset, and the name of the layer that it belongs to."""
    if not isinstance(item, h5py.Dataset):
        return
    values = item[()]
    if values.ndim > 1:
        values = values.astype(np.float16)
    target.create_dataset(
        item.name,
        data=values,
        chunks=values.shape,
        compression="gzip",
        compression_opts=9,
        shuffle=True,
    )
    for name, value in item.parent.attrs.items():
        target[item.parent.name].attrs[name] = value


def _read(path: pathlib.Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"model must have {path.name} beside it, which a finished run "
            f"writes ({error}). Received: model in {str(path.parent)!r}"
        ) from error
