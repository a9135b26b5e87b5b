"""Where does the time of a training step go? Its operations, by kind.

    python benchmarks/training_breakdown.py --architecture=bagnet33

Profiles steps of `train.main` on one batch of random pixels with TensorFlow's
own profiler, and adds up the time of each kind of operation. Several run at
the same time, so that the sum is up to (number of cores) times the step.
"""

import argparse
import collections
import pathlib
import tempfile

import measure
import numpy as np

from bagnet_tf.architecture import ARCHITECTURES

_CLASSES = 10
_MOST = 12  # Kinds that have a row of their own.


def main() -> None:
    """Measures and reports."""
    options = _options()
    milliseconds = _milliseconds(options)
    total = sum(milliseconds.values())
    shown = milliseconds.most_common(_MOST)
    shown.append(("all others", total - sum(time for _, time in shown)))
    rows = [
        {"operation": kind, "ms a step": time, "share": time / total}
        for kind, time in shown
    ]
    measure.report(
        f"Training step by operation, {options.architecture}, "
        f"{options.image_size} px, batch {options.batch_size}, "
        f"{options.precision}",
        rows,
        "python benchmarks/training_breakdown.py "
        f"--architecture={options.architecture} "
        f"--image_size={options.image_size} "
        f"--batch_size={options.batch_size} --precision={options.precision} "
        f"--steps={options.steps}",
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
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument(
        "--precision", default="bfloat16", choices=("float32", "bfloat16")
    )
    parser.add_argument("--steps", type=int, default=3, help="to profile")
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _milliseconds(options) -> collections.Counter:
    """Time of each kind of operation in a step."""
    import tensorflow as tf
    from training import ours

    rng = np.random.default_rng(0)
    shape = options.batch_size, options.image_size, options.image_size, 3
    images = rng.integers(0, 256, shape).astype(np.uint8)
    labels = np.eye(_CLASSES, dtype=np.float32)[
        rng.integers(0, _CLASSES, options.batch_size)
    ]
    run = ours(
        options.precision, options.architecture, options.steps, images, labels
    )
    run()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            run()
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        return _by_kind(file.read_bytes(), options.steps)


def _by_kind(profile: bytes, steps: int) -> collections.Counter:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(profile)
    times = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                # Operations are called "name in the graph:kind"; functions
                # that hold them are listed as well.
                name = plane.event_metadata[event.metadata_id].name
                operation, _, kind = name.rpartition(":")
                kind = kind.strip()
                is_operation = operation and not operation.endswith(":")
                if is_operation and not kind.startswith("__"):
                    kind = kind.removeprefix("_MklNative")
                    times[kind] += event.duration_ps / 1e9 / steps
    return times


if __name__ == "__main__":
    main()
