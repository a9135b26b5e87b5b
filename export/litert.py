"""How is a model written as a LiteRT file, and how is that file run?"""

import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from bagnet_tf.model_info import ModelInfo

from .signatures import InferenceGraph, Weights, litert_signatures


def write_litert(
    model: keras.Model, info: ModelInfo, path: pathlib.Path
) -> None:
    """Writes a float32 `.tflite` file of LiteRT's own operations.

    Args:
        model: A BagNet with a classifier and `include_preprocessing`.
        info: Its input size.
        path: The file to write.

    Raises:
        ValueError: If `model` is no such BagNet.
    """
    graph = InferenceGraph(model, info.head)
    signatures = litert_signatures(graph, info.image_size)
    with tempfile.TemporaryDirectory() as static_model:
        tf.saved_model.save(Weights(graph.network), static_model, signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            static_model, signature_keys=list(signatures)
        )
        # By default an operation that LiteRT lacks would go in as one of
        # TensorFlow's, which phones and browsers cannot run.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class LiteRTRunner:
    """A written `.tflite` file, reloaded by LiteRT alone."""

    def __init__(self, path: pathlib.Path):
        """Loads the file `path`."""
        self._interpreter = Interpreter(model_path=str(path))

    def __call__(
        self, images: np.ndarray, class_ids: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Runs both signatures, image by image.

        Args:
            images: uint8 (batch, height, width, channels), of the file's
                size.
            class_ids: Not used.

        Returns:
            The outputs, by `signature.output`.
        """
        del class_ids
        outputs = {}
        for signature in ("serving_default", "patch_logits"):
            run = self._interpreter.get_signature_runner(signature)
            parts = [run(image=one[None].astype(np.float32)) for one in images]
            for name in parts[0]:
                outputs[f"{signature}.{name}"] = np.concatenate(
                    [part[name] for part in parts]
                )
        return outputs
