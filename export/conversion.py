"""How does TensorFlow's converter make a `.tflite` file of signatures?"""

import tempfile
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from .signatures import Weights


def converted(
    network: keras.Model,
    signatures: Mapping,
    optimizations: Sequence[tf.lite.Optimize] = (),
    supported_types: Sequence[tf.DType] = (),
) -> bytes:
    """Converts signatures to LiteRT's own operations.

    Args:
        network: Whose weights they use.
        signatures: Concrete functions of static shapes, by signature name.
        optimizations: What the converter may round.
        supported_types: Of weights, where not float32.

    Returns:
        The content of a `.tflite` file.
    """
    with tempfile.TemporaryDirectory() as static_model:
        tf.saved_model.save(Weights(network), static_model, dict(signatures))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            static_model, signature_keys=list(signatures)
        )
        converter.optimizations = list(optimizations)
        converter.target_spec.supported_types = list(supported_types)
        # By default an operation that LiteRT lacks would go in as one of
        # TensorFlow's, which phones and browsers cannot run.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return converter.convert()
