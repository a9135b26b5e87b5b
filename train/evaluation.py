"""How well does a model do on a split? Decisions, and evidence on masks."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm

from bagnet_tf.datasets import ImageSource
from bagnet_tf.datasets.batches import (
    corrupt_images_named,
    evaluation_batches,
)
from bagnet_tf.datasets.classes import check_labels
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.geometry import geometry_of, has_patches

from .binary_scores import fit_operating_points
from .calibration import fit_temperature
from .label_scores import LabelScores, shown_classes
from .mask_scores import EvidenceBatch, HitScores, MaskScores, MaskScoring
from .replicas import over_replicas
from .scores import ClassificationScores
from .set_scores import SetScores

_NO_PATCHES = (
    "model must be a BagNet for {}. Received: a network without patches"
)


class Evaluator:
    """Scores a model on splits of one source.

    Its graphs are traced once, so that a model can be scored every epoch.

    Example:
        >>> evaluate = Evaluator(model, image_source("glyphs"), (64, 64))
        >>> fitted = evaluate.fit("train[90%:]")
        >>> evaluate("validation", fitted)["top1"]["value"]
    """

    def __init__(
        self,
        model: keras.Model,
        source: ImageSource,
        image_size: tuple[int, int],
        batch_size: int = 64,
        mask_scoring: MaskScoring | None = None,
        head: str = "softmax",
        strategy: tf.distribute.Strategy | None = None,
        class_ids: Sequence[int] | None = None,
        score_evidence: bool = True,
    ):
        """Prepares to score a model.

        Args:
            model: A classifier, made within the scope of `strategy`.
            source: Where the photos come from.
            image_size: (height, width) of the input, pixels.
            batch_size: Photos a step; it changes the speed only.
            mask_scoring: What to measure of whole maps on masks; by default
                nothing.
            head: What the logits mean (see `bagnet_tf.heads`).
            strategy: How to distribute; by default not at all. Every worker
                reads all photos, computes its part and scores all.
            class_ids: The model's class id of each class of the source, to
                which the decision is restricted; by default they are the same.
            score_evidence: Whether to score hits where the source has masks,
                which takes patch logits of this and of an untrained network.

        Raises:
            ValueError: If the source's classes or labels do not fit model and
                head, or masks are to be scored and the source has none or the
                model no patches.
        """
        classes = model.output_shape[-1]
        self._class_ids = (
            tuple(range(classes)) if class_ids is None else tuple(class_ids)
        )
        self._source = source
        self._head = head
        self._mask_scoring = mask_scoring
        self._image_size = image_size
        self._batch_size = batch_size
        self._strategy = strategy or tf.distribute.get_strategy()
        self._check(model)
        self._logits = self._network(
            lambda images: {"logits": model(images, training=False)}
        )
        self._patch_logits = self._untrained = None
        if has_patches(model):
            self._geometry = geometry_of(model)
            self._patch_logits = self._patch_network(model)
            if source.has_masks and (score_evidence or mask_scoring):
                with self._strategy.scope():
                    # The same architecture with new random weights.
                    untrained = keras.models.clone_model(model)
                self._untrained = self._patch_network(untrained)
        activation = keras.activations.get(head)
        # One graph for all batch sizes.
        self._probabilities = tf.function(
            lambda images: activation(
                self._chosen(model(images, training=False))
            ),
            input_signature=[
                tf.TensorSpec((None, *image_size, model.input_shape[-1]))
            ],
        )

    @property
    def criterion(self) -> str:
        """Which score, `scores[criterion]["value"]`, tells models apart."""
        return "mean_auroc" if self._head == "sigmoid" else "top1"

    def fit(self, split: str) -> dict:
        """Fits what is chosen on a held-out split.

        Args:
            split: Which photos, in TFDS's slicing grammar: neither trained on
                nor reported.

        Returns:
            JSON-ready. Of a softmax head, the `temperature` with which
            probabilities fit best. Of a sigmoid head, and of two classes for
            class 1, `operating_points`: see `fit_operating_points`.

        Raises:
            ValueError: If the split is unknown, an image cannot be decoded, or
                labels are sets of right answers.
        """
        if self._source.any_of:
            raise ValueError(
                "dataset must have labels to fit on, not sets of right "
                f"answers. Received: dataset={self._source.name!r}"
            )
        logits, labels = [], []
        for batch, outputs in self._outputs(split, self._logits):
            logits.append(outputs["logits"].numpy())
            labels.append(batch["label"].numpy())
        logits, labels = np.concatenate(logits), np.concatenate(labels)
        shown = shown_classes(labels, logits.shape[1])
        names = self._source.labels
        if self._head == "sigmoid":
            points = fit_operating_points(
                logits, shown, range(len(names)), names
            )
            return {"operating_points": points}
        fitted = {"temperature": fit_temperature(logits, labels)}
        if len(names) == 2:
            contrast = logits[:, 1:] - logits[:, :1]
            fitted["operating_points"] = fit_operating_points(
                contrast, shown[:, 1:], [1], names[1:]
            )
        return fitted

    def __call__(
        self,
        split: str,
        fitted: Mapping | None = None,
        keep: Callable[..., None] | None = None,
    ) -> dict:
        """Scores the model under the evaluation transform.

        Args:
            split: Which photos, in TFDS's slicing grammar.
            fitted: What `fit` found on a held-out split; by default nothing.
            keep: Takes ids, labels, logits and patch logits of every batch
                (see `PatchLogitsWriter.add`). All workers need one, or none.

        Returns:
            Of a softmax head what `ClassificationScores.result` gives, or
            `SetScores.result` where labels are sets of right answers; of a
            sigmoid head, `LabelScores.result`. And, where the source has
            masks, `evidence_hits` (see `HitScores.result`) and, if asked for,
            `mask_scores` (see `MaskScores.result`).

        Raises:
            ValueError: If the split is unknown, an image cannot be decoded, or
                patch logits are to be kept and the model has none.
        """
        if keep and not self._patch_logits:
            raise ValueError(_NO_PATCHES.format("patch logits"))
        scores = self._decision_scores(fitted or {})
        mask_scores = self._mask_scores()
        network = self._logits
        if mask_scores or keep:
            network = self._patch_logits
        for batch, outputs in self._outputs(split, network):
            logits, labels = outputs["logits"].numpy(), batch["label"].numpy()
            scores.update(logits, labels)
            if mask_scores:
                untrained = self._untrained(batch["image"], self._batch_size)
                evidence = EvidenceBatch.of_outputs(
                    batch, outputs, untrained, self._head
                )
                for score in mask_scores.values():
                    score.update(evidence)
            if keep:
                ids = [os.fsdecode(name) for name in batch["id"].numpy()]
                maps = outputs["patch_logits"].numpy()
                keep(ids, labels, logits, maps)
        return scores.result() | {
            name: score.result() for name, score in mask_scores.items()
        }

    def _check(self, model):
        source = self._source
        check_labels(source, self._head, len(self._class_ids))
        if self._mask_scoring and not has_patches(model):
            raise ValueError(_NO_PATCHES.format("--masks"))
        if self._mask_scoring and not source.has_masks:
            raise ValueError(
                "dataset must have masks of the true evidence (--masks): "
                "glyphs, or folder:PATH with PATH/masks/SPLIT/CLASS/STEM.png "
                "for PATH/SPLIT/CLASS/STEM.jpg, or PATH/masks/CLASS/STEM.png "
                "for PATH/CLASS/STEM.jpg. "
                f"Received: dataset={source.name!r}"
            )

    def _network(self, network: Callable) -> Callable:
        """From images to the outputs of the source's classes."""
        return over_replicas(
            lambda images: {
                name: self._chosen(value)
                for name, value in network(images).items()
            },
            self._strategy,
        )

    def _patch_network(self, model: keras.Model) -> Callable:
        network = patch_logits_model(model)
        return self._network(lambda images: network(images, training=False))

    def _chosen(self, logits: tf.Tensor) -> tf.Tensor:
        """Those of the source's classes, in its order."""
        if self._class_ids == tuple(range(logits.shape[-1])):
            return logits
        return tf.gather(logits, self._class_ids, axis=-1)

    def _outputs(
        self, split: str, network: Callable
    ) -> Iterator[tuple[dict, dict]]:
        """Yields the batches of a split, and a network's outputs."""
        source = self._source
        batches = evaluation_batches(
            source, split, self._image_size, self._batch_size
        )
        progress = tqdm.tqdm(
            desc=split,
            total=source.num_examples(split),
            unit="image",
            disable=None,  # Shown where stderr is a terminal.
        )
        with progress, corrupt_images_named(source, split):
            for batch in batches:
                yield batch, network(batch["image"], self._batch_size)
                progress.update(len(batch["label"]))

    def _decision_scores(self, fitted: Mapping):
        """Scores that start from zero, of the kind that labels and head ask."""
        temperature = fitted.get("temperature")
        thresholds = {
            point["class_id"]: point["threshold"]
            for point in fitted.get("operating_points") or ()
        }
        classes = len(self._class_ids)
        if self._head == "sigmoid":
            return LabelScores(classes, thresholds)
        if self._source.any_of:
            return SetScores(temperature)
        return ClassificationScores(classes, temperature, thresholds.get(1))

    def _mask_scores(self) -> dict:
        """Scores that start from zero, by name; none without masks."""
        scores = {}
        if self._untrained:
            scores["evidence_hits"] = HitScores(self._geometry)
        if self._mask_scoring:
            scores["mask_scores"] = MaskScores(
                self._geometry,
                lambda images: self._probabilities(images).numpy(),
                self._mask_scoring,
                self._head,
            )
        return scores
