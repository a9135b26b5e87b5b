"""How is a model trained? One custom loop for every strategy.

Not `Model.fit`: it fails under multi-worker strategies. A run can be stopped
at any step and goes on where it was.
"""

import dataclasses
import time
from collections.abc import Sequence

import keras
import ml_collections
import tensorflow as tf
import tqdm
from absl import logging

from bagnet_tf.datasets import image_source
from bagnet_tf.datasets.batches import corrupt_images_named
from bagnet_tf.tensorflow_files import file_errors_named

from .class_weights import weights_of_classes
from .config_checks import check_config
from .network import build_model
from .objective import Objective, load_teacher
from .optimization import build_optimizer, learning_rate_schedule
from .pipeline import (
    steps_per_epoch,
    training_batches,
)
from .profiling import StepProfiler
from .record import RunRecord
from .signals import stop_on_signals
from .step import set_precision, train_steps
from .strategies import any_worker, is_chief, lost_workers_named
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
    profile_steps: Sequence[int] | None = None,
) -> TrainingResult:
    """Trains a BagNet, or goes on with a run that was stopped.

    Args:
        config: See `train/configs`.
        workdir: Folder of this run (see `Workdir`).
        data_dir: Folder of TFDS datasets.
        strategy: How to distribute; by default not at all.
        skip_corrupt: Whether to go without images that cannot be decoded.
        profile_steps: The first step to profile, and the one after the last.

    Returns:
        How it ended. SIGINT (Ctrl-C) and SIGTERM end it after the current
        step with a checkpoint.

    Raises:
        ValueError: If the configuration is unusable, `workdir` belongs to
            another one, or an image cannot be decoded.
    """
    source = image_source(
        config.dataset, data_dir, skip_corrupt, config.channels
    )
    try:
        profiler = StepProfiler(profile_steps, Workdir(workdir).tensorboard)
        strategy = strategy or tf.distribute.get_strategy()
        run = _Run(config, workdir, source, strategy)
        with (
            stop_on_signals() as stopped,
            corrupt_images_named(source, config.train_split),
            lost_workers_named(),
            profiler,
        ):
            stopped = any_worker(strategy, stopped)
            while run.epoch < config.epochs and run.train_epoch(
                stopped, profiler
            ):
                run.finish_epoch()
            if run.epoch < config.epochs:
                run.checkpoint()
                return TrainingResult(False, run.step, {})
            metrics = run.report()
            any_worker(strategy, lambda: False)()  # All wait for the chief.
        return TrainingResult(True, run.step, metrics)
    finally:
        set_precision("float32")  # TensorFlow's own state, not the run's.


class _Run:
    """The state of one training run."""

    def __init__(self, config, workdir, source, strategy):
        self._config = config
        self._source = source
        self._strategy = strategy
        self._steps = steps_per_epoch(self._source, config)
        replicas = strategy.num_replicas_in_sync
        check_config(config, source, replicas)
        class_weights = weights_of_classes(config, source)
        keras.utils.set_random_seed(config.seed)
        self._model = build_model(config, source)
        self._schedule = learning_rate_schedule(config, self._steps)
        policy = set_precision(config.precision)
        with strategy.scope():
            self._twin = training_twin(self._model, replicas, policy)
            self._optimizer = build_optimizer(
                self._twin, self._schedule, config, replicas
            )
            self._average = [
                tf.Variable(weight.value, trainable=False)
                for weight in self._twin.weights
                if config.ema_momentum
            ]
        self._train_steps = train_steps(
            strategy,
            self._twin,
            self._optimizer,
            Objective(config, load_teacher(config, self._model), class_weights),
            config,
            self._average,
        )
        self._step = tf.Variable(0, dtype=tf.int64)
        self._totals = tf.Variable([0.0, 0.0])  # Of the epoch's steps.
        self._is_chief = is_chief(strategy)
        files = Workdir(workdir)
        if self._is_chief:
            files.claim(config)
        self._checkpoints = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                model=self._twin,
                optimizer=self._optimizer,
                average=self._average,
                step=self._step,
                totals=self._totals,
            ),
            str(files.checkpoints),
            max_to_keep=2,
        )
        with file_errors_named("the last checkpoint of workdir"):
            if self._checkpoints.restore_or_initialize():
                logging.info("Resuming at step %d", self.step)
        if self._is_chief:
            self._record = RunRecord(
                config, files, source, self._model, self.epoch
            )

    @property
    def step(self) -> int:
        """Training steps done in all."""
        return int(self._step.numpy())

    @property
    def epoch(self) -> int:
        """The current epoch, from 0."""
        return self.step // self._steps

    def checkpoint(self):
        """Saves everything that resuming needs."""
        if self._is_chief:
            with file_errors_named("a checkpoint of workdir"):
                self._checkpoints.save(checkpoint_number=self.step)

    def train_epoch(self, stopped, profiler) -> bool:
        """Trains to the end of the epoch, or until `stopped`."""
        epoch, first = self.epoch, self.step % self._steps
        batches = self._strategy.distribute_datasets_from_function(
            lambda context: training_batches(
                self._source, self._config, epoch, first, context
            )
        )
        start, iterator = time.monotonic(), iter(batches)
        with self._progress(first) as progress:
            while self.epoch == epoch:
                if stopped():
                    return False
                profiler.before(self.step)
                count = self._steps_at_once()
                totals = self._train_steps(iterator, tf.constant(count))
                self._totals.assign_add(totals)
                self._step.assign_add(count)
                self._show(progress, count)
                every = self._config.checkpoint_steps
                if every and self.step % every == 0 and self.epoch == epoch:
                    self.checkpoint()
        seconds = time.monotonic() - start
        images = (self._steps - first) * self._config.batch_size
        self._speed = {
            "images_per_second": images / seconds,
            "training_seconds": seconds,
        }
        return True

    def _progress(self, first) -> tqdm.tqdm:
        """A bar of the epoch's steps, from that on where it begins."""
        return tqdm.tqdm(
            desc=f"Epoch {self.epoch + 1}/{self._config.epochs}",
            total=self._steps,
            initial=first,
            unit="step",
            # None: shown where stderr is a terminal.
            disable=None if self._is_chief else True,
        )

    def _show(self, progress, count):
        """Moves the bar on, with the means of the epoch so far."""
        if progress.disable:
            return  # Reading the totals waits for the device.
        loss, accuracy = self._totals.numpy() / (progress.n + count)
        means = {"loss": f"{loss:.4f}", "accuracy": f"{accuracy:.4f}"}
        progress.set_postfix(means, refresh=False)
        progress.update(count)

    def _steps_at_once(self) -> int:
        """As many as are asked for, to the next checkpoint or epoch."""
        count = min(
            self._config.steps_per_call, self._steps - self.step % self._steps
        )
        if every := self._config.checkpoint_steps:
            count = min(count, every - self.step % every)
        return count

    def finish_epoch(self):
        """Scores the epoch on the held-out part; saves models and state."""
        loss, accuracy = self._totals.numpy() / self._steps
        self._totals.assign([0.0, 0.0])
        if not self._is_chief:
            return
        copy_back(self._twin, self._model, self._average)
        self._record.add_epoch(
            {
                "epoch": self.epoch,
                "step": self.step,
                "loss": float(loss),
                "accuracy": float(accuracy),
                "learning_rate": float(self._schedule(self.step)),
                **self._speed,
            }
        )
        self.checkpoint()

    def report(self) -> dict:
        """Scores the best model; empty but for the chief."""
        return self._record.report() if self._is_chief else {}
