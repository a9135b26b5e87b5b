"""How fast is a training step? Keras's fit, ours, PyTorch.

    python benchmarks/training.py --architecture=bagnet33 --image_size=128

Steps of SGD with momentum on one batch of random pixels, 10 classes: `fit` of
the plain Keras model, the training loop of this project in float32 and in
bfloat16, and (where torch is installed) the same network in PyTorch, eager,
channels_last, in float32 and under bfloat16 autocast. On a GPU, if TensorFlow
finds one, also the training loop in float16 with loss scaling.
"""

import argparse
import functools
import importlib.util
import os
import pathlib
from collections.abc import Callable

import measure
import numpy as np

from bagnet_tf.architecture import ARCHITECTURES

_BASELINE = "Keras fit, float32"
_CLASSES = 10
_LEARNING_RATE = 0.01


def main() -> None:
    """Measures and reports."""
    options = _options()
    rng = np.random.default_rng(0)
    shape = options.batch_size, options.image_size, options.image_size, 3
    images = rng.integers(0, 256, shape).astype(np.uint8)
    labels = np.eye(_CLASSES, dtype=np.float32)[
        rng.integers(0, _CLASSES, options.batch_size)
    ]
    makers = _makers(options, images, labels)
    seconds = {
        name: measure.median(times)
        for name, times in measure.in_turns(
            {name: make() for name, make in makers.items()}, options.turns
        ).items()
    }
    rows = [
        {
            "what": name,
            "images/s": options.batch_size * options.steps / seconds[name],
            "ratio": seconds[_BASELINE] / seconds[name],
            "peak MiB": measure.peak_memory(_run_once, make)
            if options.memory
            else None,
        }
        for name, make in makers.items()
    ]
    measure.report(
        f"Training step, {options.architecture}, {options.image_size} px, "
        f"batch {options.batch_size}, {_gpu() or 'no GPU'}, median of "
        f"{options.turns} turns of {options.steps} steps",
        rows,
        "python benchmarks/training.py "
        f"--architecture={options.architecture} "
        f"--image_size={options.image_size} "
        f"--batch_size={options.batch_size} --steps={options.steps} "
        f"--turns={options.turns}" + " --memory" * options.memory,
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--architecture", default="bagnet33", choices=ARCHITECTURES
    )
    parser.add_argument("--image_size", type=int, default=128, help="pixels")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1, help="in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--memory", action="store_true", help="also measure the peak of each"
    )
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _makers(options, images, labels) -> dict[str, Callable[[], Callable]]:
    """By name, what makes a function that runs the steps of a turn."""
    arguments = options.architecture, options.steps, images, labels
    makers = {_BASELINE: functools.partial(_fit, *arguments)}
    dtypes = ("float32", "bfloat16", *(["float16"] if _gpu() else []))
    for dtype in dtypes:
        makers[f"ours, {dtype}"] = functools.partial(ours, dtype, *arguments)
    if importlib.util.find_spec("torch") is None:
        print("Without PyTorch, which is not installed.")
        return makers
    for dtype in ("float32", "bfloat16"):
        makers[f"PyTorch channels_last, {dtype}"] = functools.partial(
            _torch, dtype, *arguments
        )
    return makers


def _gpu() -> str:
    """Name of the first GPU that TensorFlow finds; empty without one."""
    import tensorflow as tf

    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        return details["device_name"]
    return ""


def _run_once(make):
    make()()


def _fit(architecture, steps, images, labels):
    import keras
    import tensorflow as tf
    from bagnet_tf.train.step import set_precision

    from bagnet_tf.models import BagNet

    model = BagNet(ARCHITECTURES[architecture], classes=_CLASSES)
    model.compile(
        keras.optimizers.SGD(_LEARNING_RATE, momentum=0.9),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        # What is faster: XLA on a GPU, as is Keras's default, not on a CPU.
        jit_compile="auto" if _gpu() else False,
    )
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat(steps)

    def run():
        set_precision("float32")
        model.fit(batches, verbose=0)

    return run


def ours(
    precision: str,
    architecture: str,
    steps: int,
    images: np.ndarray,
    labels: np.ndarray,
) -> Callable[[], None]:
    """What runs some steps of `train.main` on one batch."""
    import tensorflow as tf
    from bagnet_tf.train.configs import imagenette
    from bagnet_tf.train.objective import Objective
    from bagnet_tf.train.optimization import build_optimizer
    from bagnet_tf.train.step import set_precision, train_steps
    from bagnet_tf.train.twin import training_twin

    from bagnet_tf.models import BagNet

    config = imagenette.get_config()
    config.update(
        precision=precision, batch_size=len(images), label_smoothing=0.0
    )
    model = BagNet(ARCHITECTURES[architecture], classes=_CLASSES)
    twin = training_twin(model, policy=set_precision(precision))
    optimizer = build_optimizer(twin, _LEARNING_RATE, config)
    train = train_steps(
        tf.distribute.get_strategy(),
        twin,
        optimizer,
        Objective(config),
        config,
    )
    iterator = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())

    def run():
        set_precision(precision)
        train(iterator, tf.constant(steps)).numpy()

    return run


def _torch(dtype, architecture, steps, images, labels):
    import torch
    from torch_bagnet import TorchBagNet

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if _gpu() else "cpu"
    network = TorchBagNet(ARCHITECTURES[architecture], classes=_CLASSES)
    network = network.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), _LEARNING_RATE, momentum=0.9
    )
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2)).to(device)
    target = torch.from_numpy(labels).to(device)

    def run():
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16, dtype == "bfloat16"):
                logits = network(pixels.float() / 128 - 1)
                loss = torch.nn.functional.cross_entropy(logits, target)
            loss.backward()
            optimizer.step()
        loss.item()

    return run


if __name__ == "__main__":
    main()
