"""How fast, and in how much memory, is a very large image evaluated?

    python benchmarks/tiling.py --size=20000

Patch logits of a mosaic of random pixels, made region by region as it is read,
against the same network on whole images that do fit into memory. Weights are
random. The memory is the peak of the whole process, TensorFlow included.
"""

import argparse
import functools
import pathlib
import tempfile
import time

import measure
import numpy as np

from bagnet_tf.architecture import ARCHITECTURES

_WHOLE_SIZE = 768  # Pixels a side of the image that is not tiled.
_CLASSES = 10


def main() -> None:
    """Measures and reports."""
    options = _options()
    network = _network(options)
    _evaluate_whole(network)
    seconds = _evaluate_whole(network, options.turns)
    start = time.perf_counter()
    _evaluate(network, options.size)
    tiled = options.size**2 / (time.perf_counter() - start)
    # Before and after, as the machine may not be equally busy for long.
    seconds += _evaluate_whole(network, options.turns)
    untiled = _WHOLE_SIZE**2 / measure.median(seconds)
    memory = measure.own_peak_memory()
    rows = [
        {"what": f"whole, {_WHOLE_SIZE} px", "Mpixel/s": untiled / 1e6}
        | {"ratio": 1.0, "peak MiB": None},
        {"what": f"tiled, {options.size} px", "Mpixel/s": tiled / 1e6}
        | {"ratio": tiled / untiled, "peak MiB": memory},
    ]
    measure.report(
        f"Patch logits of an image of {options.size} x {options.size} pixels, "
        f"{options.architecture}, width {options.width}, {options.dtype}",
        rows,
        f"python benchmarks/tiling.py --architecture={options.architecture} "
        f"--width={options.width} --dtype={options.dtype} "
        f"--size={options.size} --turns={options.turns}",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--architecture", default="bagnet33", choices=ARCHITECTURES
    )
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--size", type=int, default=4000, help="pixels")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _network(options):
    from bagnet_tf.heatmap import HeatmapNetwork
    from bagnet_tf.models import BagNet

    architecture = ARCHITECTURES[options.architecture]
    model = BagNet(architecture, classes=_CLASSES, width=options.width)
    return HeatmapNetwork(
        model, stride=architecture.geometry.stride, dtype=options.dtype
    )


def _evaluate_whole(network, turns=1):
    image = np.zeros((1, _WHOLE_SIZE, _WHOLE_SIZE, 3), np.float32)
    evaluate = functools.partial(network, image, range(_CLASSES), "valid")
    return measure.in_turns({"whole": evaluate}, turns, warm=True)["whole"]


def _evaluate(network, size):
    from bagnet_tf.readers import CallbackReader
    from bagnet_tf.tiling import tiled_heatmap

    rng = np.random.default_rng(0)

    def read(box):
        shape = box.bottom - box.top, box.right - box.left, 3
        return rng.integers(0, 256, shape, np.uint8)

    with tempfile.TemporaryDirectory() as folder:
        tiled_heatmap(
            network,
            CallbackReader(read, (size, size, 3)),
            pathlib.Path(folder, "map.npy"),
            range(_CLASSES),
        )


if __name__ == "__main__":
    main()
