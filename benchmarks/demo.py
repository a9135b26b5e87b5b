"""The whole way in one run: train, evaluate, explain, export, verify.

    python benchmarks/demo.py                       # glyphs, a few minutes
    python benchmarks/demo.py --dataset=imagenette/320px-v2 --data_dir=DIR

Runs the same commands that a user would, prints each, and ends with where
the results are and the numbers that matter. At last the preset that ships with
the package explains a photo. Running it again goes on from what is there.
"""

import argparse
import importlib.resources
import json
import pathlib
import shlex
import subprocess
import sys
import time

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_GLYPHS = "glyphs"
_NUM_PICTURES = 4
# Of the US Navy, in the public domain; matplotlib brings it along. A portrait
# is none of the preset's ten classes, so that its evidence shows what it takes
# for what.
_PHOTO = (
    importlib.resources.files("matplotlib")
    / "mpl-data/sample_data/grace_hopper.jpg"
)


def main() -> None:
    """Runs the commands one after the other."""
    options = _options()
    out = options.output or pathlib.Path("runs/demo") / options.dataset
    data = [f"--data_dir={options.data_dir}"] if options.data_dir else []
    training = [f"--workdir={out}/train", *data]
    if options.dataset == _GLYPHS:
        training.append("--config=glyphs")
    else:
        training += [
            "--config=imagenette",
            f"--config.dataset={options.dataset}",
            f"--config.epochs={options.epochs}",
            "--config.warmup_epochs=1",
        ]
    model = f"--model={out}/train/model.keras"
    start = time.monotonic()
    _run("train.main", *training)
    _run(
        "train.evaluate",
        model,
        f"--dataset={options.dataset}",
        *data,
        f"--output={out}/scores.json",
        "--overwrite",
    )
    photos = _save_photos(options.dataset, options.data_dir, out / "images")
    _run(
        "bagnet_tf.commands.explain",
        model,
        "--image=" + ",".join(str(photo) for photo in photos),
        f"--output={out}/explanations",
        "--overwrite",
    )
    _run(
        "export.main",
        model,
        f"--output={out}/export",
        "--formats=saved_model,litert",
        f"--verification_dataset={options.dataset}",
        *data,
        "--overwrite",
    )
    _run(
        "bagnet_tf.commands.explain",
        "--model=imagenette",
        f"--image={_PHOTO}",
        f"--output={out}/preset",
        "--stride=1",
        "--overwrite",
    )
    _summary(out, time.monotonic() - start)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dataset", default=_GLYPHS)
    parser.add_argument("--data_dir", help="folder of TFDS datasets")
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument(
        "--epochs", type=int, default=3, help="for photos (default: 3)"
    )
    return parser.parse_args()


def _run(module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    print(f"\n$ python {shlex.join(command[1:])}", flush=True)
    status = subprocess.run(command, cwd=_ROOT).returncode
    if status:
        sys.exit(status)


def _save_photos(dataset, data_dir, folder: pathlib.Path):
    """Writes the first validation images as files, as a user has them."""
    from PIL import Image

    from bagnet_tf.commands.entry import quieten_tensorflow

    quieten_tensorflow()
    from bagnet_tf.datasets import image_source
    from bagnet_tf.preprocessing import decode_image

    folder = _ROOT / folder
    folder.mkdir(parents=True, exist_ok=True)
    source = image_source(dataset, data_dir)
    photos = []
    for index, example in enumerate(
        source.dataset(f"validation[:{_NUM_PICTURES}]")
    ):
        image = example["image"]
        if image.dtype == "string":
            image = decode_image(image)
        photos.append(folder / f"validation-{index}.png")
        Image.fromarray(image.numpy()).save(photos[-1])
    return photos


def _summary(out: pathlib.Path, seconds: float) -> None:
    scores = json.loads((_ROOT / out / "scores.json").read_text())
    pictures = sorted((_ROOT / out / "explanations").glob("*.png"))
    low, high = scores["top1"]["interval95"]
    lines = [
        f"Picture:     {pictures[0]}",
        f"Of a photo:  {_ROOT / out / 'preset' / 'grace_hopper.png'} (a "
        "portrait, none of\n             the preset's ten classes)",
        f"SavedModel:  {_ROOT / out / 'export' / 'saved_model' / '1'}",
        f"LiteRT file: {_ROOT / out / 'export' / 'litert' / 'model.tflite'}",
        f"Accuracy:    {scores['top1']['value']:.2%} of {scores['count']} "
        f"validation images (95 % {low:.2%} to {high:.2%})",
    ]
    if "evidence_hits" in scores:
        hits = scores["evidence_hits"]
        lines.append(
            f"Evidence:    the strongest patch's centre lies on a true glyph "
            f"in {hits['rate']:.2%} of {hits['count']}\n"
            f"             correctly classified images (chance "
            f"{hits['chance']:.2%}, always the middle {hits['centre']:.2%}, "
            f"untrained network {hits['untrained']:.2%})"
        )
    lines.append(f"Time:        {seconds:.0f} s")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
