"""Which patches speak most for each class? Of its photos, and of others.

The paper (section 4.1, figure 3 [recalled, not read]): for a class, the
patches with the largest class logit over validation images, in two rows: from
images of that class, from images of other classes.

Differences: ranked by class-centred evidence, because the raw patch logits of a
class carry a free gauge (see `bagnet_tf.evidence`); the table has both. At most
one patch of an image, so that one photo does not fill a row.
"""

from collections.abc import Sequence

import numpy as np

from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.analysis.streaming import each_image, images_at
from bagnet_tf.figures import Gallery, Tile
from bagnet_tf.heads import evidence_name

_MOST_CLASSES = 10  # In the figure, unless asked for others.
_ORIGINS = ("its photos", "other photos")


def run(request: AnalysisRequest) -> Result:
    """Finds every image's best patch for every class, and the best of those."""
    classifier, labels = request.classifier, request.source.labels

    def compute(batch):
        _, patch_logits = classifier.patch_logits(batch["image"])
        return [
            {"label": int(label), "id": identifier.decode()}
            | best_patches(values, classifier.decisive(values))
            for values, label, identifier in zip(
                patch_logits, batch["label"], batch["id"], strict=True
            )
        ]

    found = each_image(request, "patches", compute)
    count = request.options["patches_per_class"]
    rows = []
    for class_id, label in enumerate(labels):
        ranked = ranked_images(found, class_id, count)
        for origin, indices in zip(_ORIGINS, ranked, strict=True):
            for place, index in enumerate(indices, start=1):
                head = {"class_id": class_id, "class": label}
                head |= {"from": origin, "place": place}
                rows.append(head | _row(request, found, class_id, index))
    shown = request.options["class_ids"]
    shown = shown or range(min(len(labels), _MOST_CLASSES))
    figure = _figure(request, rows, shown)
    summary = {
        "num_images": len(found),
        "patches_per_class": count,
        "classes": [
            {"class": label} | _class_summary(rows, class_id)
            for class_id, label in enumerate(labels)
        ],
    }
    return Result({"": figure}, rows, summary)


def best_patches(
    patch_logits: np.ndarray, evidence: np.ndarray
) -> dict[str, list]:
    """The patch with the largest evidence for each class.

    Args:
        patch_logits: (rows, cols, classes).
        evidence: Of the same shape: by which patches are ranked.

    Returns:
        Lists by class: `cell` (number of the patch, row by row), `evidence`
        and `patch_logit`, logits. The first of equal ones.
    """
    classes = patch_logits.shape[-1]
    flat, ranked = (
        values.reshape(-1, classes).astype(np.float64)
        for values in (patch_logits, evidence)
    )
    cells = ranked.argmax(axis=0)
    everyone = np.arange(classes)
    return {
        "cell": cells.tolist(),
        "evidence": ranked[cells, everyone].tolist(),
        "patch_logit": flat[cells, everyone].tolist(),
    }


def ranked_images(
    found: Sequence[dict], class_id: int, count: int
) -> tuple[list[int], list[int]]:
    """The images with the best patches for a class: of it, and of others.

    Returns:
        Two lists of at most `count` indices of `found`, the best first.
    """
    values = np.array([row["evidence"][class_id] for row in found])
    order = np.argsort(-values, kind="stable").tolist()
    own = [i for i in order if found[i]["label"] == class_id]
    others = [i for i in order if found[i]["label"] != class_id]
    return own[:count], others[:count]


def _row(request, found, class_id, index) -> dict:
    """What the table says of a patch."""
    geometry, size = request.classifier.geometry, request.info.image_size
    patch = found[index]
    cols = geometry.grid_shape(*size)[1]
    box = geometry.box(*divmod(patch["cell"][class_id], cols))
    return {
        "image": patch["id"],
        "index": index,
        "label": request.source.labels[patch["label"]],
        **box._asdict(),
        "evidence": patch["evidence"][class_id],
        "patch_logit": patch["patch_logit"][class_id],
    }


def _class_summary(rows, class_id) -> dict:
    """How strong the patches are; None where a class has no such photos."""
    means = {}
    for origin in _ORIGINS:
        values = [
            row["evidence"]
            for row in rows
            if row["class_id"] == class_id and row["from"] == origin
        ]
        key = f"mean_evidence_{origin.split()[0]}"
        means[key] = float(np.mean(values)) if values else None
    return means


def _figure(request, rows, shown) -> Gallery:
    wanted = [row for row in rows if row["class_id"] in shown]
    photos = images_at(request, [row["index"] for row in wanted])
    gallery = []
    for class_id in shown:
        for origin in _ORIGINS:
            tiles = [
                _tile(row, photos[row["index"]]["image"], origin)
                for row in wanted
                if row["class_id"] == class_id and row["from"] == origin
            ]
            if tiles:
                label = request.source.labels[class_id]
                gallery.append((f"{label}: from {origin}", tiles))
    side = request.classifier.geometry.receptive_field
    name = evidence_name(request.info.head)
    return Gallery(
        f"Most informative patches of {request.classifier.title}",
        gallery,
        note=f"The largest {name} of each class, {side} × {side} pixels, one "
        f"patch a photo.\n{request.num_images} photos of "
        f"{request.source.name}, {request.split}.",
    )


def _tile(row, image, origin) -> Tile:
    crop = image[row["top"] : row["bottom"], row["left"] : row["right"]]
    label = row["label"] if origin == _ORIGINS[1] else ""
    return Tile(crop, f"{row['evidence']:+.1f}", label)
