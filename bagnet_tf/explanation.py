"""What is a decision made of? An explanation, patch by patch."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from bagnet_tf.geometry import Box, PatchGeometry
from bagnet_tf.heads import evidence_name, is_centred


@dataclasses.dataclass(frozen=True)
class Patch:
    """One patch of an image and what it says about one class.

    Attributes:
        row: Grid row.
        col: Grid column.
        box: The patch in input pixels.
        evidence: `Explanation.decisive_evidence`, logits.
        contribution: Evidence / number of patches, logits.
        share: Contribution / sum of all contributions (the class-centred
            logit, or of a sigmoid head the logit): the shares of all patches
            add up to 1 (single ones may be negative or above 1). NaN where
            that sum is 0.
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
        probabilities: Softmax or sigmoid of the logits, (batch, classes).
        class_ids: The explained classes of each image, (batch, k), int.
        class_evidence: Their patch logits, (batch, rows, cols, k).
        centred_evidence: The same, minus the mean over all classes.
        geometry: Receptive field and stride of the grid.
        top_k: Number of patches that `top_patches` gives by default.
        patch_probabilities: Softmax over *all* classes, or sigmoid, of each
            patch's logits, for the explained classes, (batch, rows, cols, k):
            what the model says of that patch alone. They are not parts of the
            decision: neither their mean nor their product is its
            probability. None in an explanation made without them.
        head: `"softmax"` or `"sigmoid"` (see `bagnet_tf.heads`).
    """

    logits: np.ndarray
    probabilities: np.ndarray
    class_ids: np.ndarray
    class_evidence: np.ndarray
    centred_evidence: np.ndarray
    geometry: PatchGeometry
    top_k: int
    patch_probabilities: np.ndarray | None = None
    head: str = "softmax"

    @property
    def decisive_evidence(self) -> np.ndarray:
        """What is ranked and drawn, (batch, rows, cols, k), logits.

        `centred_evidence` under a softmax head, which only compares classes;
        `class_evidence` under a sigmoid head, where each class stands by
        itself.
        """
        if is_centred(self.head):
            return self.centred_evidence
        return self.class_evidence

    @property
    def evidence_name(self) -> str:
        """Which that is: "class-centred evidence" or "class evidence"."""
        return evidence_name(self.head)

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
        self,
        image: int = 0,
        top_k: int | None = None,
        class_index: int = 0,
        overlapping: bool = False,
        against: bool = False,
    ) -> list[Patch]:
        """The patches that speak most for, or against, an explained class.

        Args:
            image: Index in the batch.
            top_k: How many at most; by default that of `explain`.
            class_index: Which of the explained classes (not its class id).
            overlapping: Whether patches may share pixels. If not, a patch
                that overlaps a stronger one is passed over.
            against: Whether to give the patches that speak most against the
                class instead.

        Returns:
            Patches by falling `decisive_evidence`; with `against`, by rising
            one. Where few patches speak for a class, the last of them
            may speak against it, and the other way round.

        Raises:
            ValueError: If `image` is not in the batch or `class_index` not
                among the explained classes.
        """
        _check_index("image", image, len(self.logits))
        _check_index("class_index", class_index, self.class_ids.shape[1])
        top_k = self.top_k if top_k is None else top_k
        chosen = []
        evidence = self.decisive_evidence[image, :, :, class_index]
        order = evidence if against else -evidence
        for cell in np.argsort(order, axis=None, kind="stable"):
            if len(chosen) == top_k:
                break
            patch = self._patch(
                evidence, *np.unravel_index(cell, evidence.shape)
            )
            if overlapping or not any(
                _overlap(patch.box, other.box) for other in chosen
            ):
                chosen.append(patch)
        return chosen

    def contrast(
        self, image: int = 0, class_a: int = 0, class_b: int = 1
    ) -> np.ndarray:
        """Why one class and not another: the difference of their evidence.

        Free of the gauge: a map added to all classes cancels.

        Args:
            image: Index in the batch.
            class_a: Class id; positive values speak for it.
            class_b: Class id; negative values speak for it.

        Returns:
            (rows, cols), float64, logits. Its mean is the difference of the
            two logits.

        Raises:
            ValueError: If `image` is not in the batch, or one of the classes
                was not explained: name both in `class_ids` of `explain`.

        Example:
            >>> explanation = bagnet_tf.explain(model, images, class_ids=[3, 5])
            >>> explanation.contrast(0, class_a=3, class_b=5).mean()
        """
        _check_index("image", image, len(self.logits))
        explained = self.class_ids[image].tolist()
        listed = ", ".join(map(str, explained))
        for name, class_id in (("class_a", class_a), ("class_b", class_b)):
            if class_id not in explained:
                raise ValueError(
                    f"{name} must be an explained class, one of {listed}. "
                    f"Received: {name}={class_id!r}"
                )
        evidence = self.class_evidence[image].astype(np.float64)
        return (
            evidence[..., explained.index(class_a)]
            - evidence[..., explained.index(class_b)]
        )

    def decomposition(self, image: int = 0) -> list[dict[str, Any]]:
        """What each patch adds to the logit of each explained class.

        Args:
            image: Index in the batch.

        Returns:
            A row for each explained class and patch: `class_id`, `row`,
            `col`, the patch's box in input pixels (`top`, `left`, `bottom`,
            `right`), `evidence`, `contribution`, under a softmax head
            `centred_contribution`, and `patch_probability` where known. Over
            the rows of a class, contributions add up to its logit, centred
            ones to its class-centred logit.

        Raises:
            ValueError: If `image` is not in the batch.
        """
        _check_index("image", image, len(self.logits))
        evidence = self.class_evidence[image].astype(np.float64)
        centred = self.centred_evidence[image].astype(np.float64)
        patches = evidence.shape[0] * evidence.shape[1]
        table = []
        for index, class_id in enumerate(self.class_ids[image].tolist()):
            for row, col in np.ndindex(evidence.shape[:2]):
                cell = row, col, index
                entry = {"class_id": class_id, "row": row, "col": col}
                entry |= self.geometry.box(row, col)._asdict()
                entry["evidence"] = float(evidence[cell])
                entry["contribution"] = float(evidence[cell] / patches)
                if is_centred(self.head):
                    centred_part = float(centred[cell] / patches)
                    entry["centred_contribution"] = centred_part
                if self.patch_probabilities is not None:
                    probability = self.patch_probabilities[image][cell]
                    entry["patch_probability"] = float(probability)
                table.append(entry)
        return table

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

    def to_json(
        self, image: int = 0, labels: Sequence[str] = ()
    ) -> dict[str, Any]:
        """One image's explanation as JSON-ready values.

        Args:
            image: Index in the batch.
            labels: Class names; without them, `class 0` and so on.

        Returns:
            A dict with the grid, the head, per class its probability, logit
            and evidence map (under a softmax head the class-centred one too),
            and the patches that speak most for and most against the first
            class, by the evidence that is named.
        """
        classes = []
        for index, class_id in enumerate(self.class_ids[image]):
            name = labels[class_id] if len(labels) else f"class {class_id}"
            evidence = self.class_evidence[image, :, :, index]
            entry = {
                "class_id": int(class_id),
                "label": name,
                "probability": float(self.probabilities[image, class_id]),
                "logit": float(self.logits[image, class_id]),
                "mean_class_evidence": float(evidence.mean(dtype=np.float64)),
                "class_evidence": evidence.tolist(),
            }
            if is_centred(self.head):
                centred = self.centred_evidence[image, :, :, index]
                entry["class_centred_evidence"] = centred.tolist()
            classes.append(entry)
        return {
            "receptive_field": self.geometry.receptive_field,
            "stride": self.geometry.stride,
            "grid_shape": list(self.class_evidence.shape[1:3]),
            "additivity_error": float(self.additivity_error[image]),
            "head": self.head,
            "patches_ranked_by": self.evidence_name,
            "classes": classes,
            "top_patches": _as_dicts(self.top_patches(image)),
            "patches_against": _as_dicts(self.top_patches(image, against=True)),
        }


def _as_dicts(patches) -> list[dict]:
    return [
        {**dataclasses.asdict(patch), "box": patch.box._asdict()}
        for patch in patches
    ]


def _check_index(name, index, length):
    if not 0 <= index < length:
        raise ValueError(
            f"{name} must be in [0, {length}). Received: {name}={index}"
        )


def _overlap(a: Box, b: Box) -> bool:
    return (
        a.top < b.bottom
        and b.top < a.bottom
        and a.left < b.right
        and b.left < a.right
    )
