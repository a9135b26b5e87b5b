"""How are patch logits distributed, and how few patches carry a decision?

The paper (section 4.1 shows heatmaps only; how sparse evidence is, its text
says in words [recalled, not read]) motivates: for each photo the share of the
decision that its strongest 1 %, 5 % and 10 % of patches carry, its sparsity,
and the distribution of patch logits on photos of a class and on others.

Differences: class-centred evidence is counted too, because raw patch logits
carry a free gauge (see `bagnet_tf.evidence`); shares are of the *positive*
class-centred evidence of the decision, so that they lie within 0..1.
"""

from collections.abc import Mapping

import numpy as np

from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.analysis.streaming import each_image
from bagnet_tf.evidence import class_centred
from bagnet_tf.figures import Chart, Panel, Series
from bagnet_tf.heads import evidence_name

# Bins of one logit would hide the peak at 0; the outer ones take all beyond.
_EDGES = np.arange(-40, 40.25, 0.25)
_PERCENT = (1, 5, 10)
_PERCENTILES = (5, 25, 50, 75, 95)
_MOST_CLASSES = 20  # In the figure.


def run(request: AnalysisRequest) -> Result:
    """Counts patch logits of every image, and how they are concentrated."""
    classifier = request.classifier

    def compute(batch):
        _, patch_logits = classifier.patch_logits(batch["image"])
        return [
            _counted(values, classifier.decisive(values), label)
            for values, label in zip(patch_logits, batch["label"], strict=True)
        ]

    found = each_image(request, "patch logits", compute)
    labels = request.source.labels
    counts = _totals(found, len(labels))
    shares = {
        name: np.array([row[name] for row in found]) for name in _numbers()
    }
    rows = [
        {
            "class": label,
            "photos": sum(row["label"] == class_id for row in found),
            **_class_row(counts, class_id, found),
        }
        for class_id, label in enumerate(labels)
    ]
    summary = {
        "num_images": len(found),
        "bin_edges": _EDGES.tolist(),
        **{name: _spread(values) for name, values in shares.items()},
    }
    figure = _figure(request, counts, shares, rows)
    return Result({"": figure}, rows, summary)


