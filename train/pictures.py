"""What does a model's evidence look like while it is trained?"""

import functools

import keras
import ml_collections
import numpy as np

from bagnet_tf.datasets import ImageSource
from bagnet_tf.datasets.batches import evaluation_batches
from bagnet_tf.evidence import class_centred, patch_logits_model
from bagnet_tf.geometry import geometry_of
from bagnet_tf.heads import is_centred
from bagnet_tf.layout import map_extent
from bagnet_tf.photo_maps import map_on_photo
from bagnet_tf.photos import CropTransform
from bagnet_tf.rendering import colour_limit, overlay_on_photo

from .label_scores import shown_classes

NUM_PICTURES = 8


class EvidencePictures:
    """Evidence on the first held-out photos, always the same ones."""

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        source: ImageSource,
        model: keras.Model,
    ):
        """Nothing is read yet.

        Args:
            config: See `train/configs`.
            source: Where the photos come from.
            model: A BagNet; its weights may change between calls.
        """
        self._config = config
        self._source = source
        self._network = patch_logits_model(model)
        self._geometry = geometry_of(model)

    def __call__(self) -> np.ndarray:
        """Draws the evidence for a true class of each, on one scale.

        Of several true classes the most probable one is shown, and the most
        probable of all where none is true.

        Returns:
            uint8 (photos, height, width, 3), like the model's input.
        """
        images, labels = self._photos
        outputs = self._network(images)
        logits = outputs["logits"].numpy()
        evidence = outputs["patch_logits"].numpy()
        if is_centred(self._config.head):
            evidence = class_centred(evidence)
        true = shown_classes(labels, logits.shape[1])
        true |= ~true.any(axis=1, keepdims=True)
        class_ids = np.where(true, logits, -np.inf).argmax(axis=1)
        maps = evidence[np.arange(len(labels)), :, :, class_ids]
        extent = map_extent(self._geometry, maps.shape[1:])
        shape = images.shape[1:3]
        whole = CropTransform(shape, shape, 0, 0)
        limit = colour_limit(maps)
        return np.stack(
            [
                overlay_on_photo(
                    image, map_on_photo(one, extent, whole, shape), limit
                )
                for image, one in zip(_visible(images), maps, strict=True)
            ]
        )

    @functools.cached_property
    def _photos(self) -> tuple[np.ndarray, np.ndarray]:
        """The photos and their labels, class ids or sets of classes."""
        size = self._config.eval_image_size
        batches = evaluation_batches(
            self._source,
            self._config.holdout_split,
            (size, size),
            NUM_PICTURES,
        )
        first = next(iter(batches))
        return first["image"].numpy(), first["label"].numpy()


def _visible(images: np.ndarray) -> np.ndarray:
    """RGB and grey as they are; of other channels their mean, as grey."""
    if images.shape[-1] in (1, 3):
        return images
    return images.mean(axis=-1, keepdims=True).astype(np.uint8)
