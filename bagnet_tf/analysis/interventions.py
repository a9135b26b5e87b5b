"""Does a map say what happens when a part of the image is changed?

Not in the paper. Three protocols, for every method on every network: a
BagNet's own evidence is compared with attribution on networks of large
receptive field, such as the control of the same training (`--compare`),
because on one BagNet several methods are nearly the same map.

- On glyphs, whose causal truth is known: one glyph at a time is removed, or
  swapped for a distractor, and the fall of the logit difference (the shown
  class less its strongest rival) is rank-correlated, within each image, with
  the map of that difference on the glyph's square. Seeds are sets of images
  that no network was trained on.
- Single deletion, on any dataset: `bagnet_tf.analysis.single_deletion`.
- The grid pointing game, on any dataset: `bagnet_tf.analysis.grid_pointing`;
  a network of random weights stands beside a BagNet.

Intervals are of 95 %, by Student's t: over seeds on glyphs, over photos or
mosaics else. Where several networks of one architecture are given (trained
with other seeds, say), rows of their own show the interval over networks.
"""

import collections
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tqdm

from bagnet_tf.analysis import (
    glyph_interventions,
    grid_pointing,
    single_deletion,
)
from bagnet_tf.analysis.attribution_maps import Attribution
from bagnet_tf.analysis.attribution_methods import (
    Effort,
    class_weights,
    contrast_weights,
    methods_asked_for,
)
from bagnet_tf.analysis.intervention_figure import intervention_chart
from bagnet_tf.analysis.intervention_rows import (
    nested,
    over_networks,
    row_of,
)
from bagnet_tf.analysis.rank_correlation import rank_agreement
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.analysis.streaming import each_image, images_at

# One network's methods: by the network's title.
_Explainers = dict[str, Attribution]


def run(request: AnalysisRequest) -> Result:
    """Runs the protocols that the dataset allows."""
    explainers = {
        classifier.title: Attribution(
            classifier, request.seed, Effort.of(request.options)
        )
        for classifier in request.classifiers
    }
    if len(explainers) < len(request.classifiers):
        raise ValueError(
            "compare must be files of different names. "
            f"Received: titles {[c.title for c in request.classifiers]}"
        )
    available = dict.fromkeys(
        name for one in explainers.values() for name in one.methods
    )
    methods = methods_asked_for(request.options, tuple(available))
    rows = []
    if request.source.name == "glyphs":
        rows += _on_glyphs(request, explainers, methods)
    rows += _single_deletions(request, explainers, methods)
    rows += _mosaics(request, explainers, methods)
    kinds = {
        network: attribution.classifier.model.name
        for network, attribution in explainers.items()
    }
    rows += over_networks(rows, kinds)
    summary = {
        "num_images": request.num_images,
        "num_mosaics": request.options["num_mosaics"],
        "results": nested(rows),
    }
    return Result({"": intervention_chart(request, rows)}, rows, summary)


def _on_glyphs(request, explainers: _Explainers, methods) -> list[dict]:
    seeds, count = request.options["num_seeds"], request.num_images
    scenes = [
        (seed, number, scene)
        for seed in range(seeds)
        for number, scene in enumerate(
            glyph_interventions.scenes_of(seed, count)
        )
    ]
    labels = request.source.labels

    def correlations(item):
        seed, number, scene = item
        label = labels.index(scene.glyphs[0].name)
        unique = seed * count + number
        return [
            [network, method, name, rank_agreement(values, effect)]
            for network, attribution in explainers.items()
            for method, name, effect, values in _glyph_maps(
                attribution, methods, scene, label, unique
            )
        ]

    found = _kept(request, "glyphs", scenes, correlations)
    values = collections.defaultdict(lambda: [[] for _ in range(seeds)])
    for (seed, _, _), entries in zip(scenes, found, strict=True):
        for network, method, name, correlation in entries:
            if correlation is not None:
                values[f"glyph {name}", network, method][seed].append(
                    correlation
                )
    return [
        row_of(*key, [np.mean(s) for s in by_seed if s], "seeds")
        for key, by_seed in values.items()
    ]


