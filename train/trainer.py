"""How is a model trained? One custom loop for every strategy.

Not `Model.fit`: it fails under multi-worker strategies. A run can be stopped
at any step and goes on where it was.
"""

import dataclasses
import sys
import time

import keras
import ml_collections
import numpy as np
import tensorflow as tf
from absl import logging

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.datasets import ImageSource, image_source
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.models import BagNet

from .evaluation import Evaluator
from .optimization import build_optimizer, learning_rate_schedule
from .pipeline import (
    corrupt_images_named,
    steps_per_epoch,
    training_batches,
    training_sizes,
)
from .signals import stop_on_signals
from .step import automatic_bfloat16, train_step
from .twin import copy_back, training_twin
from .workdir import Workdir


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """How a call of `train` ended.

    Attributes:
        finished: Whether all epochs are done; if not, the run was stopped and
            can be resumed.
        step: Number of training steps done in all.
        metrics: What `metrics.json` holds; empty if not finished.
    """

    finished: bool
    step: int
    metrics: dict


def train(
    config: ml_collections.ConfigDict,
    workdir: str,
    data_dir: str | None = None,
    strategy: tf.distribute.Strategy | None = None,
    skip_corrupt: bool = False,
) -> TrainingResult:
    """Trains a BagNet, or goes on with a run that was stopped.

    Args:
        config: See `train/configs`.
        workdir: Folder of this run (see `Workdir`).
        data_dir: Folder of TFDS datasets.
        strategy: How to distribute; by default not at all.
        skip_corrupt: Whether to go without images that cannot be decoded.

    Returns:
        How it ended. SIGINT (Ctrl-C) and SIGTERM end it after the current
        step with a checkpoint.

    Raises:
        ValueError: If the configuration is unusable, `workdir` belongs to
            another one, or an image cannot be decoded.
    """
    source = image_source(config.dataset, data_dir, skip_corrupt)
    run = _Run(config, workdir, source, strategy)
    with (
        stop_on_signals() as stopped,
        corrupt_images_named(source, config.train_split),
    ):
        while run.epoch < config.epochs and run.train_epoch(stopped):
            run.finish_epoch()
    if run.epoch < config.epochs:
        run.checkpoint()
        return TrainingResult(False, run.step, {})
    return TrainingResult(True, run.step, run.report())


