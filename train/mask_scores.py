"""How well does the evidence find the true masks? Summed over batches.

Scored is the evidence of the true class (class-centred under a softmax head, as
it is under a sigmoid head), on the images that are classified correctly and
whose mask (after resizing and cropping) is not empty. Each score stands beside
what it would be without looking: of the same network with random weights, and
of maps that know nothing of the image.
"""

import collections
import dataclasses
from collections.abc import Callable

import numpy as np

from bagnet_tf import localization, mask_scores, perturbation
from bagnet_tf.evidence import class_centred
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.heads import evidence_name, is_centred

from .label_scores import shown_classes

NUM_CURVE_STEPS = 32

_PIXEL_SCORES = {
    "energy_pointing_game": mask_scores.energy_pointing_game,
    "relevance_mass_accuracy": mask_scores.relevance_mass_accuracy,
    "relevance_rank_accuracy": mask_scores.relevance_rank_accuracy,
    "pixel_auroc": mask_scores.pixel_auroc,
    "pixel_average_precision": mask_scores.pixel_average_precision,
}


@dataclasses.dataclass(frozen=True)
class EvidenceBatch:
    """Maps to be scored, and what they should show.

    Attributes:
        images: uint8 (count, height, width, channels).
        labels: True class ids, (count,).
        masks: True evidence, bool (count, height, width).
        evidence: Of the true class, by the network, (count, rows, cols).
        untrained: The same of a network with random weights.
        num_with_mask: Number of images that have a mask, also of those that
            are classified wrongly and not among the others.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    evidence: np.ndarray
    untrained: np.ndarray
    num_with_mask: int

    @classmethod
    def of_outputs(
        cls, batch: dict, outputs: dict, untrained: dict, head: str = "softmax"
    ) -> "EvidenceBatch":
        """Takes the images that are to be scored out of a batch.

        Of several labels none is what the mask shows: an image must have one.
        It is classified correctly if that is the decision or, under a sigmoid
        head, has a probability above one half.

        Args:
            batch: `image`, `label` and `mask` of `evaluation_batches`.
            outputs: `logits` and `patch_logits` of the network.
            untrained: Those of the untrained one.
            head: What the logits mean (see `bagnet_tf.heads`).
        """
        logits, masks = outputs["logits"].numpy(), batch["mask"].numpy()
        shown = shown_classes(batch["label"].numpy(), logits.shape[1])
        labels = shown.argmax(axis=1)
        if is_centred(head):
            correct = logits.argmax(axis=1) == labels
        else:
            correct = logits[np.arange(len(labels)), labels] > 0
        with_mask = masks.any(axis=(1, 2))
        chosen = np.flatnonzero(correct & with_mask & (shown.sum(axis=1) == 1))

        def evidence_of(network_outputs):
            maps = network_outputs["patch_logits"].numpy()
            if is_centred(head):
                maps = class_centred(maps)
            return maps[chosen, :, :, labels[chosen]]

        return cls(
            images=batch["image"].numpy()[chosen],
            labels=labels[chosen],
            masks=masks[chosen],
            evidence=evidence_of(outputs),
            untrained=evidence_of(untrained),
            num_with_mask=int(with_mask.sum()),
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


class HitScores:
    """How often the strongest patch's centre lies in the true mask."""

    def __init__(self, geometry: PatchGeometry):
        """Starts from zero, for patches of this geometry."""
        self._geometry = geometry
        self._count = 0
        self._sums = dict.fromkeys(("rate", "chance", "centre", "untrained"), 0)

    def update(self, batch: EvidenceBatch) -> None:
        """Adds a batch."""
        if not len(batch):
            return
        rows, cols = batch.evidence.shape[1:]
        inside = localization.mask_at_centres(
            batch.masks, (rows, cols), self._geometry
        )
        self._count += len(batch)
        self._sums["rate"] += self._hits(batch.evidence, batch.masks)
        self._sums["chance"] += inside.mean(axis=(1, 2)).sum()
        self._sums["centre"] += inside[:, rows // 2, cols // 2].sum()
        self._sums["untrained"] += self._hits(batch.untrained, batch.masks)

    def _hits(self, evidence, masks):
        return localization.strongest_patch_hits(
            evidence, masks, self._geometry
        ).sum()

    def result(self) -> dict:
        """`count` of scored images, and over them the hit rates.

        `rate` of this model's evidence of the true class, `chance` of a random
        patch, `centre` of the patch in the middle, and `untrained` of the same
        network with random weights.
        """
        count = max(self._count, 1)
        rates = {key: float(total / count) for key, total in self._sums.items()}
        return {"count": self._count, **rates}


@dataclasses.dataclass(frozen=True)
class MaskScoring:
    """What `MaskScores` shall measure.

    Attributes:
        tolerance: Of the pointing game, pixels.
        num_curve_images: How many images, the first ones that are scored, get
            deletion and insertion curves; 0 for none.
    """

    tolerance: int = 15
    num_curve_images: int = 64


class MaskScores:
    """The scores of `bagnet_tf.mask_scores`, and deletion and insertion."""

    def __init__(
        self,
        geometry: PatchGeometry,
        predict: Callable[[np.ndarray], np.ndarray],
        scoring: MaskScoring,
        head: str = "softmax",
    ):
        """Starts from zero.

        Args:
            geometry: Receptive field and stride.
            predict: Images to probabilities; see `bagnet_tf.perturbation`.
            scoring: What to measure.
            head: What the logits mean (see `bagnet_tf.heads`).
        """
        self._geometry = geometry
        self._evidence = f"{evidence_name(head)} of the true class"
        self._predict = predict
        self._scoring = scoring
        self._curves_left = scoring.num_curve_images
        self._count = 0
        self._num_with_mask = 0
        # By score and column: sum and number of the images' values.
        self._totals = collections.defaultdict(
            lambda: collections.defaultdict(lambda: np.zeros(2))
        )
        self._noise = np.random.default_rng(0)

    def update(self, batch: EvidenceBatch) -> None:
        """Adds a batch."""
        self._num_with_mask += batch.num_with_mask
        if not len(batch):
            return
        self._count += len(batch)
        grid_shape = batch.evidence.shape[1:]
        prior = localization.centre_prior(grid_shape)
        grids = {
            "value": batch.evidence,
            "chance": np.ones_like(batch.evidence),
            "untrained": batch.untrained,
            "centre_prior": np.broadcast_to(prior, batch.evidence.shape),
        }
        for column, grid in grids.items():
            self._add_pixel_scores(column, self._spread(grid, batch), batch)
        count = min(self._curves_left, len(batch))
        if count:
            self._curves_left -= count
            # A map that is the same everywhere has no random order, but one
            # from the top down.
            grids["chance"] = self._noise.normal(size=batch.evidence.shape)
            for column, grid in grids.items():
                maps = self._spread(grid, batch)[:count]
                self._add_areas(column, maps, batch)

    def _spread(self, grid, batch):
        return localization.spread_to_pixels(
            grid, batch.masks.shape[1:], self._geometry
        )

    def _add_pixel_scores(self, column, maps, batch):
        points = mask_scores.pointing_game(
            maps, batch.masks, self._scoring.tolerance
        )
        self._add("pointing_game", column, points)
        for name, score in _PIXEL_SCORES.items():
            self._add(name, column, score(maps, batch.masks))

    def _add_areas(self, column, maps, batch):
        for name, curves_of in (
            ("deletion_area", perturbation.deletion_curves),
            ("insertion_area", perturbation.insertion_curves),
        ):
            curves = curves_of(
                self._predict,
                batch.images[: len(maps)],
                maps,
                batch.labels[: len(maps)],
                NUM_CURVE_STEPS,
            )
            self._add(name, column, perturbation.curve_areas(curves))

    def _add(self, name, column, values):
        defined = values[~np.isnan(values)]
        self._totals[name][column] += defined.sum(), len(defined)

    def result(self) -> dict:
        """The means over all images so far, as JSON-ready values.

        Returns:
            `evidence` and `images`, what was scored in words;
            `num_with_mask`, images with a mask; `count`, those of them that
            are classified correctly and scored; `pointing_tolerance`, pixels;
            `num_curve_steps`; and a dict of each score: `pointing_game`,
            `energy_pointing_game`, `relevance_mass_accuracy`,
            `relevance_rank_accuracy`, `pixel_auroc`,
            `pixel_average_precision` (see `bagnet_tf.mask_scores`),
            `deletion_area` (to grey, lower is better) and `insertion_area`
            (from a blurred image; see `bagnet_tf.perturbation`).

            Each has the `count` of images for which it is defined, and the
            means of this model's `value`; of `chance`, a map that is the same
            everywhere (for the areas: random, cell by cell); of the
            `untrained` network's map; and of `centre_prior`. A mean over no
            image is `None`; a score that was not asked for is missing.
        """
        scores = {
            name: {
                "count": int(columns["value"][1]),
                **{
                    column: float(total / count) if count else None
                    for column, (total, count) in columns.items()
                },
            }
            for name, columns in self._totals.items()
        }
        return {
            "evidence": self._evidence,
            "images": "classified correctly, with a mask that is not empty",
            "num_with_mask": self._num_with_mask,
            "count": self._count,
            "pointing_tolerance": self._scoring.tolerance,
            "num_curve_steps": NUM_CURVE_STEPS,
            **scores,
        }
