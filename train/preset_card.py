"""What does a model card say in numbers? What was measured, and no more.

The numbers of a card stand between two markers, and come from the JSON of the
preset alone.
"""

from collections.abc import Mapping

_BEGIN = "<!-- Measured: written by train.package. -->"
_END = "<!-- End of what was measured. -->"


def with_measurements(card: str, record: Mapping | None) -> str:
    """Replaces what a card has between its markers.

    Args:
        card: The text of the card.
        record: Content of the preset's JSON; with `None` the text is only
            checked.

    Returns:
        The text with the measurements of the record.

    Raises:
        ValueError: If the card does not have both markers, once, in order.
    """
    before, begin, rest = card.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end or _BEGIN in rest or _END in before + after:
        raise ValueError(
            f"card must have the lines {_BEGIN!r} and {_END!r} once. "
            f"Received: {len(card)} characters"
        )
    if record is None:
        return card
    return f"{before}{begin}\n\n{_measurements(record)}\n\n{end}{after}"


def _measurements(record) -> str:
    return "\n\n".join(
        (
            _accuracy(record),
            _probabilities(record),
            _classes(record),
            _facts(record),
        )
    )


def _accuracy(record) -> str:
    scores = record["evaluation"]
    rows = []
    for key, name in (("top1", "top-1"), ("top5", "top-5")):
        if key in scores:
            low, high = (_percent(side) for side in scores[key]["interval95"])
            value = _percent(scores[key]["value"])
            rows.append((name, value, f"{low} to {high}"))
    header = (
        f"{scores['count']:,} photos, {scores['split']} of {scores['dataset']}",
        "accuracy",
        "95 % Wilson interval",
    )
    return _table(header, rows)


def _probabilities(record) -> str:
    plain = record["evaluation"]
    tempered = plain["with_temperature"]
    rows = [
        (name, f"{plain[key]:.4f}", f"{tempered[key]:.4f}")
        for key, name in (
            ("loss", "negative log-likelihood, nats"),
            ("brier_score", "Brier score, 0 to 2"),
            (
                "expected_calibration_error",
                "calibration error, bins of equal width",
            ),
            (
                "equal_mass_calibration_error",
                "calibration error, bins of equal mass",
            ),
        )
    ]
    temperature = f"logits divided by {tempered['temperature']:.4f}"
    return _table(("probabilities", "as they are", temperature), rows)


def _classes(record) -> str:
    labels, scores = record["labels"], record["evaluation"]
    rows = []
    for index, label in enumerate(labels):
        row = scores["confusion"][index]
        mistakes = {
            other: count
            for other, count in zip(labels, row, strict=True)
            if other != label and count
        }
        worst = max(mistakes, key=mistakes.get, default=None)
        rows.append(
            (
                label,
                f"{sum(row)}",
                _percent(scores["per_class_accuracy"][index]),
                f"{worst} ({mistakes[worst]})" if worst else "none",
            )
        )
    header = ("class", "photos", "accuracy", "most often taken for (photos)")
    return _table(header, rows)


def _facts(record) -> str:
    rounding, training = record["rounding"], record["training"]
    config, versions = training["config"], training["versions"]
    size = " x ".join(str(side) for side in record["input_size"])
    rows = [
        ("parameters, with batch statistics", f"{record['parameters']:,}"),
        ("input, pixels", size),
        ("file", f"{record['file']}, {record['bytes']:,} bytes"),
        ("SHA-256", f"`{record['sha256']}`"),
        ("top-1 before rounding", _percent(rounding["top1_before"], 2)),
        ("top-1 after rounding", _percent(rounding["top1_after"], 2)),
        ("decisions that rounding changes", f"{rounding['changed_decisions']}"),
        (
            "largest change of a logit, of the largest logit",
            f"{rounding['largest_logit_change']:.1e}",
        ),
        (
            "epochs",
            f"{config['epochs']}, of which the best is "
            f"{training['best_epoch']}",
        ),
        ("hours of training steps", f"{training['seconds'] / 3600:.2f}"),
        ("hardware", record["hardware"]),
        ("versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
    ]
    return _table(("weights and run", ""), rows)


def _table(header, rows) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(rate: float, digits: int = 1) -> str:
    return f"{100 * rate:.{digits}f} %"
