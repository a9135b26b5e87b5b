"""What is a decision made of? An explanation, patch by patch."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bagnet_tf.geometry import Box, PatchGeometry


@dataclasses.dataclass(frozen=True)
class Patch:
    """One patch of an image and what it says about one class.

    Attributes:
        row: Grid row.
        col: Grid column.
        box: The patch in input pixels.
        evidence: Class-centred evidence, logits.
        contribution: Evidence / number of patches, logits.
        share: Contribution / class-centred logit: the shares of all patches
            add up to 1 (single ones may be negative or above 1). NaN where
            that logit is 0.
    """

    row: int
    col: int
    box: Box
    evidence: float
    contribution: float
    share: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The decision of a BagNet, taken apart into its patches.

    Attributes:
        logits: (batch, classes), float32.
        probabilities: Softmax of the logits, (batch, classes).
        class_ids: The explained classes of each image, (batch, k), int.
        class_evidence: Their patch logits, (batch, rows, cols, k).
        centred_evidence: The same, minus the mean over all classes.
        geometry: Receptive field and stride of the grid.
        top_k: Number of patches that `top_patches` gives by default.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    class_ids: np.ndarray
    class_evidence: np.ndarray
    centred_evidence: np.ndarray
    geometry: PatchGeometry
    top_k: int

    @property
    def additivity_error(self) -> np.ndarray:
        """Largest |mean of the class evidence - logit|, (batch,), logits."""
        means = self.class_evidence.mean(axis=(1, 2), dtype=np.float64)
        logits = np.take_along_axis(self.logits, self.class_ids, axis=1)
        return np.abs(means - logits).max(axis=1)

    @property
    def relative_additivity_error(self) -> np.ndarray:
        """`additivity_error` / the image's largest |logit|, (batch,)."""
        largest = np.abs(self.logits).max(axis=1)
        tiny = np.finfo(np.float32).tiny
        return self.additivity_error / np.maximum(largest, tiny)

    def top_patches(
        self, image: int = 0, k: int | None = None, overlapping: bool = False
    ) -> list[Patch]:
        """The patches that speak most for the first explained class.

        Args:
            image: Index in the batch.
            k: How many at most; by default `top_k` of `explain`.
            overlapping: Whether patches may share pixels. If not, a patch
                that overlaps a stronger one is passed over.

        Returns:
            Patches by falling class-centred evidence.

        Raises:
            ValueError: If `image` is not in the batch.
        """
        if not 0 <= image < len(self.logits):
            raise ValueError(
                f"image must be in [0, {len(self.logits)}). "
                f"Received: image={image}"
            )
        k = self.top_k if k is None else k
        chosen = []
        evidence = self.centred_evidence[image, :, :, 0]
        for cell in np.argsort(-evidence, axis=None, kind="stable"):
            if len(chosen) == k:
                break
            patch = self._patch(
                evidence, *np.unravel_index(cell, evidence.shape)
            )
            if overlapping or not any(
                _overlap(patch.box, other.box) for other in chosen
            ):
                chosen.append(patch)
        return chosen

    def _patch(self, evidence, row, col) -> Patch:
        value = float(evidence[row, col])
        total = float(evidence.sum(dtype=np.float64))
        return Patch(
            row=int(row),
            col=int(col),
            box=self.geometry.box(int(row), int(col)),
            evidence=value,
            contribution=value / evidence.size,
            share=value / total if total else float("nan"),
        )

    def to_json(self, image: int = 0, labels: Sequence[str] = ()) -> dict:
        """One image's explanation as JSON-ready values.

        Args:
            image: Index in the batch.
            labels: Class names; without them, `class 0` and so on.

        Returns:
            A dict with the grid, per class its probability, logit and
            evidence map, and the strongest patches of the first class.
        """
        classes = []
        for index, class_id in enumerate(self.class_ids[image]):
            name = labels[class_id] if len(labels) else f"class {class_id}"
            evidence = self.class_evidence[image, :, :, index]
            centred = self.centred_evidence[image, :, :, index]
            classes.append(
                {
                    "class_id": int(class_id),
                    "label": name,
                    "probability": float(self.probabilities[image, class_id]),
                    "logit": float(self.logits[image, class_id]),
                    "mean_class_evidence": float(
                        evidence.mean(dtype=np.float64)
                    ),
                    "class_evidence": evidence.tolist(),
                    "class_centred_evidence": centred.tolist(),
                }
            )
        return {
            "receptive_field": self.geometry.receptive_field,
            "stride": self.geometry.stride,
            "grid_shape": list(self.class_evidence.shape[1:3]),
            "additivity_error": float(self.additivity_error[image]),
            "classes": classes,
            "top_patches": [
                {**dataclasses.asdict(patch), "box": patch.box._asdict()}
                for patch in self.top_patches(image)
            ],
        }


def _overlap(a: Box, b: Box) -> bool:
    return (
        a.top < b.bottom
        and b.top < a.bottom
        and a.left < b.right
        and b.left < a.right
    )
