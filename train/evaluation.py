"""How well does a model do on a split? Decisions, and evidence on masks."""

import sys

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.datasets import ImageSource
from bagnet_tf.evidence import class_centred, patch_logits_model
from bagnet_tf.geometry import geometry_of
from bagnet_tf.localization import mask_at_centres, strongest_patch_hits

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
    ):
        """Prepares to score a model.

        Args:
            model: A BagNet whose classes are those of the source.
            source: Where the photos come from.
            image_size: (height, width) of the input, pixels.
            batch_size: Photos a step; it changes the speed only.

        Raises:
            ValueError: If model and source have different numbers of classes.
        """
        self._classes = model.output_shape[-1]
        if self._classes != len(source.labels):
            raise ValueError(
                f"dataset {source.name!r} has {len(source.labels)} classes, "
                f"but the model has {self._classes}"
            )
        self._source = source
        self._image_size = image_size
        self._batch_size = batch_size
        self._geometry = geometry_of(model)
        if source.has_masks:
            self._predict = tf.function(patch_logits_model(model))
            # The same architecture with new random weights.
            untrained = keras.models.clone_model(model)
            self._untrained = tf.function(patch_logits_model(untrained))
        else:
            network = tf.function(model)
            self._predict = lambda image, training: {
                "logits": network(image, training=training)
            }

    def __call__(self, split: str) -> dict:
        """Scores the model under the evaluation transform.

        Args:
            split: Which photos, in TFDS's slicing grammar.

        Returns:
            What `ClassificationScores.result` gives and, where the source has
            masks, `evidence_hits` (see `_HitScores.result`).

        Raises:
            ValueError: If the split is unknown or an image cannot be decoded.
        """
        source = self._source
        scores = ClassificationScores(self._classes)
        hits = None
        if source.has_masks:
            hits = _HitScores(self._geometry, self._untrained)
        batches = evaluation_batches(
            source, split, self._image_size, self._batch_size
        )
        steps = -(-source.num_examples(split) // self._batch_size)
        progress = keras.utils.Progbar(steps) if sys.stdout.isatty() else None
        with corrupt_images_named(source, split):
            for batch in batches:
                outputs = self._predict(batch["image"], training=False)
                logits = outputs["logits"].numpy()
                scores.update(logits, batch["label"].numpy())
                if hits:
                    hits.update(outputs["patch_logits"].numpy(), logits, batch)
                if progress:
                    progress.add(1)
        result = scores.result()
        if hits:
            result["evidence_hits"] = hits.result()
        return result


class _HitScores:
    """How often the strongest patch's centre lies in the true mask."""

    def __init__(self, geometry, untrained):
        self._geometry = geometry
        self._untrained = untrained
        self._count = 0
        self._sums = dict.fromkeys(("rate", "chance", "centre", "untrained"), 0)

    def update(self, patch_logits, logits, batch):
        """Counts the correctly classified images of a batch."""
        labels = batch["label"].numpy()
        correct = logits.argmax(axis=-1) == labels
        if not correct.any():
            return
        masks = batch["mask"].numpy()[correct]
        labels = labels[correct]
        # On the whole batch: a graph is traced anew for every batch size.
        untrained = self._untrained(batch["image"], training=False)
        untrained = untrained["patch_logits"].numpy()[correct]
        rows, cols = patch_logits.shape[1:3]
        inside = mask_at_centres(masks, (rows, cols), self._geometry)
        self._count += len(labels)
        self._sums["rate"] += self._hits(patch_logits[correct], labels, masks)
        self._sums["chance"] += inside.mean(axis=(1, 2)).sum()
        self._sums["centre"] += inside[:, rows // 2, cols // 2].sum()
        self._sums["untrained"] += self._hits(untrained, labels, masks)

    def _hits(self, patch_logits, labels, masks):
        centred = class_centred(patch_logits)
        evidence = centred[np.arange(len(labels)), :, :, labels]
        return strongest_patch_hits(evidence, masks, self._geometry).sum()

    def result(self) -> dict:
        """`count` of correctly classified images, and over them the hit rates.

        `rate` of this model's class-centred evidence of the true class,
        `chance` of a random patch, `centre` of the patch in the middle, and
        `untrained` of the same network with random weights.
        """
        count = max(self._count, 1)
        rates = {key: float(total / count) for key, total in self._sums.items()}
        return {"count": self._count, **rates}
