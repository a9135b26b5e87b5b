"""A training run that takes seconds, and workers on this machine."""

import contextlib
import json
import os
import socket
from unittest import mock

import numpy as np
import tensorflow as tf

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.datasets.base import ImageSource, read_ranges
from tests.small_models import shallow
from train import trainer
from train.configs import glyphs


class ArraySource(ImageSource):
    """Images and labels in memory: one split, `train`."""

    name = "arrays"

    def __init__(self, images: np.ndarray, labels: np.ndarray, classes: int):
        self.labels = tuple(f"kind {index}" for index in range(classes))
        self.multi_label = labels.ndim == 2
        self.channels = images.shape[-1]
        self._arrays = {"image": images, "label": labels}

    def split_sizes(self):
        return {"train": len(self._arrays["image"])}

    def dataset(self, split):
        ((_, start, stop),) = read_ranges(split, self.split_sizes())
        columns = {
            **{key: array[start:stop] for key, array in self._arrays.items()},
            "id": [f"{index}".encode() for index in range(start, stop)],
        }
        return tf.data.Dataset.from_tensor_slices(columns)

    def label_dataset(self, split):
        return self.dataset(split).map(
            lambda example: {key: example[key] for key in ("label", "id")}
        )


def shallow_networks():
    """Has a configuration name the same network with a quarter of the blocks.

    To trace a whole one takes most of the time of so short a run.
    """
    return mock.patch.dict(
        ARCHITECTURES, {name: shallow(a) for name, a in ARCHITECTURES.items()}
    )


def tiny_config(**changes):
    """The glyphs configuration, cut down to 2 epochs of 3 steps."""
    config = glyphs.get_config()
    config.update(
        train_split="train[:24]",
        holdout_split="train[24:40]",
        eval_split="validation[:20]",
        width=0.05,
        epochs=2,
        batch_size=8,
        learning_rate=0.05,
        random_flip=True,
        min_crop_area=0.5,
        precision="float32",
        steps_per_call=1,
    )
    config.update(changes)
    return config


def stop_after(steps):
    """Replaces the signal handling: asks to stop after so many steps."""
    calls = []

    @contextlib.contextmanager
    def stop_on_signals():
        yield lambda: calls.append(0) or len(calls) > steps

    return mock.patch.object(trainer, "stop_on_signals", stop_on_signals)


def _free_ports(count):
    """Ports that nobody listens on, for workers on this machine."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def worker_environments(count):
    """TF_CONFIG of each worker, as environments of processes."""
    workers = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    for index in range(count):
        content = {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": index},
        }
        yield {**os.environ, "TF_CONFIG": json.dumps(content)}
