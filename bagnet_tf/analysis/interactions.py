"""Do the effects of masking distant patches add up?

The paper (section 4.2, figure 5 [recalled, not read]) replaces every second
patch of every second row by the image's mean colour, and compares the effect of
all of them together on the leading class's logit, l(x) - l(x + sum of d_i),
with the sum of their single effects, sum of [l(x) - l(x + d_i)], by Pearson's
correlation over images.

For a BagNet the two are equal, so that the correlation is exactly 1, if no
patch of the network sees two masked ones: they are p pixels apart, so if
q <= p + 1. That the points lie on the diagonal says more than a correlation:
the relative difference tells how far from it they are.

Differences: patch sizes are arguments; the logit is that of the leading one of
the *dataset's* classes; the mean colour is that of the image.
"""

import numpy as np

from bagnet_tf.analysis.classifiers import Classifier
from bagnet_tf.analysis.correlation import pearson, pearson_interval
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.analysis.streaming import each_image
from bagnet_tf.figures import Chart, Panel, Series

_AT_ONCE = 32  # Masked images in one forward pass.


def run(request: AnalysisRequest) -> Result:
    """Compares joint with single effects for every classifier."""
    sizes = sorted(set(request.options["patch_sizes"]))
    rows, measured, effects = [], {}, {}
    for classifier in request.classifiers:
        found = each_image(
            request,
            f"effects on {classifier.name}",
            lambda batch, c=classifier: [
                image_effects(c, image, sizes) for image in batch["image"]
            ],
            classifier.image_size,
            batch_size=1,
        )
        effects[classifier.name] = found
        scores = [
            _score(classifier, found, size, place)
            for place, size in enumerate(sizes)
        ]
        measured[classifier.name] = scores
        rows += [{"model": classifier.title} | _flat(s) for s in scores]
    summary = {"num_images": request.num_images, "measured": measured}
    return Result(
        {"": _figure(request, sizes, measured, effects)}, rows, summary
    )


def masked_squares(
    image_shape: tuple[int, int], size: int
) -> list[tuple[int, int]]:
    """(top, left) of every second patch in every second row, whole ones only.

    Args:
        image_shape: (height, width), pixels.
        size: Side of a patch, pixels.
    """
    height, width = image_shape
    return [
        (top, left)
        for top in range(0, height - size + 1, 2 * size)
        for left in range(0, width - size + 1, 2 * size)
    ]


def image_effects(
    classifier: Classifier, image: np.ndarray, sizes: list[int]
) -> dict:
    """Joint effect, and sum of the single ones, on the leading class's logit.

    Args:
        classifier: The network.
        image: RGB 0-255, (height, width, channels).
        sizes: Sides of the masked patches, pixels.

    Returns:
        `joint` and `single`, lists of logits, by size.
    """
    image = image.astype(np.float32)
    logits = classifier.logits(image[None])[0].astype(np.float64)
    leading = int(logits.argmax())
    joint, single = [], []
    for size in sizes:
        squares = masked_squares(image.shape[:2], size)
        after = [
            logit
            for start in range(0, len(squares), _AT_ONCE)
            for logit in classifier.logits(
                _masked_each(image, squares[start : start + _AT_ONCE], size)
            )[:, leading].astype(np.float64)
        ]
        (together,) = classifier.logits(_masked(image, squares, size)[None])
        joint.append(float(logits[leading] - together[leading]))
        single.append(float(np.sum(logits[leading] - np.array(after))))
    return {"joint": joint, "single": single}


def _masked_each(image, squares, size) -> np.ndarray:
    return np.stack([_masked(image, [square], size) for square in squares])


def _masked(image, squares, size) -> np.ndarray:
    masked = image.copy()
    colour = image.mean(axis=(0, 1), dtype=np.float64)
    for top, left in squares:
        masked[top : top + size, left : left + size] = colour
    return masked


def _score(classifier, found, size, place) -> dict:
    """How well joint and single effects agree over images."""
    joint = np.array([row["joint"][place] for row in found])
    single = np.array([row["single"][place] for row in found])
    correlation = pearson(joint, single)
    geometry = classifier.geometry
    squared = np.mean(joint**2)
    return {
        "patch_size": size,
        "correlation": correlation,
        "interval95": pearson_interval(correlation, len(found)),
        "relative_difference": float(
            np.sqrt(np.mean((joint - single) ** 2) / squared)
        )
        if squared
        else None,
        "must_be_1": geometry is not None
        and geometry.receptive_field <= size + 1,
    }


def _flat(score) -> dict:
    """A score as a row of the table."""
    low, high = score["interval95"] or (None, None)
    rest = {key: score[key] for key in score if key != "interval95"}
    return rest | {"low": low, "high": high}


def _figure(request, sizes, measured, effects) -> Chart:
    correlations = [
        Series(
            sizes,
            [score["correlation"] for score in measured[c.name]],
            _label(c),
            low=[(s["interval95"] or (np.nan,))[0] for s in measured[c.name]],
            high=[(s["interval95"] or (np.nan,))[-1] for s in measured[c.name]],
        )
        for c in request.classifiers
    ]
    panels = [
        Panel(
            "Joint effect against sum of single effects",
            "side of a masked patch, pixels",
            "Pearson's r over photos",
            correlations,
            x_ticks=sizes,
        )
    ]
    panels += [
        _scatter(request.classifiers, effects, size, place)
        for place, size in enumerate(sizes)
    ]
    return Chart(
        f"Interactions between distant patches, {request.source.name}",
        panels,
        columns=3,
        note=f"{request.num_images} photos of {request.split}; every second "
        "patch of every second row masked by the mean colour. A BagNet of "
        "receptive field q is exactly additive for patches of q - 1 pixels "
        "and more.",
    )


def _scatter(classifiers, effects, size, place) -> Panel:
    """Joint effects against sums of single ones, for one size."""
    points = [
        Series(
            [row["single"][place] for row in effects[c.name]],
            [row["joint"][place] for row in effects[c.name]],
            c.title,
            kind="points",
        )
        for c in classifiers
    ]
    return Panel(
        f"Patches of {size} pixels",
        "sum of single effects, logits",
        "joint effect, logits",
        [*points, Series([], [], kind="diagonal", colour=-1)],
    )


def _label(classifier) -> str:
    geometry = classifier.geometry
    if geometry is None:
        return classifier.title
    return f"{classifier.title} (q = {geometry.receptive_field})"
