"""Does bfloat16 train as well as float32? A short run, some seeds of each.

    python benchmarks/precision.py --data_dir=DIR --workdir=runs/precision

Runs `train.main --seeds` on Imagenette in both precisions: a BagNet-33 of a
quarter of the width, crops of 65 pixels, a few epochs. The accuracies are of
the whole validation split, computed in float32, of the epoch that did best on
the held-out part. Running it again goes on from what is there.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

import measure

_SETTINGS = {
    "width": 0.25,
    "image_size": 65,
    "eval_image_size": 97,
    "warmup_epochs": 1,
}


def main() -> None:
    """Trains and reports."""
    options = _options()
    seeds = range(options.seeds)
    rows, means = [], {}
    for precision in ("float32", "bfloat16"):
        folder = options.workdir / precision
        _train(precision, folder, options)
        runs = [
            json.loads((folder / f"seed_{seed}" / "metrics.json").read_text())
            for seed in seeds
        ]
        accuracies = [run["top1"]["value"] for run in runs]
        means[precision] = statistics.mean(accuracies)
        rows.append(
            {
                "precision": precision,
                **{f"seed {seed}": accuracies[seed] for seed in seeds},
                "mean": means[precision],
                "std": statistics.stdev(accuracies),
                "seconds": statistics.mean(r["training_seconds"] for r in runs),
            }
        )
    difference = means["bfloat16"] - means["float32"]
    measure.report(
        f"Top-1 after {options.epochs} epochs; bfloat16 - float32: "
        f"{difference:+.4f}; seconds of training steps, mean",
        rows,
        f"python benchmarks/precision.py --epochs={options.epochs} "
        f"--seeds={options.seeds} --data_dir=DIR --workdir=DIR",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data_dir", help="folder of TFDS datasets")
    parser.add_argument("--workdir", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _train(precision, folder, options) -> None:
    changes = _SETTINGS | {"epochs": options.epochs, "precision": precision}
    command = [
        *(sys.executable, "-m", "bagnet_tf.train.main"),
        "--config=imagenette",
        f"--workdir={folder}",
        "--seeds=" + ",".join(str(seed) for seed in range(options.seeds)),
        *(f"--config.{key}={value}" for key, value in changes.items()),
    ]
    if options.data_dir:
        command.append(f"--data_dir={options.data_dir}")
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
