"""What does training with masked windows gain? Certified accuracy at 224 px.

    python benchmarks/masked_training.py --data_dir=DIR --workdir=runs/masked

Trains BagNet-17 of half width on Imagenette three times, alike but for
`config.masked_training`, and certifies the whole validation split against
patches of 1, 2 and 3 % of the area, by every defence. Gauges are fitted on the
held-out part of the training split. All three start from the shipped preset,
whose one 3x3 kernel that BagNet-17 has not is summed over its pixels; it was
trained on nothing but Imagenette. Running it again goes on from what is there.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import measure

_TRAINED = ("", "window_pairs", "true_class")  # Empty: without masks.
_PATCH_SIZES = (23, 32, 39)
_DEFENSES = (
    "double_masking",
    "masking",
    "masking:features=confidence",
    "masking:features=prediction",
    "clipping",
    "clipping:clip=10",
    "voting",
    "detection:threshold=0.5",
    "detection",
)
_SETTINGS = {
    "architecture": "bagnet17",
    "width": 0.5,
    "image_size": 161,
    "progressive_resizing": ((7, 113),),
    "eval_image_size": 224,
    "warmup_epochs": 1,
    "learning_rate": 0.05,
    "masked_patch_size": 24,
}
_DATASET = "imagenette/320px-v2"


def main() -> None:
    """Trains, certifies and reports."""
    options = _options()
    options.workdir.mkdir(parents=True, exist_ok=True)
    weights = options.workdir / "start.weights.h5"
    if not weights.exists():
        _save_start(weights)
    rows, paired = [], []
    for masked in _TRAINED:
        folder = options.workdir / (masked or "plain")
        _train(masked, folder, weights, options)
        found = _certificates(folder, options)
        rows.extend(_rows(masked or "plain", found))
        paired.extend(_paired(masked or "plain", found))
    command = (
        f"python benchmarks/masked_training.py --epochs={options.epochs} "
        "--data_dir=DIR --workdir=DIR"
    )
    measure.report(
        f"BagNet-17, width 0.5, 224 px, {options.epochs} epochs, all "
        "validation photos of Imagenette, patches of 1, 2 and 3 % of the area",
        rows,
        command,
        options.output,
    )
    measure.report(
        "Photos certified by double masking only, by masking only",
        paired,
        command,
        options.paired_output,
    )


def _save_start(path) -> None:
    """Saves the preset's weights as those of a BagNet-17 without classifier."""
    import bagnet_tf

    preset = bagnet_tf.load_preset("imagenette")
    start = bagnet_tf.BagNet17(None, include_top=False, width=0.5)
    for layer in start.layers:
        weights = preset.get_layer(layer.name).get_weights()
        shapes = [tuple(weight.shape) for weight in layer.weights]
        layer.set_weights(
            [
                w if w.shape == shape else w.sum((0, 1), keepdims=True)
                for w, shape in zip(weights, shapes, strict=True)
            ]
        )
    start.save_weights(path)


def _train(masked, folder, weights, options) -> None:
    changes = _SETTINGS | {
        "epochs": options.epochs,
        "weights": weights,
        "masked_training": masked,
    }
    _run(
        "bagnet_tf.train.main",
        "--config=imagenette_preset",
        f"--workdir={folder}",
        *(f"--config.{key}={value}" for key, value in changes.items()),
        options=options,
    )


def _certificates(folder, options) -> dict:
    output = folder / "certified.json"
    if not output.exists():
        _run(
            "bagnet_tf.commands.certify",
            f"--model={folder / 'last.keras'}",
            f"--dataset={_DATASET}",
            "--gauge_split=train[95%:]",
            "--patch_size=" + ",".join(map(str, _PATCH_SIZES)),
            "--defense=" + ",".join(_DEFENSES),
            f"--output={output}",
            options=options,
        )
    return json.loads(output.read_text("utf-8"))


def _run(module, *arguments, options) -> None:
    command = [sys.executable, "-m", module, *arguments]
    if options.data_dir:
        command.append(f"--data_dir={options.data_dir}")
    subprocess.run(command, check=True)


def _rows(trained, found):
    """One of each patch size and defence, in the order of the command."""
    for result, text in zip(
        found["results"], _DEFENSES * len(_PATCH_SIZES), strict=True
    ):
        row = {"trained": trained, "plain": found["plain"]["value"]}
        row |= {"patch": result["patch_size"][0], "defence": text}
        for key in ("clean", "certified"):
            low, high = result[key]["interval95"]
            row |= {key: result[key]["value"], f"{key}, 95 %": [low, high]}
        yield row


def _paired(trained, found):
    for pair in found["paired"]:
        first, second = (defense["name"] for defense in pair["defenses"])
        features = pair["defenses"][1].get("features")
        if (first, second, features) == ("double_masking", "masking", "logits"):
            yield {
                "trained": trained,
                "patch": pair["patch_size"][0],
                "double masking only": pair["certified_by_the_first_only"],
                "masking only": pair["certified_by_the_second_only"],
                "McNemar p": pair["mcnemar_p"],
            }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data_dir", help="folder of TFDS datasets")
    parser.add_argument("--workdir", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    parser.add_argument(
        "--paired_output", type=pathlib.Path, help="JSON of the paired test"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
