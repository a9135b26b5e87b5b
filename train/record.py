"""What is kept of a run? Scores of every epoch, models, logs, a report.

With several workers this is the chief's work alone.
"""

import functools

import keras
import ml_collections
import numpy as np
import tensorflow as tf
from absl import logging

from bagnet_tf.datasets import ImageSource
from bagnet_tf.evidence import class_centred, patch_logits_model
from bagnet_tf.geometry import geometry_of
from bagnet_tf.layout import map_extent
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.photo_maps import map_on_photo
from bagnet_tf.preprocessing import CropTransform
from bagnet_tf.rendering import colour_limit, overlay_on_photo

from .evaluation import Evaluator
from .pipeline import evaluation_batches
from .step import set_precision
from .workdir import Workdir

_NUM_PICTURES = 8  # Photos whose evidence TensorBoard shows every epoch.


class RunRecord:
    """The record of one training run."""

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        workdir: Workdir,
        source: ImageSource,
        model: keras.Model,
        epoch: int,
    ):
        """Begins a record, or goes on with one.

        Args:
            config: See `train/configs`.
            workdir: Where it is written.
            source: Where the photos come from.
            model: The plain network, whose weights are scored and saved.
            epoch: How many epochs are done; what is recorded of later ones
                is dropped.
        """
        self._config = config
        self._workdir = workdir
        self._source = source
        self._model = model
        self._evaluate = self._evaluator(score_evidence=False)
        self._history = workdir.history(epoch)
        self._board = tf.summary.create_file_writer(str(workdir.tensorboard))

    def add_epoch(self, entry: dict) -> None:
        """Scores the model on the held-out part; saves it and the entry.

        Args:
            entry: What is known of the epoch from training: `epoch` (from 1),
                `step`, `loss`, `accuracy`, `learning_rate`,
                `images_per_second` and `training_seconds`.
        """
        holdout = self._evaluate(self._config.holdout_split)
        accuracy = holdout["top1"]["value"]
        entry = entry | {
            "holdout_loss": holdout["loss"],
            "holdout_accuracy": accuracy,
        }
        best = max((e["holdout_accuracy"] for e in self._history), default=-1)
        info = self._info({"holdout_accuracy": accuracy})
        self._workdir.save_model(self._model, info, self._workdir.last_model)
        if accuracy > best:
            self._workdir.save_model(
                self._model, info, self._workdir.best_model
            )
        self._history.append(entry)
        self._workdir.append_history(self._history)
        self._log(entry)

    def report(self) -> dict:
        """Scores the best model once on the reported split."""
        set_precision("float32")  # That of the numbers.
        self._model.load_weights(self._workdir.best_model)
        evaluate = self._evaluator(score_evidence=True)
        # Fitted before the reported split is looked at.
        fitted = evaluate.fit(self._config.holdout_split)
        scores = evaluate(self._config.eval_split, fitted)
        best = max(self._history, key=lambda e: e["holdout_accuracy"])
        metrics = {
            "dataset": self._config.dataset,
            "split": self._config.eval_split,
            "best_epoch": best["epoch"],
            "holdout_accuracy": best["holdout_accuracy"],
            "training_seconds": sum(
                e["training_seconds"] for e in self._history
            ),
            **scores,
        }
        self._workdir.save_metrics(metrics)
        self._workdir.save_curves(self._history)
        info = self._info(
            {
                "dataset": self._config.dataset,
                "split": self._config.eval_split,
                "top1": scores["top1"],
                "holdout_accuracy": best["holdout_accuracy"],
                **fitted,
            }
        )
        info.save(self._model, self._workdir.best_model)
        return metrics

    def _evaluator(self, score_evidence) -> Evaluator:
        size = self._config.eval_image_size
        return Evaluator(
            self._model,
            self._source,
            (size, size),
            self._config.batch_size,
            score_evidence=score_evidence,
        )

    def _info(self, metrics) -> ModelInfo:
        size = self._config.eval_image_size
        return ModelInfo((size, size), self._source.labels, metrics)

    def _log(self, entry):
        logging.info(
            "epoch %d/%d: loss %.4f, accuracy %.4f, held-out loss %.4f, "
            "accuracy %.4f, learning rate %.5f, %.1f images/s",
            entry["epoch"],
            self._config.epochs,
            entry["loss"],
            entry["accuracy"],
            entry["holdout_loss"],
            entry["holdout_accuracy"],
            entry["learning_rate"],
            entry["images_per_second"],
        )
        with self._board.as_default(step=entry["epoch"]):
            for key in entry.keys() - {"epoch", "step"}:
                tf.summary.scalar(key, entry[key])
            tf.summary.image(
                "evidence", self._pictures(), max_outputs=_NUM_PICTURES
            )
        self._board.flush()

    @functools.cached_property
    def _photos(self) -> tuple[np.ndarray, np.ndarray]:
        """The first held-out photos and their class ids."""
        size = self._config.eval_image_size
        batches = evaluation_batches(
            self._source,
            self._config.holdout_split,
            (size, size),
            _NUM_PICTURES,
        )
        first = next(iter(batches))
        return first["image"].numpy(), first["label"].numpy()

    def _pictures(self) -> np.ndarray:
        """Evidence for the true class on held-out photos, on one scale.

        Returns:
            uint8 (photos, height, width, 3), like the model's input.
        """
        images, labels = self._photos
        patch_logits = patch_logits_model(self._model)(images)["patch_logits"]
        centred = class_centred(patch_logits.numpy())
        maps = centred[np.arange(len(labels)), :, :, labels]
        extent = map_extent(geometry_of(self._model), maps.shape[1:])
        shape = images.shape[1:3]
        whole = CropTransform(shape, shape, 0, 0)
        limit = colour_limit(maps)
        return np.stack(
            [
                overlay_on_photo(
                    image, map_on_photo(evidence, extent, whole, shape), limit
                )
                for image, evidence in zip(images, maps, strict=True)
            ]
        )