def concentration(evidence: np.ndarray) -> dict[str, float]:
    """How few patches carry the positive evidence of a map.

    Args:
        evidence: (rows, cols), logits.

    Returns:
        `top_1_percent`, `top_5_percent`, `top_10_percent`: the share of the
        positive evidence that the strongest patches have, at least one patch
        (rounded up), 0..1. `gini`: the Gini coefficient of the positive
        evidence over all patches, 0 (even) to 1 - 1 / patches (one patch has
        all). `positive`: the share of patches whose evidence is positive. All
        are 0 where none is.
    """
    values = np.sort(np.maximum(evidence.ravel().astype(np.float64), 0))[::-1]
    total, count = values.sum(), len(values)
    found = {"positive": float(np.mean(values > 0))}
    for percent in _PERCENT:
        top = values[: -(-count * percent // 100)].sum()
        found[f"top_{percent}_percent"] = float(top / total) if total else 0.0
    # Of values in falling order, the usual formula with ranks from above.
    ranks = np.arange(1, count + 1)
    weighted = ((count + 1 - 2 * ranks) * values).sum()
    found["gini"] = float(weighted / (count * total)) if total else 0.0
    return found


def _numbers() -> list[str]:
    return ["positive", *(f"top_{p}_percent" for p in _PERCENT), "gini"]


def _counted(patch_logits, evidence, label) -> dict:
    """What is kept of an image: arrays of (rows, cols, classes)."""
    centred = class_centred(patch_logits)
    decision = int(patch_logits.mean(axis=(0, 1)).argmax())
    others = np.delete(patch_logits, label, axis=-1)
    centred_others = np.delete(centred, label, axis=-1)
    return {
        "label": int(label),
        "decision": decision,
        "own": _histogram(patch_logits[..., label]),
        "other": _histogram(others),
        "centred_own": _histogram(centred[..., label]),
        "centred_other": _histogram(centred_others),
        **concentration(evidence[..., decision]),
    }


def _histogram(values) -> dict[str, int]:
    """Counts by the number of the bin, without empty bins."""
    places = np.searchsorted(_EDGES, values.ravel(), side="right") - 1
    places = np.clip(places, 0, len(_EDGES) - 2)
    bins, counts = np.unique(places, return_counts=True)
    return dict(zip(map(str, bins.tolist()), counts.tolist(), strict=True))


def _totals(found, classes) -> Mapping[str, np.ndarray]:
    """Counts of all images: of each true class (classes, bins)."""
    bins = len(_EDGES) - 1
    kinds = ("own", "other", "centred_own", "centred_other")
    totals = {kind: np.zeros((classes, bins)) for kind in kinds}
    for row in found:
        for kind, total in totals.items():
            for place, count in row[kind].items():
                total[row["label"], int(place)] += count
    return totals


def _class_row(counts, class_id, found) -> dict:
    """Percentiles of a class's own patch logits, to a bin's width."""
    own = [row for row in found if row["label"] == class_id]
    cells = {}
    for kind, name in (("own", "logit"), ("centred_own", "centred")):
        for percent in _PERCENTILES:
            cells[f"{name}_p{percent}"] = (
                _percentile(counts[kind][class_id], percent) if own else None
            )
    for name in _numbers():
        values = [row[name] for row in own]
        cells[f"mean_{name}"] = np.mean(values) if own else None
    return cells


def _percentile(counts, percent) -> float:
    """Of binned values, interpolated within the bin."""
    cumulative = np.concatenate([[0], np.cumsum(counts)])
    return float(np.interp(percent / 100 * cumulative[-1], cumulative, _EDGES))


def _spread(values) -> dict[str, float]:
    quartiles = np.percentile(values, (25, 50, 75)).tolist()
    keys = ("lower_quartile", "median", "upper_quartile")
    return {"mean": float(values.mean())} | dict(
        zip(keys, quartiles, strict=True)
    )


def _figure(request, counts, shares, rows) -> Chart:
    name = request.classifier.title
    panels = [
        _distribution(counts, "own", "other", "patch logits"),
        _distribution(
            counts, "centred_own", "centred_other", "class-centred evidence"
        ),
        _by_class(rows),
        _concentration_panel(shares),
    ]
    return Chart(
        f"Patch logits of {name} on {request.source.name}",
        panels,
        note=f"{request.num_images} photos of {request.split}. Class-centred: "
        "minus the mean over classes. Shares are of the decided class's "
        f"positive {evidence_name(request.info.head)}.",
    )


def _distribution(counts, own, other, what) -> Panel:
    series = [
        _steps(counts[own].sum(axis=0), "of the photo's class"),
        _steps(counts[other].sum(axis=0), "of the other classes"),
    ]
    return Panel(
        f"Distribution of {what}",
        "logits of a patch",
        "share of patches a logit",
        series,
        x_limits=_range_of(counts[own].sum(axis=0) + counts[other].sum(axis=0)),
        log_y=True,
    )


def _by_class(rows) -> Panel:
    shown = [row for row in rows if row["photos"]][:_MOST_CLASSES]
    quartiles = Series(
        [row["class"] for row in shown],
        [row["centred_p50"] for row in shown],
        kind="bars",
        low=[row["centred_p25"] for row in shown],
        high=[row["centred_p75"] for row in shown],
    )
    return Panel(
        "Class-centred evidence for the photo's class, by class",
        "",
        "logits of a patch (median, quartiles)",
        [quartiles],
    )


def _concentration_panel(shares) -> Panel:
    names = [f"top_{percent}_percent" for percent in _PERCENT]
    spreads = [_spread(shares[name]) for name in names]
    return Panel(
        "Share of the decision carried by the strongest patches",
        "strongest patches",
        "share of positive evidence (median, quartiles)",
        [
            Series(
                [f"{percent} %" for percent in _PERCENT],
                [spread["median"] for spread in spreads],
                kind="bars",
                low=[spread["lower_quartile"] for spread in spreads],
                high=[spread["upper_quartile"] for spread in spreads],
            ),
            Series(
                [],
                [_spread(shares["gini"])["median"]],
                "Gini coefficient (median)",
                kind="level",
                dashed=True,
            ),
        ],
        percent="y",
        y_limits=(0, 1),
    )


def _steps(counts, label) -> Series:
    widths = np.diff(_EDGES)
    shares = counts / counts.sum() / widths
    return Series(_EDGES.tolist(), shares.tolist(), label, kind="steps")


def _range_of(counts) -> tuple[float, float]:
    """Where nearly all patches are."""
    cumulative = np.cumsum(counts) / counts.sum()
    first = int(np.searchsorted(cumulative, 0.0005))
    last = int(np.searchsorted(cumulative, 0.9995))
    return float(_EDGES[first]) - 0.5, float(_EDGES[last + 1]) + 0.5
