"""Why was it wrong? Evidence for the decision, for the label, and between them.

The paper (section 4.1, figure 4 [recalled, not read]): heatmaps of the
predicted and of the true class side by side, for images that are misclassified.

Differences: the worst errors come first (the largest difference of logits); a
third map is the exact difference of the two, whose mean is the difference of
logits, and which, unlike the two, needs no choice of gauge. The maps of one
class are class-centred (see `bagnet_tf.evidence`).
"""

import numpy as np

from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.analysis.streaming import each_image, images_at
from bagnet_tf.figures import Gallery, Tile
from bagnet_tf.heads import evidence_name, probabilities_of
from bagnet_tf.intervals import rate
from bagnet_tf.layout import map_extent


def run(request: AnalysisRequest) -> Result:
    """Finds all errors, and takes the worst ones apart."""
    classifier = request.classifier

    def compute(batch):
        logits = classifier.logits(batch["image"])
        return [
            _decision(values, label, identifier, request.info.head)
            for values, label, identifier in zip(
                logits, batch["label"], batch["id"], strict=True
            )
        ]

    found = each_image(request, "decisions", compute)
    wrong = worst_errors(found)
    if not wrong:
        raise ValueError(
            "the model must make an error to be shown; it makes none on "
            f"these {len(found)} images. Received: split={request.split!r}"
        )
    shown = wrong[: request.options["num_shown"]]
    rows = [
        {"place": place, "index": i} | _row(found[i], request.source.labels)
        for place, i in enumerate(wrong, start=1)
    ]
    summary = {
        "num_images": len(found),
        "num_errors": len(wrong),
        "error_rate": rate(len(wrong), len(found)),
        "largest_logit_difference": rows[0]["logit_difference"],
    }
    return Result(
        {"": _figure(request, found, rows[: len(shown)])}, rows, summary
    )


def worst_errors(found: list[dict]) -> list[int]:
    """Indices of the images that are misclassified, the worst first."""
    wrong = [i for i, row in enumerate(found) if row["difference"] > 0]
    return sorted(wrong, key=lambda i: -found[i]["difference"])


def _decision(logits, label, identifier, head) -> dict:
    logits = logits.astype(np.float64)
    decision = int(logits.argmax())
    probabilities = probabilities_of(logits, head)
    return {
        "id": identifier.decode(),
        "label": int(label),
        "decision": decision,
        "difference": float(logits[decision] - logits[label]),
        "probability": float(probabilities[decision]),
        "label_probability": float(probabilities[label]),
    }


def _row(decision, labels) -> dict:
    """What the table says of an error."""
    return {
        "image": decision["id"],
        "label": labels[decision["label"]],
        "decision": labels[decision["decision"]],
        "logit_difference": decision["difference"],
        "probability_of_decision": decision["probability"],
        "probability_of_label": decision["label_probability"],
    }


def _figure(request, found, rows) -> Gallery:
    photos = images_at(request, [row["index"] for row in rows])
    gallery = []
    for row in rows:
        photo = photos[row["index"]]
        title = f"{row['place']}. {row['image']}"
        decided = found[row["index"]]["decision"]
        gallery.append((title, _tiles(request, photo, row, decided)))
    return Gallery(
        f"The worst errors of {request.classifier.title}",
        gallery,
        note=f"{evidence_name(request.info.head).capitalize()} of the decision "
        "and of the label, and their exact difference:\nits mean is the "
        f"difference of logits. {request.num_images} photos of "
        f"{request.source.name}, {request.split}.",
        tile_size=280,
    )


def _tiles(request, photo, row, decided) -> list[Tile]:
    classifier, image = request.classifier, photo["image"]
    _, (patch_logits,) = classifier.patch_logits(image[None])
    evidence = classifier.decisive(patch_logits)
    true = photo["label"]
    extent = map_extent(classifier.geometry, evidence.shape[:2])
    maps = (
        (
            f"decision: {row['decision']}",
            f"p = {row['probability_of_decision']:.3f}",
            evidence[..., decided],
        ),
        (
            f"label: {row['label']}",
            f"p = {row['probability_of_label']:.3f}",
            evidence[..., true],
        ),
        (
            "decision − label",
            f"logits differ by {row['logit_difference']:.2f}",
            patch_logits[..., decided] - patch_logits[..., true],
        ),
    )
    return [
        Tile(image, "what the model sees"),
        *(Tile(image, *texts, values, extent) for *texts, values in maps),
    ]
