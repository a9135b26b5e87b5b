"""Scores a model on a split: accuracy, calibration, confusion, evidence.

Example:
    python -m train.evaluate --model=runs/glyphs/model.keras \
        --dataset=glyphs --split=validation --output=scores.json

Prints a short table and writes all scores as JSON. Where the dataset has
masks of the true evidence (glyphs; a folder with a masks tree), it also
reports how often the centre of the strongest patch lies on them, and with
--masks how well whole evidence maps find them, pixel by pixel. Exit status: 0,
or 2 for a mistake in the arguments.
"""

import pathlib

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command

_FLAGS = flags.FlagValues()
_MODEL = shared_flags.model(_FLAGS)
_DATASET = flags.DEFINE_string(
    "dataset",
    None,
    "A TFDS name, folder:PATH, or glyphs.",
    required=True,
    flag_values=_FLAGS,
)
_SPLIT = flags.DEFINE_string(
    "split", "validation", "Split, in TFDS's grammar.", flag_values=_FLAGS
)
_DATA_DIR = shared_flags.data_dir(_FLAGS)
_OUTPUT = flags.DEFINE_string(
    "output", None, "JSON file to write.", flag_values=_FLAGS
)
_OVERWRITE = shared_flags.overwrite(_FLAGS)
_IMAGE_SIZE = shared_flags.image_size(_FLAGS)
_SKIP_CORRUPT = shared_flags.skip_corrupt(_FLAGS)
_MASKS = flags.DEFINE_bool(
    "masks",
    False,
    "Score the evidence maps against the dataset's masks, and by deletion and "
    "insertion.",
    flag_values=_FLAGS,
)
_POINTING_TOLERANCE = flags.DEFINE_integer(
    "pointing_tolerance",
    15,
    "With --masks: how far from the mask a map's maximum is still a hit, "
    "pixels.",
    lower_bound=0,
    flag_values=_FLAGS,
)
_NUM_CURVE_IMAGES = flags.DEFINE_integer(
    "num_curve_images",
    64,
    "With --masks: how many images get deletion and insertion curves, the "
    "slow part; 0 for none.",
    lower_bound=0,
    flag_values=_FLAGS,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 64, "Images a step.", lower_bound=1, flag_values=_FLAGS
)


def main() -> None:
    """Evaluates as the flags say."""
    import keras

    from bagnet_tf.datasets import image_source
    from bagnet_tf.files import write_json
    from bagnet_tf.loading import load_model

    from .evaluation import Evaluator
    from .mask_scores import MaskScoring

    output = _checked_output()
    model, info = load_model(_MODEL.value, _IMAGE_SIZE.value)
    source = image_source(_DATASET.value, _DATA_DIR.value, _SKIP_CORRUPT.value)
    if info.has_names and info.labels != tuple(source.labels):
        raise ValueError(
            "dataset must have the model's classes in the model's order, "
            f"{list(info.labels)}. Received: dataset={_DATASET.value!r} with "
            f"{list(source.labels)}"
        )
    keras.utils.set_random_seed(0)  # For the untrained network's weights.
    scoring = MaskScoring(_POINTING_TOLERANCE.value, _NUM_CURVE_IMAGES.value)
    evaluate = Evaluator(
        model,
        source,
        info.image_size,
        _BATCH_SIZE.value,
        scoring if _MASKS.value else None,
    )
    scores = evaluate(_SPLIT.value, info.metrics)
    print(_table(scores, source.labels))
    if output:
        content = {
            "model": _MODEL.value,
            "dataset": _DATASET.value,
            "split": _SPLIT.value,
            "image_size": list(info.image_size),
            "labels": list(source.labels),
            **scores,
        }
        write_json(output, content)
        print(f"Scores: {output}")


def _checked_output() -> pathlib.Path | None:
    if _OUTPUT.value is None:
        return None
    output = pathlib.Path(_OUTPUT.value)
    if output.is_dir() or not output.parent.is_dir():
        raise ValueError(
            "output must be a file in an existing folder. "
            f"Received: output={_OUTPUT.value!r}"
        )
    if output.exists() and not _OVERWRITE.value:
        raise ValueError(
            "output exists; --overwrite replaces it. "
            f"Received: output={_OUTPUT.value!r}"
        )
    return output


def _table(scores: dict, labels) -> str:
    """The scores as aligned lines."""
    rows = [("images", f"{scores['count']}")]
    for key, name in (("top1", "top-1 accuracy"), ("top5", "top-5 accuracy")):
        if key in scores:
            low, high = scores[key]["interval95"]
            text = f"{scores[key]['value']:.4f}  (95 % {low:.4f} to {high:.4f})"
            rows.append((name, text))
    rows.append(("loss", f"{scores['loss']:.4f} nats"))
    rows.append(("Brier score", f"{scores['brier_score']:.4f}"))
    rows += _calibration_rows(scores)
    accuracies = zip(labels, scores["per_class_accuracy"], strict=True)
    known = [(a, label) for label, a in accuracies if a is not None]
    for name, (accuracy, label) in (
        ("best class", max(known)),
        ("worst class", min(known)),
    ):
        rows.append((name, f"{label}, {accuracy:.4f}"))
    if "evidence_hits" in scores:
        hits = scores["evidence_hits"]
        rows.append(
            (
                "strongest patch on target",
                f"{hits['rate']:.4f}  (chance {hits['chance']:.4f}, middle "
                f"{hits['centre']:.4f}, untrained {hits['untrained']:.4f})",
            )
        )
    rows += _mask_rows(scores.get("mask_scores", {}))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _calibration_rows(scores: dict) -> list[tuple[str, str]]:
    """Calibration errors as they are and, if known, with a temperature."""
    tempered = scores.get("with_temperature")
    rows = []
    for key, name in (
        ("expected_calibration_error", "expected calibration error"),
        ("equal_mass_calibration_error", "equal-mass calibration error"),
    ):
        text = f"{scores[key]:.4f}"
        if tempered:
            temperature = tempered["temperature"]
            text += f"  ({tempered[key]:.4f} at temperature {temperature:.3g})"
        rows.append((name, text))
    return rows


def _mask_rows(scores: dict) -> list[tuple[str, str]]:
    """The scores of whole maps, one a row, if there are any."""
    if not scores:
        return []
    seen = f"{scores['count']} of {scores['num_with_mask']} images with a mask"
    rows = [("maps scored", f"{scores['evidence']}, {seen}: the correct ones")]
    tolerance = scores["pointing_tolerance"]
    for key, name in (
        ("pointing_game", f"pointing game, {tolerance} px"),
        ("energy_pointing_game", "energy pointing game"),
        ("relevance_mass_accuracy", "relevance mass accuracy"),
        ("relevance_rank_accuracy", "relevance rank accuracy"),
        ("pixel_auroc", "pixel AUROC"),
        ("pixel_average_precision", "pixel average precision"),
        ("deletion_area", "deletion area (low is good)"),
        ("insertion_area", "insertion area"),
    ):
        if key in scores:
            value, chance, untrained, prior = (
                "none"
                if scores[key][column] is None
                else f"{scores[key][column]:.4f}"
                for column in ("value", "chance", "untrained", "centre_prior")
            )
            text = (
                f"{value}  (chance {chance}, centre prior {prior}, "
                f"untrained {untrained}; {scores[key]['count']} images)"
            )
            rows.append((name, text))
    return rows


def run() -> None:
    """Entry point of `bagnet-evaluate`."""
    run_command(main, "evaluate", _FLAGS)


if __name__ == "__main__":
    run()
