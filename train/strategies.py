"""On which devices is trained, and how do they agree?"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator

import tensorflow as tf

from .strategy_flags import NAMES

WORKER_LOST = 75  # Exit status, EX_TEMPFAIL of sysexits.h: try again.


def make_strategy(name: str, cpu_replicas: int = 0) -> tf.distribute.Strategy:
    """Makes the strategy of a training run.

    Call it before anything else of TensorFlow: devices and workers are fixed
    by their first use.

    Args:
        name: `"one_device"`; `"mirrored"`, over all GPUs of this machine;
            `"multi_worker"`, over the machines of the environment variable
            TF_CONFIG; `"tpu"`, the one that TensorFlow finds by itself;
            `"auto"` mirrors where there are several GPUs.
        cpu_replicas: If not 0, the CPU stands for that many devices, and no
            GPU is used: to try `"mirrored"` and `"multi_worker"`.

    Returns:
        The strategy.

    Raises:
        ValueError: If the name is unknown, or it and `cpu_replicas` or
            TF_CONFIG do not fit.
    """
    if name not in NAMES:
        raise ValueError(
            f"strategy must be one of {', '.join(NAMES)}. "
            f"Received: strategy={name!r}"
        )
    if cpu_replicas and name not in ("auto", "mirrored", "multi_worker"):
        raise ValueError(
            "cpu_replicas need a strategy of several devices: auto, mirrored "
            f"or multi_worker. Received: strategy={name!r}"
        )
    if cpu_replicas:
        _split_cpu(cpu_replicas)
    if name == "multi_worker":
        _check_tf_config()
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        return tf.distribute.TPUStrategy(resolver)
    kind = "CPU" if cpu_replicas else "GPU"
    devices = [d.name for d in tf.config.list_logical_devices(kind)]
    if name == "mirrored" or (name == "auto" and len(devices) > 1):
        return tf.distribute.MirroredStrategy(devices or None)
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what all workers share."""
    if not _has_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )


def any_worker(
    strategy: tf.distribute.Strategy, asks: Callable[[], bool]
) -> Callable[[], bool]:
    """A question that all workers answer alike: yes if one of them does.

    With several workers each call waits for all of them, so that they must
    ask equally often.
    """
    if not _has_workers(strategy):
        return asks

    @tf.function
    def number_of(answer):
        return strategy.reduce(
            tf.distribute.ReduceOp.SUM,
            strategy.run(lambda: answer),
            axis=None,
        )

    return lambda: bool(number_of(tf.constant(float(asks()))) > 0)


class WorkerLostError(RuntimeError):
    """Another worker has ended; all have to be started again."""


@contextlib.contextmanager
def lost_workers_named() -> Iterator[None]:
    """Turns the failure of a collective operation into a clear error.

    Raises:
        WorkerLostError: If another worker ended within.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise WorkerLostError(
            "another worker has ended; start all of them again to go on from "
            "the last checkpoint"
        ) from error


def _has_workers(strategy):
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def _split_cpu(count):
    """Lets the CPU stand for several devices, and hides the GPUs."""
    tf.config.set_visible_devices([], "GPU")
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )


def _check_tf_config():
    """Raises unless TF_CONFIG says which machines there are."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        content = json.loads(text)
        workers, task = content["cluster"]["worker"], content["task"]
        whole = bool(workers) and {"type", "index"} <= task.keys()
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError(
            "strategy multi_worker needs the environment variable TF_CONFIG, "
            'such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}. '
            f"Received: TF_CONFIG={text!r}"
        )