class _Run:
    """The state of one training run."""

    def __init__(self, config, workdir, source, strategy):
        self._config = config
        self._source = source
        self._steps = steps_per_epoch(self._source, config)
        for split in (config.holdout_split, config.eval_split):
            self._source.num_examples(split)  # Fails early if it is wrong.
        self._strategy = strategy or tf.distribute.get_strategy()
        self._check_replicas()
        keras.utils.set_random_seed(config.seed)
        self._model = _build_model(config, self._source)
        self._evaluate = self._evaluator()
        self._schedule = learning_rate_schedule(config, self._steps)
        with self._strategy.scope():
            self._twin = training_twin(
                self._model, self._strategy.num_replicas_in_sync
            )
            self._optimizer = build_optimizer(
                self._twin, self._schedule, config
            )
        self._train_step = train_step(
            self._strategy, self._twin, self._optimizer, config
        )
        self._workdir = Workdir(workdir)
        self._workdir.claim(config)
        self._checkpoints = tf.train.CheckpointManager(
            tf.train.Checkpoint(model=self._twin, optimizer=self._optimizer),
            str(self._workdir.checkpoints),
            max_to_keep=2,
        )
        if self._checkpoints.restore_or_initialize():
            logging.info("Resuming at step %d", self.step)
        self._history = self._workdir.history(self.epoch)
        self._board = tf.summary.create_file_writer(
            str(self._workdir.tensorboard)
        )

    def _check_replicas(self):
        replicas = self._strategy.num_replicas_in_sync
        if self._config.batch_size % replicas:
            raise ValueError(
                "config.batch_size must be a multiple of the number of "
                f"replicas, {replicas}. Received: {self._config.batch_size}"
            )

    @property
    def step(self) -> int:
        """Training steps done in all."""
        return int(self._optimizer.iterations.numpy())

    @property
    def epoch(self) -> int:
        """The current epoch, from 0."""
        return self.step // self._steps

    def checkpoint(self):
        """Saves everything that resuming needs."""
        self._checkpoints.save(checkpoint_number=self.step)

    def train_epoch(self, stopped) -> bool:
        """Trains to the end of the epoch, or until `stopped`."""
        epoch, first = self.epoch, self.step % self._steps
        batches = self._strategy.experimental_distribute_dataset(
            training_batches(self._source, self._config, epoch, first)
        )
        progress = None
        if sys.stdout.isatty():
            print(f"Epoch {epoch + 1}/{self._config.epochs}")
            progress = keras.utils.Progbar(self._steps)
            progress.update(first)
        start, done, totals = time.monotonic(), 0, np.zeros(2)
        for images, labels in batches:
            values = np.array(self._train_step(images, labels))
            done, totals = done + 1, totals + values
            if progress:
                names = ("loss", "accuracy")
                progress.add(1, list(zip(names, values, strict=True)))
            if stopped() and self.step % self._steps:
                return False
        seconds = time.monotonic() - start
        self._totals = {
            "loss": float(totals[0] / done),
            "accuracy": float(totals[1] / done),
            "images_per_second": done * self._config.batch_size / seconds,
            "training_seconds": seconds,
        }
        return True

    def finish_epoch(self):
        """Scores the epoch on the held-out part; saves models and state."""
        copy_back(self._twin, self._model)
        holdout = self._evaluate(self._config.holdout_split)
        entry = {
            "epoch": self.epoch,
            "step": self.step,
            **self._totals,
            "learning_rate": float(self._schedule(self.step)),
            "holdout_loss": holdout["loss"],
            "holdout_accuracy": holdout["top1"]["value"],
        }
        best = max((e["holdout_accuracy"] for e in self._history), default=-1)
        info = self._info({"holdout_accuracy": entry["holdout_accuracy"]})
        self._workdir.save_model(self._model, info, self._workdir.last_model)
        if entry["holdout_accuracy"] > best:
            self._workdir.save_model(
                self._model, info, self._workdir.best_model
            )
        self._history.append(entry)
        self._workdir.append_history(self._history)
        self.checkpoint()
        self._log(entry)

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
        self._board.flush()

    def _info(self, metrics) -> ModelInfo:
        size = self._config.eval_image_size
        return ModelInfo((size, size), self._source.labels, metrics)

    def _evaluator(self) -> Evaluator:
        size = self._config.eval_image_size
        return Evaluator(
            self._model, self._source, (size, size), self._config.batch_size
        )

    def report(self) -> dict:
        """Scores the best model once on the reported split."""
        automatic_bfloat16(False)  # The numbers are those of float32.
        self._model.load_weights(self._workdir.best_model)
        scores = self._evaluator()(self._config.eval_split)
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
        info = self._info(
            {
                "dataset": self._config.dataset,
                "split": self._config.eval_split,
                "top1": scores["top1"],
                "holdout_accuracy": best["holdout_accuracy"],
            }
        )
        info.save(self._model, self._workdir.best_model)
        return metrics


def _build_model(config, source: ImageSource) -> keras.Model:
    if config.architecture not in ARCHITECTURES:
        raise ValueError(
            f"config.architecture must be one of {sorted(ARCHITECTURES)}. "
            f"Received: {config.architecture!r}"
        )
    architecture = ARCHITECTURES[config.architecture]
    for size in {*training_sizes(config), config.eval_image_size}:
        architecture.geometry.grid_shape(size, size)  # Refuses small ones.
    return BagNet(
        architecture,
        classes=len(source.labels),
        width=config.width,
    )