def _glyph_maps(
    attribution, methods, scene, label, number
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yields method, intervention, effects of it, and the map, by glyph."""
    image = scene.image()[None]
    logits = attribution.classifier.logits
    before = logits(image)
    one, rival = glyph_interventions.class_and_rival(before[0], label)
    weights = contrast_weights([one], [rival], before.shape[-1])
    effects = glyph_interventions.effects(
        lambda images: logits(images) @ weights[0],
        scene,
        glyph_interventions.swap_stream(attribution.seed, number),
    )
    for method in _of(attribution, methods):
        heatmap = attribution(method, image, weights, [number])[0]
        values = glyph_interventions.map_on_glyphs(heatmap, scene)
        for name, effect in effects.items():
            yield method, name, effect, values


def _single_deletions(request, explainers: _Explainers, methods) -> list[dict]:
    def of_image(image, number):
        entries = []
        for network, attribution in explainers.items():
            classifier = attribution.classifier
            logits = classifier.logits(image[None])
            weights = class_weights(
                logits.argmax(axis=-1), logits.shape[-1], classifier.info.head
            )
            drops = single_deletion.deletion_drops(
                lambda images, c=classifier, w=weights: c.logits(images) @ w[0],
                image,
            )
            for method in _of(attribution, methods):
                heatmap = attribution(method, image[None], weights, [number])[0]
                found = single_deletion.deletion_agreement(heatmap, drops)
                entries.append([network, method, found])
        return entries

    def compute(batch):
        return [
            of_image(image, number)
            for image, number in zip(
                batch["image"], batch["index"], strict=True
            )
        ]

    found = each_image(request, "single deletion", compute, batch_size=4)
    values = collections.defaultdict(list)
    for entries in found:
        for network, method, correlation in entries:
            if correlation is not None:
                values["single deletion", network, method].append(correlation)
    return [row_of(*key, v, "images") for key, v in values.items()]


def _mosaics(request, explainers: _Explainers, methods) -> list[dict]:
    labels = each_image(
        request, "labels", lambda batch: batch["label"].tolist()
    )
    rng = np.random.default_rng([request.seed, len(labels)])
    chosen = grid_pointing.choose_photos(
        labels, request.options["num_mosaics"], rng
    )
    photos = images_at(request, np.unique(chosen).tolist())
    players = [
        (network, attribution, _of(attribution, methods))
        for network, attribution in explainers.items()
    ]
    players += _untrained(request, methods)

    def scores(item):
        number, indices = item
        image = grid_pointing.mosaic([photos[i]["image"] for i in indices])
        shown = [labels[i] for i in indices]
        return [
            [network, method]
            + _pointed(attribution, method, image, shown, number)
            for network, attribution, own in players
            for method in own
        ]

    found = _kept(request, "mosaics", list(enumerate(chosen.tolist())), scores)
    values = collections.defaultdict(list)
    for entries in found:
        for network, method, share, strongest in entries:
            values["mosaic share", network, method].append(share)
            values["mosaic strongest", network, method].append(strongest)
    return [row_of(*key, v, "mosaics") for key, v in values.items()]


def _pointed(attribution, method, image, shown, number) -> list[float]:
    """Share and hit of one mosaic: means over its four photos."""
    classifier = attribution.classifier
    weights = class_weights(
        shown, len(classifier.class_ids), classifier.info.head
    )
    images = np.repeat(image[None], len(shown), axis=0)
    # Of what is random: each map of each mosaic has its own.
    numbers = [number * len(shown) + tile for tile in range(len(shown))]
    maps = attribution(method, images, weights, numbers)
    found = [
        grid_pointing.in_own_tile(heatmap, tile)
        for tile, heatmap in enumerate(maps)
    ]
    return np.mean(found, axis=0).tolist()


def _untrained(request, methods) -> list:
    """A BagNet of random weights, for what it is to know nothing."""
    classifier = request.classifier
    if classifier.geometry is None or "evidence" not in methods:
        return []
    keras.utils.set_random_seed(request.seed)
    network = keras.models.clone_model(classifier.model)
    twin = dataclasses.replace(classifier, model=network)
    name = f"{classifier.title}, untrained"
    return [(name, Attribution(twin, request.seed), ["evidence"])]


def _of(attribution, methods) -> list[str]:
    return [method for method in methods if method in attribution.methods]


def _kept(
    request: AnalysisRequest,
    name: str,
    items: Sequence,
    compute: Callable,
) -> list:
    """Computes something of every item, or reads what a run has left."""
    partial = request.partial
    done = len(partial.values(name))
    rest = tqdm.tqdm(
        items[done:],
        total=len(items),
        initial=done,
        desc=name,
        disable=None,
        file=sys.stderr,
    )
    for item in rest:
        partial.add(name, [compute(item)])
    return partial.values(name)
