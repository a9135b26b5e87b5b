"""What is said of a finished run? Its headline metrics, in a few lines."""

from collections.abc import Mapping, Sequence

_MOST_NAMED = 5
# Where each headline metric is among those of a run.
_HEADLINES = {
    "top1": ("top1", "value"),
    "top5": ("top5", "value"),
    "auroc": ("binary", "auroc", "value"),
    "mean_auroc": ("mean_auroc", "value"),
    "mean_average_precision": ("mean_average_precision", "value"),
    "loss": ("loss",),
    "brier_score": ("brier_score",),
    "expected_calibration_error": ("expected_calibration_error",),
    "evidence_hit_rate": ("evidence_hits", "rate"),
}
_KINDS = {
    "corrupt_images": ("corrupt image", "corrupt images"),
    "empty_classes": ("empty class", "empty classes"),
}


def headline(metrics: Mapping) -> dict[str, float | None]:
    """Picks the headline metrics.

    Args:
        metrics: What `metrics.json` holds.

    Returns:
        By name those that there are, `None` for one that could not be
        measured.
    """
    found = {}
    for name, path in _HEADLINES.items():
        value = metrics
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if path[0] in metrics:
            found[name] = value
    return found


def run_summary(metrics: Mapping) -> str:
    """The score that counts, and in a line of its own what was skipped.

    Args:
        metrics: What `metrics.json` holds.
    """
    where = f"{metrics['split']} of {metrics['dataset']}"
    score, count = metrics[metrics["criterion"]], metrics["count"]
    if metrics["criterion"] == "top1":
        low, high = score["interval95"]
        text = (
            f"{where}: top-1 {score['value']:.4f} (95 % interval {low:.4f} to "
            f"{high:.4f}, {count} images)"
        )
    else:
        area = score["value"]
        area = "none" if area is None else f"{area:.4f}"
        text = (
            f"{where}: mean AUROC {area} ({score['num_classes']} classes, "
            f"{count} images)"
        )
    lines = [text, *_skipped_lines(metrics["skipped"])]
    return "\n".join(lines)


def _skipped_lines(skipped: Mapping[str, Sequence[str]]) -> list[str]:
    """One line; none if nothing was skipped."""
    parts = []
    for kind, names in skipped.items():
        singular, plural = _KINDS[kind]
        named = ", ".join(names[:_MOST_NAMED])
        if len(names) > _MOST_NAMED:
            named += ", ..."
        word = singular if len(names) == 1 else plural
        parts.append(f"{len(names)} {word} ({named})")
    return [f"Skipped: {'; '.join(parts)}"] if parts else []
