"""Where do patch logits to certify come from? A model on a split, or a folder.

Both give the same: what they are of, and batches of labels and patch logits.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from bagnet_tf.datasets import image_source
from bagnet_tf.datasets.batches import (
    corrupt_images_named,
    evaluation_batches,
)
from bagnet_tf.datasets.classes import check_labels, matching_classes
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.geometry import PatchGeometry, geometry_of
from bagnet_tf.loading import load_model
from bagnet_tf.stored_patch_logits import StoredPatchLogits

Batches = Iterator[tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class PatchLogits:
    """Patch logits of a split.

    Attributes:
        facts: What they are of, JSON-ready: `model`, `dataset`, `split`,
            `image_size`.
        geometry: Receptive field and stride.
        image_size: (height, width) of the model's input, pixels.
        count: Number of images.
        batches: Gives labels, int64 (batch,), and patch logits, float32
            (batch, rows, cols, classes), from the first image on.
    """

    facts: dict
    geometry: PatchGeometry
    image_size: tuple[int, int]
    count: int
    batches: Callable[[], Batches]


class ModelPatchLogits:
    """What a model makes of the splits of a dataset."""

    def __init__(
        self,
        model: str,
        dataset: str,
        data_dir: str | None = None,
        image_size: int | None = None,
        skip_corrupt: bool = False,
        batch_size: int = 64,
    ):
        """Opens model and dataset.

        Args:
            model: A `.keras` file, or the name of a preset.
            dataset: As `image_source` takes it.
            data_dir: Folder of TFDS datasets.
            image_size: Side of the input, pixels; by default the model's own.
            skip_corrupt: Whether to go without images that are corrupt.
            batch_size: Images a step.

        Raises:
            ValueError: If they cannot be opened or do not belong together, or
                the model's head is not softmax, or labels are not one class
                an image.
        """
        self._name = model
        self._model, self._info = load_model(model, image_size)
        self.source = image_source(
            dataset, data_dir, skip_corrupt, self._model.input_shape[-1]
        )
        self._class_ids = matching_classes(self._info, self.source)
        check_labels(self.source, self._info.head, len(self._class_ids))
        check_single(self._info.head, self.source.any_of, dataset)
        self._geometry = geometry_of(self._model)
        self._batch_size = batch_size
        network = patch_logits_model(self._model)
        size = *self._info.image_size, self._model.input_shape[-1]
        self._run = tf.function(
            lambda images: network(images, training=False)["patch_logits"],
            input_signature=[tf.TensorSpec((None, *size))],
        )

    def of(self, split: str) -> PatchLogits:
        """The patch logits of a split, computed as they are asked for.

        Raises:
            ValueError: If the split is unknown.
        """
        facts = {
            "model": self._name,
            "dataset": self.source.name,
            "split": split,
            "image_size": list(self._info.image_size),
        }
        return PatchLogits(
            facts,
            self._geometry,
            self._info.image_size,
            self.source.num_examples(split),
            lambda: self._batches(split),
        )

    def _batches(self, split) -> Batches:
        batches = evaluation_batches(
            self.source, split, self._info.image_size, self._batch_size
        )
        restricted = self._class_ids != tuple(range(len(self._info.labels)))
        with corrupt_images_named(self.source, split):
            for batch in batches:
                images = tf.cast(batch["image"], tf.float32)
                patch_logits = self._run(images).numpy()
                if restricted:
                    patch_logits = patch_logits[..., self._class_ids]
                yield batch["label"].numpy(), patch_logits


def stored(folder: str) -> PatchLogits:
    """Patch logits that `train.evaluate --store_patch_logits` has written.

    Raises:
        ValueError: If the folder is not whole, or labels are not one class an
            image.
    """
    patch_logits = StoredPatchLogits(folder)
    manifest = patch_logits.manifest
    head = manifest.get("head", "softmax")
    keys = "model", "dataset", "split", "image_size"
    facts = {key: manifest.get(key) for key in keys}

    def batches():
        for batch in patch_logits.batches():
            check_single(head, batch.labels.ndim > 1, folder)
            yield batch.labels, batch.patch_logits.astype(np.float32)

    grid_shape = patch_logits.grid_shape
    geometry = patch_logits.geometry
    last = geometry.box(*(cells - 1 for cells in grid_shape))
    return PatchLogits(
        facts | {"patch_logits": folder},
        geometry,
        tuple(facts["image_size"] or last[2:]),
        len(patch_logits),
        batches,
    )


def check_single(head: str, several: bool, name: str) -> None:
    """Refuses what is not a decision for one class.

    Raises:
        ValueError: If the head is not softmax, or labels are several.
    """
    if head != "softmax" or several:
        raise ValueError(
            "Certified is the decision for one of several classes: head must "
            "be softmax, and labels one class an image. "
            f"Received: head={head!r}, dataset={name!r}"
        )
