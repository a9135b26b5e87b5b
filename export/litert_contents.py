"""What is inside a `.tflite` file, and is it what was asked for?

A converter that was not told enough leaves weights as they are, or writes
them twice, without an error.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils as flatbuffers

_CLASSIFIER = "FULLY_CONNECTED"
_CONVOLUTION = "CONV_2D"

# Smaller weights are left as they are: they are not worth a scale.
_SMALL = 1024

# Bytes of a graph without its weights: names, shapes, scales.
_GRAPH = 500_000


def check_contents(
    content: bytes, convolutions: str, weights: int, classifier: int
) -> None:
    """Makes sure that weights have the wanted type, in every signature.

    Args:
        content: The file.
        convolutions: The type of the weights of convolutions, such as
            `"INT8"`. Those of the classifier must be `"FLOAT32"`, unless it is
            `"FLOAT16"`.
        weights: Number of weights of all convolutions.
        classifier: Number of weights of the classifier.

    Raises:
        RuntimeError: If they are not, or the file is larger than such weights
            are, once.
    """
    model = flatbuffers.read_model_from_bytearray(bytearray(content))
    found = {_CONVOLUTION: set(), _CLASSIFIER: set()}
    for name, tensor in _weights(model):
        if np.prod(tensor.shape) >= _SMALL:
            found[name].add(flatbuffers.type_to_name(tensor.type))
    half = convolutions == "FLOAT16"
    head = "FLOAT16" if half else "FLOAT32"
    if found[_CONVOLUTION] - {convolutions} or found[_CLASSIFIER] - {head}:
        raise RuntimeError(
            f"The converter made weights of convolutions {convolutions} and "
            f"of the classifier {head} into {found}."
        )
    size = {"INT8": 1, "FLOAT16": 2, "FLOAT32": 4}
    # Per-channel scales and biases: a fifth of the weights of narrow layers.
    allowed = 1.2 * weights * size[convolutions] + classifier * size[head]
    if len(content) > allowed + _GRAPH:
        raise RuntimeError(
            f"The converter made a file of {len(content):,} bytes, where its "
            f"weights take {allowed:,.0f}."
        )


def with_float_classifier(content: bytes, kernel: np.ndarray) -> bytes:
    """Gives a file whose weights were all rounded its exact classifier.

    Only so are its logits the mean of its patch logits.

    Args:
        content: The file.
        kernel: Of the classifier, (features, classes).

    Returns:
        The file with weights of the classifier in float32.
    """
    model = flatbuffers.read_model_from_bytearray(bytearray(content))
    values = np.ascontiguousarray(kernel.T, np.float32).view(np.uint8).ravel()
    for name, tensor in _weights(model):
        if name == _CLASSIFIER:
            tensor.type = flatbuffers.TensorType.FLOAT32
            model.buffers[tensor.buffer].data = values
    return bytes(flatbuffers.convert_object_to_bytearray(model))


def _weights(model) -> Iterator[tuple[str, Any]]:
    """The weights of convolutions and classifiers, in every subgraph."""
    for graph in model.subgraphs:
        # Weights of 16 bits go through an operation that widens them.
        sources = {
            operator.outputs[0]: operator.inputs[0]
            for operator in graph.operators
            if _name(model, operator) == "DEQUANTIZE"
        }
        for operator in graph.operators:
            name = _name(model, operator)
            if name in (_CONVOLUTION, _CLASSIFIER):
                index = operator.inputs[1]
                yield name, graph.tensors[sources.get(index, index)]


def _name(model, operator) -> str:
    return flatbuffers.opcode_to_name(model, operator.opcodeIndex)
