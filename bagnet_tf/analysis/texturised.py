"""How well are photos recognised whose global structure is destroyed?

The paper (section 4.2, figure 4 [recalled, not read]) makes Gatys-style
textures of photos with VGG features, and finds that VGG-16 loses few points of
top-5 accuracy on them (second hand: 90.1 to 79.4 %).

Differences: textures are made where a network is given with
`--feature_network`, and by any (see `bagnet_tf.analysis.gram_textures`); beside
them photos are destroyed by shuffling their tiles, which needs no network. A
BagNet is not invariant to that either, because tiles cut patches: the share of
cut patches is in the table, and what the others add to the logit does not
change where the tile is a multiple of the stride.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from bagnet_tf.analysis.classifiers import Classifier
from bagnet_tf.analysis.gram_textures import (
    TextureSynthesis,
    open_feature_network,
)
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.analysis.shuffling import cut_cells, shuffled_tiles
from bagnet_tf.analysis.streaming import each_image
from bagnet_tf.analysis.texturised_figures import (
    accuracy_chart,
    examples_gallery,
)
from bagnet_tf.intervals import rate

_GRAM = "texture"
_SYNTHESIS_BATCH = 8


def run(request: AnalysisRequest) -> Result:
    """Shuffles and, if asked, texturises, and classifies what is left."""
    sizes = sorted(set(request.options["tile_sizes"]))
    synthesis = _synthesis(request)
    rows = []
    for classifier in request.classifiers:
        found = each_image(
            request,
            f"shuffled for {classifier.name}",
            lambda batch, c=classifier: shuffled_answers(
                c, batch, sizes, request.seed
            ),
            classifier.image_size,
        )
        rows += [_row(classifier, found, "intact", None)]
        rows += [
            _row(classifier, found, f"tiles of {size}", size) for size in sizes
        ]
    if synthesis is not None:
        rows += _texture_rows(request, synthesis)
    summary = {
        "num_images": request.num_images,
        "feature_layers": list(synthesis.layers) if synthesis else None,
        "measured": rows,
    }
    figures = {
        "": accuracy_chart(request, rows),
        "examples": examples_gallery(request, sizes, synthesis),
    }
    return Result(figures, [_flat(row) for row in rows], summary)


def shuffled_answers(
    classifier: Classifier, batch: Mapping, sizes: list[int], seed: int
) -> list[dict]:
    """What a classifier says of images and of their shuffled tiles.

    Args:
        classifier: The classifier.
        batch: See `each_image`.
        sizes: Sides of the tiles, pixels.
        seed: Of the orders; an image's depends on it, on the image's index and
            on the tile size alone.

    Returns:
        An entry an image: by `"intact"` and by tile size, `right`, `same`
        (decision as for the intact image) and `change`, of the leading class's
        logit.
    """
    intact = classifier.logits(batch["image"]).astype(np.float64)
    answers = [
        {"intact": _answer(logits, logits, label)}
        for logits, label in zip(intact, batch["label"], strict=True)
    ]
    for size in sizes:
        shuffled = np.stack(
            [
                shuffled_tiles(
                    image, size, np.random.default_rng([seed, index, size])
                )
                for image, index in zip(
                    batch["image"], batch["index"], strict=True
                )
            ]
        )
        after = classifier.logits(shuffled).astype(np.float64)
        for place, answer in enumerate(answers):
            label = batch["label"][place]
            answer[str(size)] = _answer(intact[place], after[place], label)
    return answers


def _answer(intact, logits, label) -> dict:
    leading = intact.argmax()
    return {
        "right": bool(logits.argmax() == label),
        "same": bool(logits.argmax() == leading),
        "change": float(logits[leading] - intact[leading]),
        "logit": float(intact[leading]),
    }


def _texture_rows(request, synthesis) -> list[dict]:
    """Every classifier sees the same textures, resized to its own input."""

    def compute(batch):
        seeds = [[request.seed, index] for index in batch["index"]]
        textures, losses = synthesis(batch["image"], seeds)
        answers: list[dict] = [{"loss": float(loss)} for loss in losses]
        for classifier in request.classifiers:
            intact = classifier.logits(_resized(batch["image"], classifier))
            after = classifier.logits(_resized(textures, classifier))
            for place, answer in enumerate(answers):
                label = batch["label"][place]
                answer[classifier.name] = _answer(
                    intact[place], after[place], label
                )
        return answers

    found = each_image(request, _GRAM, compute, batch_size=_SYNTHESIS_BATCH)
    loss = float(np.median([row["loss"] for row in found]))
    return [
        _row(classifier, found, _GRAM, None, classifier.name)
        | {"median_loss": loss}
        for classifier in request.classifiers
    ]


def _resized(images, classifier) -> tf.Tensor:
    images = tf.cast(images, tf.float32)
    if tuple(images.shape[1:3]) == tuple(classifier.image_size):
        return images
    return tf.image.resize(images, classifier.image_size, antialias=True)


def _row(classifier, found, name, size, key=None) -> dict:
    key = key or ("intact" if size is None else str(size))
    answers = [row[key] for row in found]
    changes = np.array([answer["change"] for answer in answers])
    logits = np.array([answer["logit"] for answer in answers])
    geometry = classifier.geometry
    cut = None
    if size and geometry:
        cut = float(cut_cells(geometry, classifier.image_size, size).mean())
    return {
        "model": classifier.title,
        "images": name,
        "tile_size": size,
        "accuracy": rate(sum(a["right"] for a in answers), len(answers)),
        "same_decision": rate(sum(a["same"] for a in answers), len(answers)),
        "mean_change": float(changes.mean()),
        "rms_change": float(np.sqrt(np.mean(changes**2))),
        "mean_logit": float(logits.mean()),
        "cut_patches": cut,
        "median_loss": None,
    }


def _flat(row) -> dict:
    """A row of the table: rates in three columns."""
    flat = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat[key] = value["value"]
            flat[f"{key}_low"], flat[f"{key}_high"] = value["interval95"]
        else:
            flat[key] = value
    return flat


def _synthesis(request) -> TextureSynthesis | None:
    name = request.options["feature_network"]
    if not name:
        if request.options["feature_layers"]:
            raise ValueError(
                "feature_layers needs feature_network. Received: "
                f"feature_layers={','.join(request.options['feature_layers'])}"
            )
        return None
    network, preprocess = open_feature_network(name)
    return TextureSynthesis(
        network,
        preprocess,
        request.info.image_size,
        request.options["feature_layers"],
        request.options["synthesis_steps"],
    )
