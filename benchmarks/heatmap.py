"""How fast is a dense heatmap? Phases, shifted passes, patch by patch.

    python benchmarks/heatmap.py

One stride-1 map of a 224 x 224 image, BagNet-33 with random weights, computed

- by `HeatmapNetwork`, in float32 and in bfloat16;
- from 64 passes of the inference model over the image, shifted by 0 to 7
  pixels each way, whose patch logits are interleaved (shift-and-stitch);
- patch by patch, in large batches, by the same inference model;
- patch by patch in PyTorch, where it is installed, in batches of 1,000: what
  the published code does.

Of the patches a sample is run unless --patches=0, and the time scaled to all.

Plain images through the inference model show what rate of multiply-
accumulates this machine reaches. The model has one class, so that nobody
computes more than is asked for.
"""

import argparse
import functools
import importlib.util
import os
import pathlib
from collections.abc import Callable

import measure
import numpy as np
from arithmetic import multiply_accumulates

from bagnet_tf.architecture import ARCHITECTURES

_STRIDE = 8
_BATCH_SIZE = 8
_PATCHES_AT_ONCE = 512
_TORCH_PATCHES_AT_ONCE = 1000
_DENSE = "HeatmapNetwork, float32"
_PATCHES = "patch by patch"
_TORCH = "patch by patch, PyTorch"
_PLAIN = f"({_BATCH_SIZE} plain images)"


def main() -> None:
    """Measures and reports."""
    options = _options()
    architecture = ARCHITECTURES[options.architecture]
    size = options.image_size
    padded = size + architecture.geometry.receptive_field - 1
    image = np.random.default_rng(0).uniform(0, 255, (size, size, 3))
    makers = _makers(architecture.name, image.astype("float32"), options)
    candidates = {name: make() for name, make in makers.items()}
    _check(candidates)
    candidates[_PLAIN]()
    seconds = {
        name: measure.median(times)
        for name, times in measure.in_turns(
            candidates, options.turns, warm=True
        ).items()
    }
    if options.patches:
        for name in {_PATCHES, _TORCH} & set(seconds):
            seconds[name] *= size**2 / options.patches
    dense = multiply_accumulates(architecture, padded, padded, dense=True)
    plain = _BATCH_SIZE * multiply_accumulates(architecture, size, size)
    patches = size**2 * multiply_accumulates(
        architecture, *2 * [architecture.geometry.receptive_field]
    )
    work = {
        "HeatmapNetwork, float32": dense,
        "HeatmapNetwork, bfloat16": dense,
        "64 shifted passes": 64
        * multiply_accumulates(architecture, padded, padded),
        _PATCHES: patches,
        _TORCH: patches,
        _PLAIN: plain,
    }
    rows = [
        {
            "what": name,
            "seconds": seconds[name],
            "ratio": seconds[name] / seconds[_DENSE],
            "GMAC": work[name] / 1e9,
            "GMAC/s": work[name] / 1e9 / seconds[name],
            "peak MiB": measure.peak_memory(_run_once, make)
            if options.memory
            else None,
        }
        for name, make in makers.items()
    ]
    measure.report(
        f"Dense heatmap, {architecture.name}, {size} px, median of "
        f"{options.turns} turns"
        + (f"; {options.patches} patches, scaled" * bool(options.patches)),
        rows,
        f"python benchmarks/heatmap.py --architecture={architecture.name} "
        f"--image_size={size} --patches={options.patches} "
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
    parser.add_argument("--image_size", type=int, default=224, help="pixels")
    parser.add_argument("--patches", type=int, default=4096, help="0: all")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--memory", action="store_true", help="also measure the peak of each"
    )
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _makers(
    name: str, image: np.ndarray, options: argparse.Namespace
) -> dict[str, Callable[[], Callable[[], np.ndarray]]]:
    """By name, what makes a function without arguments that runs it."""
    makers = {
        "HeatmapNetwork, float32": functools.partial(
            _dense, name, image, "float32"
        ),
        "HeatmapNetwork, bfloat16": functools.partial(
            _dense, name, image, "bfloat16"
        ),
        "64 shifted passes": functools.partial(_shifted, name, image),
        _PATCHES: functools.partial(_patches, name, image, options.patches),
        _PLAIN: functools.partial(_plain, name, image),
    }
    if importlib.util.find_spec("torch") is None:
        print("Without PyTorch, which is not installed.")
    else:
        makers[_TORCH] = functools.partial(
            _torch_patches, name, image, options.patches
        )
    return makers


