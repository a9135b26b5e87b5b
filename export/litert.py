"""How is a model written as a LiteRT file, and how is that file run?"""

import functools
import os
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from .client.signature_names import PATCH_LOGITS
from .conversion import converted
from .inference_graph import InferenceGraph
from .litert_contents import check_contents, with_float_classifier
from .quantization import quantized_network
from .request import Request
from .signatures import litert_signatures


def write_litert(request: Request, path: pathlib.Path) -> None:
    """Writes a float32 `.tflite` file of LiteRT's own operations.

    Args:
        request: The model, its input size and the type of its input.
        path: The file to write.

    Raises:
        ValueError: If the model has no classifier or does not normalise.
    """
    _write(_convert(request, request.graph), "FLOAT32", request, path)


def write_litert_fp16(request: Request, path: pathlib.Path) -> None:
    """Writes a file of float16 weights, half as large.

    Runtimes without float16 arithmetic, such as that of a CPU, widen them and
    compute in float32.

    Args:
        request: The model, its input size and the type of its input.
        path: The file to write.

    Raises:
        ValueError: If the model has no classifier or does not normalise.
    """
    content = _convert(
        request,
        request.graph,
        optimizations=[tf.lite.Optimize.DEFAULT],
        supported_types=[tf.float16],
    )
    _write(content, "FLOAT16", request, path)


def write_litert_dynamic(request: Request, path: pathlib.Path) -> None:
    """Writes a file of 8-bit weights whose activations are rounded as they are.

    The runtime measures the range of the activations of every layer and image
    and rounds them to 8 bits for the multiplication ("dynamic range").

    Args:
        request: The model, its input size and the type of its input.
        path: The file to write.

    Raises:
        ValueError: If the model has no classifier or does not normalise.
    """
    content = _convert(
        request, request.graph, optimizations=[tf.lite.Optimize.DEFAULT]
    )
    kernel = request.graph.classifier.kernel.numpy()
    _write(with_float_classifier(content, kernel), "INT8", request, path)


def write_litert_int8(request: Request, path: pathlib.Path) -> None:
    """Writes a file of 8-bit weights and activations, of fixed ranges.

    Pooling and classifier are float32. docs/quantization.md tells how the
    ranges were chosen, and what else was tried.

    Args:
        request: The model, its input size, the type of its input, and images
            to calibrate on.
        path: The file to write.

    Raises:
        ValueError: If the model has no classifier or does not normalise, or
            there are no images.
    """
    calibration = functools.partial(
        request.calibration, request.info.image_size
    )
    network = quantized_network(request.graph.network, calibration)
    _write(convert_int8(request, network), "INT8", request, path)


def convert_int8(request: Request, network: keras.Model) -> bytes:
    """Makes the content of a file of 8-bit weights and activations.

    Args:
        request: The model, its input size and the type of its input.
        network: What stands for it, with rounded activations, as
            `export.quantization` makes it.

    Returns:
        The content; layers whose activations are not rounded stay float32.
    """
    graph = InferenceGraph(request.model, request.info.head, network)
    return _convert(request, graph, optimizations=[tf.lite.Optimize.DEFAULT])


def _convert(request, graph, optimizations=(), supported_types=()) -> bytes:
    signatures = litert_signatures(
        graph, request.info.image_size, request.input_type, request.robust
    )
    return converted(graph.network, signatures, optimizations, supported_types)


def _write(content, convolutions, request, path) -> None:
    classifier = request.graph.classifier.kernel.shape
    num_classifier = int(np.prod(classifier))
    weights = request.graph.network.count_params() - num_classifier
    check_contents(content, convolutions, weights, num_classifier)
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
        """Runs every signature, image by image.

        Args:
            images: uint8 (batch, height, width, channels), of the file's
                size.
            class_ids: Not used.

        Returns:
            The outputs, by `signature.output`.
        """
        del class_ids
        outputs = {}
        for signature in self._interpreter.get_signature_list():
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
