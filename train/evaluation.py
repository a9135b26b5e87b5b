"""How well does a model do on a split? Decisions, and evidence on masks."""

import sys
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.datasets import ImageSource
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.geometry import geometry_of

from .calibration import fit_temperature
from .mask_scores import EvidenceBatch, HitScores, MaskScores, MaskScoring
from .pipeline import corrupt_images_named, evaluation_batches
from .scores import ClassificationScores


class Evaluator:
    """Scores a model on splits of one source.

    Its graphs are traced once, so that a model can be scored every epoch.

    Example:
        >>> evaluate = Evaluator(model, image_source("glyphs"), (64, 64))
        >>> evaluate("validation")["top1"]["value"]
    """

    def __init__(
        self,
        model: keras.Model,
        source: ImageSource,
        image_size: tuple[int, int],
        batch_size: int = 64,
        mask_scoring: MaskScoring | None = None,
    ):
        """Prepares to score a model.

        Args:
            model: A BagNet whose classes are those of the source.
            source: Where the photos come from.
            image_size: (height, width) of the input, pixels.
            batch_size: Photos a step; it changes the speed only.
            mask_scoring: What to measure of whole maps on masks; by default
                nothing.

        Raises:
            ValueError: If model and source have different numbers of classes,
                or masks are to be scored and the source has none.
        """
        self._classes = model.output_shape[-1]
        if self._classes != len(source.labels):
            raise ValueError(
                f"dataset {source.name!r} has {len(source.labels)} classes, "
                f"but the model has {self._classes}"
            )
        if mask_scoring and not source.has_masks:
            raise ValueError(
                "dataset must have masks of the true evidence (--masks): "
                "glyphs, or folder:PATH with PATH/masks/SPLIT/CLASS/STEM.png "
                "for PATH/SPLIT/CLASS/STEM.jpg, or PATH/masks/CLASS/STEM.png "
                "for PATH/CLASS/STEM.jpg. "
                f"Received: dataset={source.name!r}"
            )
        self._source = source
        self._mask_scoring = mask_scoring
        self._image_size = image_size
        self._batch_size = batch_size
        self._geometry = geometry_of(model)
        if source.has_masks:
            self._predict = tf.function(patch_logits_model(model))
            # The same architecture with new random weights.
            untrained = keras.models.clone_model(model)
            self._untrained = tf.function(patch_logits_model(untrained))
            # One graph for all batch sizes.
            self._probabilities = tf.function(
                lambda images: tf.nn.softmax(model(images, training=False)),
                input_signature=[
                    tf.TensorSpec((None, *image_size, model.input_shape[-1]))
                ],
            )
        else:
            network = tf.function(model)
            self._predict = lambda image, training: {
                "logits": network(image, training=training)
            }

    def fit_temperature(self, split: str) -> float:
        """The temperature with which probabilities fit a held-out split best.

        Args:
            split: Which photos, in TFDS's slicing grammar: neither trained on
                nor reported.

        Raises:
            ValueError: If the split is unknown or an image cannot be decoded.
        """
        logits, labels = [], []
        for batch, outputs in self._outputs(split):
            logits.append(outputs["logits"].numpy())
            labels.append(batch["label"].numpy())
        return fit_temperature(np.concatenate(logits), np.concatenate(labels))

    def __call__(self, split: str, temperature: float | None = None) -> dict:
        """Scores the model under the evaluation transform.

        Args:
            split: Which photos, in TFDS's slicing grammar.
            temperature: What logits are divided by, for a second score of the
                probabilities.

        Returns:
            What `ClassificationScores.result` gives and, where the source has
            masks, `evidence_hits` (see `HitScores.result`) and, if asked for,
            `mask_scores` (see `MaskScores.result`).

        Raises:
            ValueError: If the split is unknown or an image cannot be decoded.
        """
        scores = ClassificationScores(self._classes, temperature)
        mask_scores = self._mask_scores()
        for batch, outputs in self._outputs(split):
            scores.update(outputs["logits"].numpy(), batch["label"].numpy())
            if mask_scores:
                untrained = self._untrained(batch["image"], training=False)
                evidence = EvidenceBatch.of_outputs(batch, outputs, untrained)
                for score in mask_scores.values():
                    score.update(evidence)
        return scores.result() | {
            name: score.result() for name, score in mask_scores.items()
        }

    def _outputs(self, split: str) -> Iterator[tuple[dict, dict]]:
        """Yields the batches of a split, and the network's outputs."""
        source = self._source
        batches = evaluation_batches(
            source, split, self._image_size, self._batch_size
        )
        steps = -(-source.num_examples(split) // self._batch_size)
        progress = keras.utils.Progbar(steps) if sys.stdout.isatty() else None
        with corrupt_images_named(source, split):
            for batch in batches:
                yield batch, self._predict(batch["image"], training=False)
                if progress:
                    progress.add(1)

    def _mask_scores(self) -> dict:
        """Scores that start from zero, by name; none without masks."""
        scores = {}
        if self._source.has_masks:
            scores["evidence_hits"] = HitScores(self._geometry)
        if self._mask_scoring:
            scores["mask_scores"] = MaskScores(
                self._geometry,
                lambda images: self._probabilities(images).numpy(),
                self._mask_scoring,
            )
        return scores