def _check(candidates):
    """Runs all once: they give the same map, but for rounding."""
    expected = candidates[_DENSE]()
    largest = np.abs(expected).max()
    shifted = candidates["64 shifted passes"]()
    patches = candidates[_PATCHES]()
    first = expected.ravel()[: patches.size]
    low = candidates["HeatmapNetwork, bfloat16"]()
    for name, values, wanted in (
        ("64 shifted passes", shifted, expected),
        (_PATCHES, patches, first),
        ("bfloat16", low, expected),
    ):
        error = np.abs(values - wanted).max() / largest
        print(f"Largest difference, {name}: {error:.1e} of the largest value")


def _run_once(make):
    make()()


def _model(name):
    import keras

    from bagnet_tf.models import BagNet

    keras.utils.set_random_seed(0)
    return BagNet(ARCHITECTURES[name], classes=1)


def _inference(name, output):
    """A function of images that gives one output of the inference model."""
    import tensorflow as tf

    from bagnet_tf.inference import inference_model

    model = inference_model(_model(name))
    run = tf.function(
        lambda images: model(images, training=False)[output], autograph=False
    ).get_concrete_function(tf.TensorSpec((None, None, None, 3)))
    return lambda images: run(tf.constant(images)).numpy()


def _dense(name, image, dtype):
    from bagnet_tf.heatmap import HeatmapNetwork

    network = HeatmapNetwork(_model(name), dtype=dtype)
    return lambda: network(image[None], [0])[0, :, :, 0]


def _padded(name, image, more):
    """The image in its padding: 0 in normalised space."""
    from bagnet_tf.presets import RGB_MEAN

    rim = (ARCHITECTURES[name].geometry.receptive_field - 1) // 2
    height, width = image.shape[:2]
    shape = height + 2 * rim + more, width + 2 * rim + more, 3
    padded = np.empty(shape, np.float32)
    padded[:] = RGB_MEAN
    padded[rim : rim + height, rim : rim + width] = image
    return padded


def _shifted(name, image):
    run = _inference(name, "patch_logits")
    padded = _padded(name, image, _STRIDE - 1)
    height, width = (side - _STRIDE + 1 for side in padded.shape[:2])

    def stitch():
        heatmap = np.empty(image.shape[:2], np.float32)
        for top in range(_STRIDE):
            images = np.stack(
                [
                    padded[top : top + height, left : left + width]
                    for left in range(_STRIDE)
                ]
            )
            for left, part in enumerate(run(images)[..., 0]):
                rows, cols = heatmap[top::_STRIDE, left::_STRIDE].shape
                heatmap[top::_STRIDE, left::_STRIDE] = part[:rows, :cols]
        return heatmap

    return stitch


def _patches(name, image, count):
    run = _inference(name, "logits")
    windows = _windows(name, image)

    def evaluate():
        logits = [
            run(np.moveaxis(patches, 1, -1))[:, 0]
            for patches in _batches(windows, count, _PATCHES_AT_ONCE)
        ]
        return np.concatenate(logits)

    return evaluate


def _torch_patches(name, image, count):
    import torch
    from torch_bagnet import TorchBagNet

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = TorchBagNet(ARCHITECTURES[name], classes=1).eval()
    windows = _windows(name, image)

    def evaluate():
        with torch.inference_mode():
            logits = [
                network(torch.from_numpy(patches))[:, 0].numpy()
                for patches in _batches(windows, count, _TORCH_PATCHES_AT_ONCE)
            ]
        return np.concatenate(logits)

    return evaluate


def _windows(name, image):
    """All patches of a padded image: (rows, cols, channels, size, size)."""
    size = ARCHITECTURES[name].geometry.receptive_field
    return np.lib.stride_tricks.sliding_window_view(
        _padded(name, image, 0), (size, size), axis=(0, 1)
    )


def _batches(windows, count, at_once):
    """The first `count` patches, or all for 0, row by row."""
    rows, cols = windows.shape[:2]
    count = count or rows * cols
    for first in range(0, count, at_once):
        cells = np.arange(first, min(first + at_once, count))
        yield windows[cells // cols, cells % cols]


def _plain(name, image):
    run = _inference(name, "logits")
    images = np.tile(image, (_BATCH_SIZE, 1, 1, 1))
    return lambda: run(images)


if __name__ == "__main__":
    main()
