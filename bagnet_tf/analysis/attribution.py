"""Whose map finds the patches without which the decision falls?

The paper (section 3 on attribution, the table at k = 100 [recalled, not
read]): the k most important 8x8 patches by the map of each method are masked,
and the mean probability of the leading class is plotted against k, for the
BagNet itself and for other networks, masked by the BagNet's map: that they
lose their class too is its evidence that they look at the same features.

Differences: patches are the squares of a grid, so that they do not overlap; a
masked one shows the mean colour of the photo; all methods explain the
class-centred logit of the model's leading class, and each network is followed
in its own leading class. Masked photos are such as no network was trained on:
compare methods on one network, and networks only by how far a map's curve is
from that of `random`. DeepLIFT is missing.

Where the dataset has masks of the true evidence, the maps of the true class
are scored on them too, as `train.evaluate --masks` does (there each cell
counts for its square, here the maps of all methods for their pixels).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from bagnet_tf import mask_scores
from bagnet_tf.analysis.attribution_maps import Attribution
from bagnet_tf.analysis.attribution_methods import (
    METHODS,
    Effort,
    class_weights,
    methods_asked_for,
)
from bagnet_tf.analysis.rank_correlation import mean_interval
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.analysis.squares import (
    ranks,
    square_grid,
    square_sums,
    without_squares,
)
from bagnet_tf.analysis.streaming import each_image
from bagnet_tf.figures import Chart, Panel, Series
from bagnet_tf.heads import probabilities_of

_MASK_SCORES = {
    "pixel_auroc": mask_scores.pixel_auroc,
    "pixel_average_precision": mask_scores.pixel_average_precision,
    "relevance_mass_accuracy": mask_scores.relevance_mass_accuracy,
    "relevance_rank_accuracy": mask_scores.relevance_rank_accuracy,
}


def run(request: AnalysisRequest) -> Result:
    """Masks the most important squares by the map of each method."""
    attribution = Attribution(
        request.classifier, request.seed, Effort.of(request.options)
    )
    methods = methods_asked_for(request.options, attribution.methods)
    side = request.options["patch_size"]
    counts = masked_counts(
        request.options["masked_patches"],
        square_grid(request.info.image_size, side),
    )

    def compute(batch):
        return _of_images(request, attribution, methods, counts, batch)

    found = each_image(request, "attribution", compute, batch_size=8)
    targets = [classifier.title for classifier in request.classifiers]
    rows = [
        {
            "target": target,
            "method": method,
            "masked_patches": count,
            **_interval([f["probability"][t][m][k] for f in found]),
        }
        for t, target in enumerate(targets)
        for m, method in enumerate(methods)
        for k, count in enumerate(counts)
    ]
    scores = _scores_on_masks(found, methods)
    summary = {
        "num_images": len(found),
        "patch_size": side,
        "num_patches": int(np.prod(square_grid(request.info.image_size, side))),
        "masked_patches": counts,
        "probability": {
            target: {
                method: [
                    row["probability"]
                    for row in rows
                    if (row["target"], row["method"]) == (target, method)
                ]
                for method in methods
            }
            for target in targets
        },
    }
    if scores:
        summary["mask_scores"] = scores
    figure = _figure(request, rows, targets, methods, scores, summary)
    return Result({"": figure}, rows, summary)


def masked_counts(
    asked: Sequence[int], grid_shape: tuple[int, int]
) -> list[int]:
    """How many patches are masked, in order: 0, and what fits of the others.

    Raises:
        ValueError: If there are fewer patches than any of them.
    """
    total = grid_shape[0] * grid_shape[1]
    fitting = {count for count in asked if count <= total}
    if not fitting:
        raise ValueError(
            f"masked_patches must be at most {total}, the number of patches. "
            f"Received: masked_patches={','.join(map(str, asked))}"
        )
    return sorted({0, *fitting})


def probability_curves(
    predict: Sequence,
    images: np.ndarray,
    order: np.ndarray,
    counts: Sequence[int],
    side: int,
) -> np.ndarray:
    """Probabilities of leading classes while squares are masked.

    Args:
        predict: For each network what takes images and returns probabilities
            (batch, classes).
        images: (batch, height, width, channels).
        order: Place of each square in the order of masking, (batch, rows,
            cols), 0 the first.
        counts: How many squares are masked.
        side: Of a square, pixels.

    Returns:
        (networks, batch, len(counts)): each network's probability of the
        class that it gave the largest one before anything was masked.
    """
    images = np.asarray(images, np.float32)
    leading = [network(images).argmax(axis=-1) for network in predict]
    curves = np.empty((len(predict), len(images), len(counts)))
    for k, count in enumerate(counts):
        masked = without_squares(images, order < count, side)
        for n, network in enumerate(predict):
            probabilities = network(masked)
            curves[n, :, k] = np.take_along_axis(
                probabilities, leading[n][:, None], axis=-1
            )[:, 0]
    return curves


def _of_images(request, attribution, methods, counts, batch) -> list[dict]:
    images, side = batch["image"], request.options["patch_size"]
    logits = request.classifier.logits(images)
    head, classes = request.info.head, logits.shape[-1]
    weights = class_weights(logits.argmax(axis=-1), classes, head)
    predict = [_probabilities(c) for c in request.classifiers]
    curves, scores = [], []
    with_masks = request.source.has_masks
    own = class_weights(batch["label"], classes, head)
    for method in methods:
        maps = attribution(method, images, weights, batch["index"])
        order = ranks(square_sums(maps, side))
        curves.append(probability_curves(predict, images, order, counts, side))
        if with_masks:
            maps = attribution(method, images, own, batch["index"])
            scores.append(_on_masks(maps, batch["mask"]))
    curves = np.stack(curves)  # (methods, networks, batch, counts)
    return [
        {
            "probability": curves[:, :, i].transpose(1, 0, 2).tolist(),
            "mask_scores": [one[i] for one in scores],
        }
        for i in range(len(images))
    ]


def _probabilities(classifier):
    return lambda images: probabilities_of(
        classifier.logits(images).astype(np.float64), classifier.info.head
    )


def _on_masks(maps, masks) -> list[dict]:
    """Scores of each image; `None` where there is nothing to find."""
    found = {name: score(maps, masks) for name, score in _MASK_SCORES.items()}
    return [
        {
            name: float(values[i]) if np.isfinite(values[i]) else None
            for name, values in found.items()
        }
        for i in range(len(maps))
    ]


def _scores_on_masks(found, methods) -> Mapping:
    scored = [f["mask_scores"] for f in found if f["mask_scores"]]
    result = {}
    for m, method in enumerate(methods if scored else ()):
        result[method] = {}
        for name in _MASK_SCORES:
            values = [one[m][name] for one in scored]
            known = [value for value in values if value is not None]
            if known:
                mean, low, high = mean_interval(known)
                result[method][name] = {
                    "mean": mean,
                    "interval95": [low, high] if len(known) > 1 else None,
                    "num_images": len(known),
                }
    return {method: scores for method, scores in result.items() if scores}


def _interval(values) -> dict[str, float | None]:
    mean, low, high = mean_interval(values)
    known = len(values) > 1
    return {
        "probability": mean,
        "low": low if known else None,
        "high": high if known else None,
    }


def _figure(request, rows, targets, methods, scores, summary) -> Chart:
    panels = [
        Panel(
            f"{target}, masked by the maps of {targets[0]}",
            f"masked patches of {summary['patch_size']} px, of "
            f"{summary['num_patches']}",
            "mean probability of the leading class",
            [
                _curve([r for r in rows if r["target"] == target], method)
                for method in methods
            ],
            percent="y",
            y_limits=(0, 1.03),
        )
        for target in targets
    ]
    if scores:
        panels.append(_mask_panel(scores))
    return Chart(
        f"Attribution on {request.source.name}",
        panels,
        note=f"{request.num_images} photos of {request.split}. Each network is "
        "followed in its own leading class; a masked patch shows the photo's "
        "mean colour. A map is better the faster its curve falls.",
    )


def _curve(rows, method) -> Series:
    own = [row for row in rows if row["method"] == method]
    return Series(
        [row["masked_patches"] for row in own],
        [row["probability"] for row in own],
        METHODS[method].title,
        colour=-1 if method == "random" else list(METHODS).index(method),
        dashed=method == "random",
    )


def _mask_panel(scores) -> Panel:
    name = "pixel_auroc"
    found = {m: s[name] for m, s in scores.items() if name in s}
    ends = [s["interval95"] or [s["mean"]] * 2 for s in found.values()]
    return Panel(
        "Maps of the true class against the true evidence",
        "",
        "AUROC of the pixels",
        [
            Series(
                [METHODS[method].title for method in found],
                [score["mean"] for score in found.values()],
                kind="bars",
                low=[low for low, _ in ends],
                high=[high for _, high in ends],
            ),
            Series([], [0.5], "chance", kind="level", colour=-1, dashed=True),
        ],
        y_limits=(0, 1),
    )
