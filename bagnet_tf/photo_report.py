"""What can be said in numbers about the decision on one photo?

The numbers of `Explanation.to_json`, and what only the photo knows: boxes in
its own pixels, and which part of it the model saw.
"""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from bagnet_tf.decisions import Verdict, verdict_of
from bagnet_tf.explanation import Explanation
from bagnet_tf.geometry import Box
from bagnet_tf.photos import (
    CropTransform,
    evaluation_transform,
    in_grey,
    load_photo_and_notes,
)
from bagnet_tf.version import __version__


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo and the part of it that the model sees.

    Attributes:
        path: The file, as the user named it.
        image: The model's input, RGB or grey, uint8 (height, width, 3 or 1).
        transform: Where `image` lies in the photo.
        notes: What was done to the file's pixels, a short phrase each.
    """

    path: str
    image: np.ndarray
    transform: CropTransform
    notes: tuple[str, ...] = ()


def read_photo(
    path: str | os.PathLike[str], image_size: tuple[int, int], channels: int = 3
) -> Photo:
    """Reads a photo and makes the model's input of it.

    Args:
        path: An image file.
        image_size: (height, width) of the model's input, pixels.
        channels: Of the model's input: 3, or 1 for grey.

    Returns:
        A `Photo`.

    Raises:
        ValueError: If the file is missing or is no readable image, or the
            model takes other channels.
    """
    if channels not in (1, 3):
        raise ValueError(
            "A photo is RGB or grey, for models of 3 channels or 1; "
            "bagnet_tf.explain takes arrays of any. "
            f"Received: channels={channels}"
        )
    photo, notes = load_photo_and_notes(path)
    if channels == 1:
        photo, notes = in_grey(photo), _notes_on_grey(notes)
    image, transform = evaluation_transform(photo, image_size)
    return Photo(str(path), image, transform, notes)


def describe(
    photo: Photo,
    explanation: Explanation,
    labels: Sequence[str],
    index: int = 0,
    contrast: tuple[int, int] | None = None,
    thresholds: Mapping[int, float] | None = None,
) -> dict:
    """The decision on a photo as JSON-ready values.

    Args:
        photo: From `read_photo`.
        explanation: Of the photo's image.
        labels: Class names, by class id.
        index: Which image of the explanation the photo's is.
        contrast: Two explained class ids: adds why the first and not the
            second.
        thresholds: Operating thresholds, by class id: `ModelInfo.thresholds`.

    Returns:
        A dict with the prediction (of a sigmoid head `predictions`, a list of
        all classes above their thresholds), what was done to the file,
        how well the evidence adds up to the logit, the content of
        `Explanation.to_json`, for each explained class that has a threshold
        its `decision`, and for each patch `photo_box`, in pixels of the photo.
        Sizes are (height, width). A share that is not defined is None.

    Example:
        >>> photo = read_photo("cat.jpg", info.image_size)
        >>> explanation = bagnet_tf.explain(model, photo.image[None])
        >>> describe(photo, explanation, info.labels)["prediction"]["label"]
        'cat'
    """
    height, width = photo.image.shape[:2]
    to_photo = photo.transform.to_photo
    details = explanation.to_json(index, labels)
    del details["additivity_error"]  # Below, in words too.
    for patch in details["top_patches"] + details["patches_against"]:
        patch["photo_box"] = to_photo(Box(**patch["box"]))._asdict()
        # JSON has no NaN.
        if patch["share"] is not None and math.isnan(patch["share"]):
            patch["share"] = None
    verdict = verdict_of(
        explanation.logits[index], explanation.head, labels, thresholds or {}
    )
    for entry in details["classes"]:
        entry |= _decision(verdict, entry["class_id"])
    margin = explanation.geometry.unseen_margin(height, width)
    return {
        "bagnet_tf": __version__,
        "image": photo.path,
        "notes": list(photo.notes),
        "photo_size": list(photo.transform.photo_shape),
        "input_size": [height, width],
        "crop_in_photo": to_photo(Box(0, 0, height, width))._asdict(),
        "unseen_margin": {"bottom": margin[0], "right": margin[1]},
        **_prediction(verdict, explanation, labels, index),
        "verdict": f"{verdict.title}, {verdict.detail}",
        "drawn": f"{explanation.evidence_name}, logits",
        "additivity": _additivity(explanation, index),
        **details,
        **_contrast(explanation, labels, index, contrast),
    }


def decomposition(
    photo: Photo,
    explanation: Explanation,
    labels: Sequence[str],
    index: int = 0,
) -> list[dict]:
    """What each patch adds to each explained class, as rows of a table.

    Args:
        photo: From `read_photo`.
        explanation: Of the photo's image.
        labels: Class names, by class id.
        index: Which image of the explanation the photo's is.

    Returns:
        The rows of `Explanation.decomposition`, and in each the class's
        `label` and the patch's box in pixels of the photo (`photo_top`, ...).
    """
    table = []
    for entry in explanation.decomposition(index):
        box = Box(*(entry[side] for side in Box._fields))
        in_photo = photo.transform.to_photo(box)._asdict()
        table.append(
            {
                "label": labels[entry["class_id"]],
                **entry,
                **{f"photo_{side}": value for side, value in in_photo.items()},
            }
        )
    return table


def _notes_on_grey(notes: tuple[str, ...]) -> tuple[str, ...]:
    """What was done to a file for a model that sees it in grey."""
    was_grey = {"grey to RGB", "black and white to RGB"}
    if was_grey.isdisjoint(notes):
        return (*notes, "RGB to grey")
    return tuple(note for note in notes if note not in was_grey)


def _contrast(explanation, labels, index, contrast) -> dict:
    if contrast is None:
        return {}
    one, other = contrast
    evidence = explanation.contrast(index, one, other)
    logits = explanation.logits[index].astype(np.float64)
    return {
        "contrast": {
            "class_ids": [one, other],
            "labels": [labels[one], labels[other]],
            "logit_difference": float(logits[one] - logits[other]),
            "mean": float(evidence.mean()),
            "map": evidence.tolist(),
        }
    }


def _prediction(verdict: Verdict, explanation, labels, index) -> dict:
    found = [
        {
            "label": labels[class_id],
            "class_id": class_id,
            "probability": float(explanation.probabilities[index, class_id]),
            "logit": float(explanation.logits[index, class_id]),
        }
        for class_id in verdict.class_ids
    ]
    if explanation.head == "sigmoid":
        return {"predictions": found}
    return {"prediction": found[0]}


def _decision(verdict: Verdict, class_id: int) -> dict:
    if class_id not in verdict.decisions:
        return {}
    decision = verdict.decisions[class_id]
    return {
        "decision": {
            "statement": str(decision),
            "above": decision.above,
            "threshold": decision.threshold,
            "is_operating_threshold": decision.operating,
        }
    }


def _additivity(explanation, index) -> dict:
    absolute = float(explanation.additivity_error[index])
    relative = float(explanation.relative_additivity_error[index])
    return {
        "statement": "The mean of a class's patch logits is its logit: here "
        f"within {relative:.0e} of the largest logit.",
        "absolute_error": absolute,
        "relative_error": relative,
    }
