"""Which functions does an exported model offer, under which names?

Every function starts from an image as a person has it, RGB 0-255: the
normalisation is inside. The logits always come from the pooled features, so
that their equality with the mean of the patch logits remains a real check.
"""

import keras
import tensorflow as tf

from bagnet_tf.evidence import patch_logits_model

from .client.signature_names import (
    CLASS_EVIDENCE,
    IMAGE_BYTES,
    PATCH_LOGITS,
    ROBUST_LOGITS,
    SERVING_DEFAULT,
)
from .encoded_images import images_decoder
from .inference_graph import InferenceGraph, trace
from .robust_masking import RobustMasking

# Channels of the models that encoded photos can be decoded for: grey, RGB.
PHOTO_CHANNELS = (1, 3)


class Weights(tf.Module):
    """The weights of a model, as TensorFlow tracks them in a SavedModel.

    Attributes:
        variables: All weights, moving statistics included.
        trainable_variables: Those that a gradient step changes.
    """

    # tf.Module has read-only properties of these names.
    variables = None
    trainable_variables = None

    def __init__(self, model: keras.Model):
        """Takes hold of the variables of `model`."""
        super().__init__()
        # The values: TensorFlow does not track Keras's own variables, and
        # without them the weights would be missing in the file.
        self.variables = [v.value for v in model.variables]
        self.trainable_variables = [v.value for v in model.trainable_variables]


class ReusableModel(Weights):
    """A network as TF Hub's reusable SavedModel: callable and trainable.

    `module(image, training=False)` gives logits (batch, classes).
    `training=True` normalises by the statistics of the batch and updates the
    moving ones. Both are traced, and both follow the variables; the signatures
    are quicker, with weights of their own that training does not change.

    Attributes:
        regularization_losses: Empty: weight decay is the optimizer's.
    """

    def __init__(self, graph: InferenceGraph):
        """Traces the calls of a BagNet."""
        super().__init__(graph.model)
        self._signature_weights = Weights(graph.network)
        model = patch_logits_model(graph.model)

        # Concrete, because TensorFlow traces `call` again while it saves.
        traced = {
            training: trace(
                lambda image, training=training: model(
                    image, training=training
                )["logits"],
                graph.image_spec,
            )
            for training in (False, True)
        }

        @tf.function(autograph=False)
        def call(image, training=False):
            return traced[bool(training)](image)

        for training in traced:
            call.get_concrete_function(graph.image_spec, training=training)
        self.regularization_losses = []
        self.__call__ = call


def saved_model_signatures(
    graph: InferenceGraph,
    image_size: tuple[int, int],
    robust: RobustMasking | None = None,
) -> dict:
    """The signatures of a SavedModel.

    Args:
        graph: The parts of the model.
        image_size: (height, width) to which `image_bytes` brings photos,
            pixels.
        robust: What robust logits are; None if there shall be none.

    Returns:
        Concrete functions by signature name, all for at least one image.
        `image` is float32 (batch, height, width, channels), RGB 0-255 or what
        else the model takes, of any size where it takes any:

        - `serving_default`: `image` -> `logits`, `probabilities`, both
          (batch, classes).
        - `patch_logits`: `image` -> the same and `patch_logits`
          (batch, rows, cols, classes).
        - `image_bytes`: `image_bytes`, encoded JPEG, PNG, GIF or BMP files,
          string (batch,) -> the same and the decoded `image`, uint8
          (batch, *image_size, channels). Photos must be upright: EXIF
          orientation is not looked at. Missing in a model of neither one
          channel (grey) nor three (RGB): no photo has its channels.
        - `class_evidence`: `image` and `class_ids`, int32 (batch, k) ->
          `class_evidence` (batch, rows, cols, k), the patch logits of these
          classes only.
        - `robust_logits`, if asked for: `image` -> `logits`, `patch_logits`
          and `robust_logits` (batch, classes). The window is the same in
          images of every size; in a grid no larger than the window all are 0.
    """
    image = graph.image_spec
    signatures = {
        SERVING_DEFAULT: _trace_batch(
            lambda image: _without(graph.predict(image), "patch_logits"), image
        ),
        PATCH_LOGITS: _trace_batch(graph.predict, image),
        CLASS_EVIDENCE: _trace_batch(
            graph.class_evidence,
            image,
            tf.TensorSpec((None, None), tf.int32, name="class_ids"),
        ),
    }
    if image.shape[-1] in PHOTO_CHANNELS:
        signatures[IMAGE_BYTES] = _trace_batch(
            _bytes_predictor(graph, image_size),
            tf.TensorSpec((None,), tf.string, name="image_bytes"),
        )
    if robust is not None:
        signatures[ROBUST_LOGITS] = _trace_batch(
            _robust_predictor(graph, robust), image
        )
    return signatures


def litert_signatures(
    graph: InferenceGraph,
    image_size: tuple[int, int],
    input_type: str = "float32",
    robust: RobustMasking | None = None,
) -> dict:
    """The signatures of a LiteRT file: one image of one size.

    Args:
        graph: The parts of the model.
        image_size: (height, width) of the input, pixels.
        input_type: Of the input, `"float32"` or `"uint8"`.
        robust: What robust logits are; None if there shall be none.

    Returns:
        Concrete functions by signature name; `image` is
        (1, *image_size, channels), RGB 0-255 or what else the model takes:

        - `serving_default`: `image` -> `logits` (1, classes).
        - `patch_logits`: `image` -> `logits` and `patch_logits`
          (1, rows, cols, classes).
        - `robust_logits`, if asked for: `image` -> the same and
          `robust_logits` (1, classes).
    """
    channels = graph.image_spec.shape[-1]
    image = tf.TensorSpec((1, *image_size, channels), input_type, name="image")

    def predict(image):
        outputs = graph.predict(tf.cast(image, tf.float32))
        return _without(outputs, "probabilities")

    signatures = {
        SERVING_DEFAULT: trace(
            lambda image: _without(predict(image), "patch_logits"), image
        ),
        PATCH_LOGITS: trace(predict, image),
    }
    if robust is not None:
        signatures[ROBUST_LOGITS] = trace(
            _robust_predictor(graph, robust), image
        )
    return signatures


def _trace_batch(function, *specs):
    """What `function` is where the first input may come without an image.

    Convolutions then fail, and do not say why.
    """

    def of_some(first, *others):
        # Nothing in a graph orders the check before the rest but this.
        check = tf.debugging.Assert(
            tf.shape(first)[0] > 0,
            [f"{specs[0].name} must be at least one. Received: none"],
        )
        with tf.control_dependencies([check]):
            return function(tf.identity(first), *others)

    return trace(of_some, *specs)


def _without(outputs: dict, name: str) -> dict:
    return {key: value for key, value in outputs.items() if key != name}


def _robust_predictor(graph, robust):
    def predict_robustly(image):
        outputs = graph.predict(tf.cast(image, tf.float32))
        robust_logits = robust.logits(outputs["patch_logits"])
        return {
            **_without(outputs, "probabilities"),
            "robust_logits": robust_logits,
        }

    return predict_robustly


def _bytes_predictor(graph, image_size):
    decode = images_decoder(image_size, graph.image_spec.shape[-1])

    def predict_bytes(image_bytes):
        image = decode(image_bytes)
        return {**graph.predict(tf.cast(image, tf.float32)), "image": image}

    return predict_bytes
