"""How long does a person wait for the first picture? `explain`, from cold.

    python benchmarks/explain_start.py

Runs the command as a process of its own on one photo of random pixels with a
BagNet-33 of random weights, and, for comparison, a process that only imports
TensorFlow and one that imports this library.
"""

import argparse
import functools
import pathlib
import subprocess
import sys
import tempfile

import measure
import numpy as np


def main() -> None:
    """Measures and reports."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        _prepare(folder)
        explain = [
            "-m",
            "bagnet_tf.commands.explain",
            f"--model={folder / 'model.keras'}",
            f"--image={folder / 'photo.png'}",
            f"--output={folder}/explained",
            "--overwrite",
        ]
        commands = {
            "explain": explain,
            "explain --stride=1": [*explain, "--stride=1"],
            "import tensorflow": ["-c", "import tensorflow"],
            "import bagnet_tf": ["-c", "import bagnet_tf"],
        }
        seconds = measure.in_turns(
            {
                name: functools.partial(_run, arguments)
                for name, arguments in commands.items()
            },
            options.turns,
        )
    medians = {name: measure.median(times) for name, times in seconds.items()}
    rows = [
        {
            "what": name,
            "seconds": median,
            "ratio": median / medians["import tensorflow"],
        }
        for name, median in medians.items()
    ]
    measure.report(
        f"Cold start, one photo of 224 px, BagNet-33, median of "
        f"{options.turns} turns",
        rows,
        f"python benchmarks/explain_start.py --turns={options.turns}",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _prepare(folder):
    from PIL import Image

    from bagnet_tf.models import BagNet33

    BagNet33().save(folder / "model.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")


def _run(arguments):
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True
    )


if __name__ == "__main__":
    main()
