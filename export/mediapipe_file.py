"""How is a model written for MediaPipe's ImageClassifier?

That takes a .tflite file of one subgraph and one output, with a label file
and the normalisation written into it.
"""

import os
import pathlib
import time
import zipfile

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from .classifier_metadata import LABELS_FILE, with_classifier_metadata
from .client.signature_names import SERVING_DEFAULT
from .conversion import converted
from .request import Request

RGB_CHANNELS = (3,)


def write_mediapipe(request: Request, path: pathlib.Path) -> None:
    """Writes a classifier of single RGB images: probabilities, no evidence.

    Args:
        request: The model, its input size and type, labels and head.
        path: The file to write.

    Raises:
        ValueError: If the model has no classifier, does not normalise or takes
            no RGB.
    """
    graph, size = request.graph, request.info.image_size
    channels = graph.image_spec.shape[-1]
    if channels not in RGB_CHANNELS:
        raise ValueError(
            "MediaPipe gives a classifier RGB images, 3 channels: formats "
            "must be without mediapipe for this model. "
            f"Received: model={request.model.name!r} of {channels} channels"
        )
    spec = tf.TensorSpec((1, *size, channels), request.input_type, name="image")

    def predict(image):
        outputs = graph.predict(tf.cast(image, tf.float32))
        return {"probabilities": outputs["probabilities"]}

    traced = tf.function(predict, autograph=False)
    signatures = {SERVING_DEFAULT: traced.get_concrete_function(spec)}
    content = converted(graph.network, signatures)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        with_classifier_metadata(
            content, request.model.name, request.info.labels
        )
    )


class MediaPipeRunner:
    """A written classifier, reloaded by LiteRT, which runs it in MediaPipe.

    MediaPipe's own ImageClassifier gives the best classes only, and cannot be
    installed beside TensorFlow: a test compares its answers.

    Attributes:
        seconds: How long each image took.
    """

    def __init__(self, path: pathlib.Path):
        """Loads the file `path`.

        Raises:
            ValueError: If its label file has not a name for each class.
        """
        self._interpreter = Interpreter(
            model_path=str(path), num_threads=os.cpu_count()
        )
        self._run = self._interpreter.get_signature_runner(SERVING_DEFAULT)
        with zipfile.ZipFile(path) as archive:
            labels = archive.read(LABELS_FILE).decode().splitlines()
        output = self._run.get_output_details()["probabilities"]
        classes = int(output["shape"][-1])
        if len(labels) != classes:
            raise ValueError(
                f"{LABELS_FILE} in the file must have {classes} labels. "
                f"Received: {len(labels)}"
            )
        self.seconds = []

    def __call__(
        self, images: np.ndarray, class_ids: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Classifies image by image.

        Args:
            images: uint8 (batch, height, width, 3), of the file's size.
            class_ids: Not used.

        Returns:
            The outputs, by `signature.output`.
        """
        del class_ids
        dtype = self._run.get_input_details()["image"]["dtype"]
        parts = []
        for image in images.astype(dtype):
            start = time.perf_counter()
            parts.append(self._run(image=image[None])["probabilities"])
            self.seconds.append(time.perf_counter() - start)
        return {f"{SERVING_DEFAULT}.probabilities": np.concatenate(parts)}
