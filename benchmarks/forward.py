"""How fast is a forward pass? Keras, the inference graph, PyTorch.

    python benchmarks/forward.py

Times BagNet-33 at 224 px with random weights: the Keras model in a
tf.function, the inference model in float32 and bfloat16 with and without the
patch logits of all 1,000 classes, and (where torch is installed) the same
network in PyTorch, channels_last, float32 and bfloat16.
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

_BASELINE = "Keras model, float32"


def main() -> None:
    """Measures and reports."""
    options = _options()
    shape = options.batch_size, options.image_size, options.image_size, 3
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    makers = _makers(options.architecture)
    memory = {
        name: measure.peak_memory(_run_once, options.architecture, name, images)
        for name in makers
    }
    candidates = {
        name: functools.partial(make(), images) for name, make in makers.items()
    }
    seconds = {
        name: measure.median(times)
        for name, times in measure.in_turns(candidates, options.turns).items()
    }
    rows = [
        {
            "what": name,
            "images/s": options.batch_size / seconds[name],
            "ratio": seconds[_BASELINE] / seconds[name],
            "peak MiB": memory[name],
        }
        for name in seconds
    ]
    measure.report(
        f"Forward pass, {options.architecture}, {options.image_size} px, batch "
        f"{options.batch_size}, median of {options.turns} turns",
        rows,
        "python benchmarks/forward.py "
        f"--architecture={options.architecture} "
        f"--image_size={options.image_size} "
        f"--batch_size={options.batch_size} --turns={options.turns}",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--architecture", default="bagnet33", choices=ARCHITECTURES
    )
    parser.add_argument("--image_size", type=int, default=224, help="pixels")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _makers(architecture: str) -> dict[str, Callable[[], Callable]]:
    """By name, what makes a function of images that runs a network."""
    makers = {_BASELINE: functools.partial(_keras, architecture)}
    for dtype in ("float32", "bfloat16"):
        for evidence in (False, True):
            name = f"inference model, {dtype}" + ", with evidence" * evidence
            makers[name] = functools.partial(
                _inference, architecture, dtype, evidence
            )
    if importlib.util.find_spec("torch") is None:
        print("Without PyTorch, which is not installed.")
        return makers
    for dtype in ("float32", "bfloat16"):
        makers[f"PyTorch channels_last, {dtype}"] = functools.partial(
            _torch, architecture, dtype
        )
    return makers


def _run_once(architecture, name, images):
    _makers(architecture)[name]()(images)


def _keras(architecture):
    from bagnet_tf.models import BagNet

    return _compiled(BagNet(ARCHITECTURES[architecture]))


def _inference(architecture, dtype, evidence):
    import keras

    from bagnet_tf.inference import inference_model
    from bagnet_tf.models import BagNet

    model = inference_model(BagNet(ARCHITECTURES[architecture]), dtype)
    if not evidence:
        model = keras.Model(model.input, model.output["logits"])
    return _compiled(model)


def _compiled(model):
    import tensorflow as tf

    network = tf.function(
        lambda images: model(images, training=False), autograph=False
    )

    def run(images):
        outputs = network(tf.constant(images))
        return tf.nest.map_structure(lambda output: output.numpy(), outputs)

    return run


def _torch(architecture, dtype):
    import torch
    from torch_bagnet import TorchBagNet

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = TorchBagNet(ARCHITECTURES[architecture]).eval()
    network = network.to(memory_format=torch.channels_last)

    def run(images):
        image = torch.from_numpy(images.transpose(0, 3, 1, 2))
        low = torch.autocast("cpu", torch.bfloat16, dtype == "bfloat16")
        with torch.inference_mode(), low:
            return network(image).float().numpy()

    return run


if __name__ == "__main__":
    main()
