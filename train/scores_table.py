"""How do scores look on a terminal? Names and numbers, aligned."""

from collections.abc import Sequence

_MOST_CLASSES = 20  # That get a row each.
_NAMES = (
    ("loss", "loss"),
    ("brier_score", "Brier score"),
    ("expected_calibration_error", "expected calibration error"),
    ("equal_mass_calibration_error", "equal-mass calibration error"),
)
_MAP_NAMES = (
    ("energy_pointing_game", "energy pointing game"),
    ("relevance_mass_accuracy", "relevance mass accuracy"),
    ("relevance_rank_accuracy", "relevance rank accuracy"),
    ("pixel_auroc", "pixel AUROC"),
    ("pixel_average_precision", "pixel average precision"),
    ("deletion_area", "deletion area (low is good)"),
    ("insertion_area", "insertion area"),
)

_Rows = list[tuple[str, str]]


def scores_table(scores: dict, labels: Sequence[str]) -> str:
    """The scores of a split as aligned lines.

    Args:
        scores: What `Evaluator` gives, and `classes` of `train.evaluate`.
        labels: Class names, by class id.
    """
    rows = [("images", f"{scores['count']}")]
    if scores.get("num_without_label"):
        without = scores["num_without_label"]
        rows.append(("images without a label", f"{without}, not counted"))
    classes = scores["classes"]
    if classes["scored"] != classes["model"]:
        text = f"{classes['scored']} of the model's {classes['model']}"
        if classes["scored"] != classes["dataset"]:
            text += f", of the dataset's {classes['dataset']}"
        rows.append(("classes", text))
    for key, name in (("top1", "top-1 accuracy"), ("top5", "top-5 accuracy")):
        if key in scores:
            rows.append((name, _measured(scores[key])))
    for key, name in (
        ("mean_auroc", "mean AUROC"),
        ("mean_average_precision", "mean average precision"),
    ):
        if key in scores:
            mean = scores[key]
            text = f"{_number(mean['value'])}  ({mean['num_classes']} classes)"
            rows.append((name, text))
    rows += _probability_rows(scores)
    rows += _class_rows(scores, labels)
    rows += _evidence_rows(scores)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _measured(measured: dict | None) -> str:
    """A value with its interval."""
    if measured is None:
        return "none"
    low, high = measured["interval95"]
    return f"{measured['value']:.4f}  (95 % {low:.4f} to {high:.4f})"


def _probability_rows(scores: dict) -> _Rows:
    """Scores of probabilities as they are and, if known, with a temperature."""
    tempered = scores.get("with_temperature", {})
    rows = []
    for key, name in _NAMES:
        if key in scores:
            text = f"{scores[key]:.4f}" + (" nats" if key == "loss" else "")
            if key in tempered and key.endswith("error"):
                temperature = tempered["temperature"]
                text += f"  ({tempered[key]:.4f} at temperature "
                text += f"{temperature:.3g})"
            rows.append((name, text))
    return rows


def _class_rows(scores: dict, labels: Sequence[str]) -> _Rows:
    """What is known of classes by themselves."""
    rows = []
    if "per_class_accuracy" in scores:
        accuracies = zip(labels, scores["per_class_accuracy"], strict=True)
        known = [(a, label) for label, a in accuracies if a is not None]
        for name, (accuracy, label) in (
            ("best class", max(known)),
            ("worst class", min(known)),
        ):
            rows.append((name, f"{label}, {accuracy:.4f}"))
    if "binary" in scores:
        rows += _binary_rows(labels[1], scores["binary"])
    per_class = scores.get("per_class", [])
    for label, of_class in list(zip(labels, per_class, strict=False))[
        :_MOST_CLASSES
    ]:
        rows += _binary_rows(label, of_class)
    if len(per_class) > _MOST_CLASSES:
        rows.append(("other classes", f"{len(per_class) - _MOST_CLASSES}"))
    return rows


def _binary_rows(label: str, scores: dict) -> _Rows:
    """How well one class is told from all that is not."""
    rows = [(f"{label}: AUROC", _measured(scores["auroc"]))]
    precision, positives = scores["average_precision"], scores["positives"]
    share = positives / (positives + scores["negatives"])
    rows.append(
        (
            f"{label}: average precision",
            f"{_number(precision)}  (chance {share:.4f})",
        )
    )
    if fixed := scores["at_fixed_specificity"]:
        name = f"{label}: sensitivity at specificity {fixed['specificity']}"
        rows.append((name, _measured(fixed["sensitivity"])))
    if chosen := scores.get("at_operating_threshold"):
        threshold = f"at threshold {chosen['threshold']:.3g}"
        for key in ("sensitivity", "specificity"):
            rows.append((f"{label}: {key} {threshold}", _measured(chosen[key])))
    return rows


def _evidence_rows(scores: dict) -> _Rows:
    """How well evidence finds what it should show, if it was scored."""
    rows = []
    if hits := scores.get("evidence_hits"):
        text = (
            f"{hits['rate']:.4f}  (chance {hits['chance']:.4f}, middle "
            f"{hits['centre']:.4f}, untrained {hits['untrained']:.4f})"
        )
        rows.append(("strongest patch on target", text))
    maps = scores.get("mask_scores")
    if not maps:
        return rows
    seen = f"{maps['count']} of {maps['num_with_mask']} images with a mask"
    rows.append(
        ("maps scored", f"{maps['evidence']}, {seen}: the correct ones")
    )
    pointing = f"pointing game, {maps['pointing_tolerance']} px"
    for key, name in (("pointing_game", pointing), *_MAP_NAMES):
        if key in maps:
            value, chance, untrained, prior = (
                _number(maps[key][column])
                for column in ("value", "chance", "untrained", "centre_prior")
            )
            text = (
                f"{value}  (chance {chance}, centre prior {prior}, "
                f"untrained {untrained}; {maps[key]['count']} images)"
            )
            rows.append((name, text))
    return rows
