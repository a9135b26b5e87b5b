"""What is kept of a run? Scores of every epoch, models, logs, a report.

With several workers this is the chief's work alone.
"""

import math

import keras
import ml_collections
import tensorflow as tf
from absl import logging

from bagnet_tf.datasets import ImageSource
from bagnet_tf.geometry import has_patches
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.tensorflow_files import file_errors_named

from .evaluation import Evaluator
from .pictures import NUM_PICTURES, EvidencePictures
from .sparsity import EvidenceSparsity
from .step import set_precision
from .workdir import Workdir

# What the score on the held-out part that chooses the best epoch is called.
_QUALITIES = {"top1": "holdout_accuracy", "mean_auroc": "holdout_mean_auroc"}


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
        self._quality = _QUALITIES[self._evaluate.criterion]
        self._pictures = None
        if has_patches(model):
            self._pictures = EvidencePictures(config, source, model)
        self._history = workdir.history(epoch)
        self._board = tf.summary.create_file_writer(str(workdir.tensorboard))

    def add_epoch(self, entry: dict) -> None:
        """Scores the model on the held-out part; saves it and the entry.

        Args:
            entry: What is known of the epoch from training: `epoch` (from 1),
                `step`, `loss`, `accuracy`, `learning_rate`,
                `images_per_second` and `training_seconds`.
        """
        sparsity = None
        if self._pictures:
            sparsity = EvidenceSparsity(self._config.head)
        holdout = self._evaluate(
            self._config.holdout_split, keep=sparsity and sparsity.add
        )
        quality = holdout[self._evaluate.criterion]["value"]
        entry = entry | {
            "holdout_loss": holdout["loss"],
            self._quality: quality,
        }
        if sparsity:
            entry["evidence_sparsity"] = sparsity.value
        info = self._info({self._quality: quality})
        self._workdir.save_model(self._model, info, self._workdir.last_model)
        best = max(map(self._rank, self._history), default=None)
        if best is None or self._rank(entry) > best:
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
        best = max(self._history, key=self._rank)
        metrics = {
            "dataset": self._config.dataset,
            "split": self._config.eval_split,
            "best_epoch": best["epoch"],
            "criterion": evaluate.criterion,
            self._quality: best[self._quality],
            "training_seconds": sum(
                e["training_seconds"] for e in self._history
            ),
            "skipped": self._source.skipped,
            **scores,
        }
        self._workdir.save_metrics(metrics)
        self._workdir.save_curves(self._history)
        info = self._info(
            {
                "dataset": self._config.dataset,
                "split": self._config.eval_split,
                evaluate.criterion: scores[evaluate.criterion],
                self._quality: best[self._quality],
                **fitted,
            }
        )
        info.save(self._model, self._workdir.best_model)
        return metrics

    def _rank(self, entry) -> float:
        """Orders epochs; those in which nothing could be measured are last."""
        quality = entry[self._quality]
        return -math.inf if quality is None else quality

    def _evaluator(self, score_evidence) -> Evaluator:
        size = self._config.eval_image_size
        return Evaluator(
            self._model,
            self._source,
            (size, size),
            self._config.batch_size,
            head=self._config.head,
            score_evidence=score_evidence,
        )

    def _info(self, metrics) -> ModelInfo:
        size = self._config.eval_image_size
        return ModelInfo(
            (size, size), self._source.labels, metrics, self._config.head
        )

    def _log(self, entry):
        quality = entry[self._quality]
        logging.info(
            "epoch %d/%d: loss %.4f, accuracy %.4f, held-out loss %.4f, "
            "%s %s, learning rate %.5f, %.1f images/s",
            entry["epoch"],
            self._config.epochs,
            entry["loss"],
            entry["accuracy"],
            entry["holdout_loss"],
            self._quality.removeprefix("holdout_").replace("_", " "),
            "none" if quality is None else f"{quality:.4f}",
            entry["learning_rate"],
            entry["images_per_second"],
        )
        with (
            file_errors_named("TensorBoard's log in workdir"),
            self._board.as_default(step=entry["epoch"]),
        ):
            for key in entry.keys() - {"epoch", "step"}:
                if entry[key] is not None:
                    tf.summary.scalar(key, entry[key])
            if self._pictures:
                tf.summary.image(
                    "evidence", self._pictures(), max_outputs=NUM_PICTURES
                )
            self._board.flush()
