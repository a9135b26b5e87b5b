"""How is a model written as a SavedModel, and how is that file run?"""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.model_info import ModelInfo

from .signatures import (
    IMAGE_BYTES,
    InferenceGraph,
    ReusableModel,
    saved_model_signatures,
)


def write_saved_model(
    model: keras.Model, info: ModelInfo, path: pathlib.Path
) -> None:
    """Writes a SavedModel: signatures, and a trainable callable object.

    Args:
        model: A BagNet with a classifier and `include_preprocessing`.
        info: Its head, and the size to which encoded photos are brought.
        path: The folder to write.

    Raises:
        ValueError: If `model` is no such BagNet.
    """
    graph = InferenceGraph(model, info.head)
    tf.saved_model.save(
        ReusableModel(graph),
        str(path),
        signatures=saved_model_signatures(graph, info.image_size),
    )


class SavedModelRunner:
    """A written SavedModel, reloaded by TensorFlow alone."""

    def __init__(self, path: pathlib.Path):
        """Loads the folder `path`."""
        self._loaded = tf.saved_model.load(str(path))

    def __call__(
        self, images: np.ndarray, class_ids: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Runs every signature, and the object itself.

        Args:
            images: uint8 (batch, height, width, channels), of the model's
                size.
            class_ids: int32 (batch, k), for the signature `class_evidence`.

        Returns:
            The outputs, by `signature.output`.
        """
        signatures = self._loaded.signatures
        image = tf.constant(images, tf.float32)
        inputs = {
            "serving_default": {"image": image},
            "patch_logits": {"image": image},
            "class_evidence": {
                "image": image,
                "class_ids": tf.constant(class_ids, tf.int32),
            },
        }
        if IMAGE_BYTES in signatures:
            encoded = [tf.io.encode_png(one).numpy() for one in images]
            inputs[IMAGE_BYTES] = {"image_bytes": tf.constant(encoded)}
        outputs = {
            f"{signature}.{name}": value.numpy()
            for signature, arguments in inputs.items()
            for name, value in signatures[signature](**arguments).items()
        }
        logits = self._loaded(image, training=False)
        return {**outputs, "__call__.logits": logits.numpy()}
