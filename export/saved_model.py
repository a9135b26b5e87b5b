"""How is a model written as a SavedModel, and how is that file run?"""

import pathlib
import time

import numpy as np
import tensorflow as tf

from bagnet_tf.inference import inference_model

from .client.signature_names import (
    CLASS_EVIDENCE,
    IMAGE_BYTES,
    PATCH_LOGITS,
    ROBUST_LOGITS,
    SERVING_DEFAULT,
)
from .inference_graph import InferenceGraph
from .request import Request
from .signatures import ReusableModel, saved_model_signatures


def write_saved_model(request: Request, path: pathlib.Path) -> None:
    """Writes a SavedModel: signatures, and a trainable callable object.

    Args:
        request: The model, the precision of its convolutions, and the size to
            which encoded photos are brought.
        path: The folder to write.

    Raises:
        ValueError: If the model has no classifier or does not normalise.
    """
    graph = request.graph
    if request.precision != "float32":
        network = inference_model(request.model, request.precision)
        graph = InferenceGraph(request.model, request.info.head, network)
    tf.saved_model.save(
        ReusableModel(graph),
        str(path),
        signatures=saved_model_signatures(
            graph, request.info.image_size, request.robust
        ),
    )


class SavedModelRunner:
    """A written SavedModel, reloaded by TensorFlow alone.

    Attributes:
        seconds: How long the signature `patch_logits` took for each image, of
            a batch.
    """

    def __init__(self, path: pathlib.Path):
        """Loads the folder `path`."""
        self._loaded = tf.saved_model.load(str(path))
        self.seconds = []

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
            SERVING_DEFAULT: {"image": image},
            PATCH_LOGITS: {"image": image},
            CLASS_EVIDENCE: {
                "image": image,
                "class_ids": tf.constant(class_ids, tf.int32),
            },
        }
        if IMAGE_BYTES in signatures:
            encoded = [tf.io.encode_png(one).numpy() for one in images]
            inputs[IMAGE_BYTES] = {"image_bytes": tf.constant(encoded)}
        if ROBUST_LOGITS in signatures:
            inputs[ROBUST_LOGITS] = {"image": image}
        outputs = {}
        for signature, arguments in inputs.items():
            start = time.perf_counter()
            for name, value in signatures[signature](**arguments).items():
                outputs[f"{signature}.{name}"] = value.numpy()
            if signature == PATCH_LOGITS:
                seconds = (time.perf_counter() - start) / len(images)
                self.seconds.extend([seconds] * len(images))
        logits = self._loaded(image, training=False)
        return {**outputs, "__call__.logits": logits.numpy()}
