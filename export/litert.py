"""How is a model written as a LiteRT file, and how is that file run?"""

import os
import pathlib
import tempfile
import time

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from .request import Request
from .signatures import (
    PATCH_LOGITS,
    SERVING_DEFAULT,
    Weights,
    litert_signatures,
)


def write_litert(request: Request, path: pathlib.Path) -> None:
    """Writes a float32 `.tflite` file of LiteRT's own operations.

    Args:
        request: The model and its input size.
        path: The file to write.

    Raises:
        ValueError: If the model has no classifier or does not normalise.
    """
    graph = request.graph
    signatures = litert_signatures(
        graph, request.info.image_size, request.input_type
    )
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
    """A written `.tflite` file, reloaded by LiteRT alone.

    Attributes:
        seconds: How long the signature `patch_logits` took for each image.
    """

    def __init__(self, path: pathlib.Path, num_threads: int | None = None):
        """Loads the file `path`, to run on so many threads, or all cores."""
        self._interpreter = Interpreter(
            model_path=str(path), num_threads=num_threads or os.cpu_count()
        )
        self.seconds = []

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
        for signature in (SERVING_DEFAULT, PATCH_LOGITS):
            run = self._interpreter.get_signature_runner(signature)
            dtype = run.get_input_details()["image"]["dtype"]
            parts = []
            for image in images.astype(dtype):
                start = time.perf_counter()
                parts.append(run(image=image[None]))
                if signature == PATCH_LOGITS:
                    self.seconds.append(time.perf_counter() - start)
            for name in parts[0]:
                outputs[f"{signature}.{name}"] = np.concatenate(
                    [part[name] for part in parts]
                )
        return outputs
