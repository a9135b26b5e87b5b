"""Which functions does an exported model offer, under which names?

Every function starts from an image as a person has it, RGB 0-255: the
normalisation is inside. The logits always come from the pooled features, so
that their equality with the mean of the patch logits remains a real check.
"""

import keras
import tensorflow as tf

from bagnet_tf.architecture import (
    CLASSIFIER_LAYER,
    NORMALIZATION_LAYER,
    POOLING_LAYER,
)
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.heads import check_head
from bagnet_tf.inference import inference_model

from .encoded_images import images_decoder

# Not "serve": with a signature of that name the LiteRT converter drops the
# others.
SERVING_DEFAULT = "serving_default"
PATCH_LOGITS = "patch_logits"
IMAGE_BYTES = "image_bytes"
CLASS_EVIDENCE = "class_evidence"

# Channels of the models that encoded photos can be decoded for: grey, RGB.
PHOTO_CHANNELS = (1, 3)

_PROBABILITIES = {"softmax": tf.nn.softmax, "sigmoid": tf.nn.sigmoid}


class InferenceGraph:
    """The parts of a BagNet from which every signature is put together.

    They are those of its inference model: batch normalisation, the stem and
    input scaling are folded.

    Attributes:
        model: The model as it was trained.
        head: `"softmax"` or `"sigmoid"`: what makes probabilities of logits.
        network: Its inference model.
        features: The concrete function from `image`, float32, 0-255, (batch,
            height, width, channels of the model, such as RGB), to the last
            feature map (batch, rows, cols, features). One trace serves all
            signatures.
        pooling: The layer that averages over the grid.
        classifier: The layer that makes logits of features.
        image_spec: What `features` takes; sides are unknown where the model
            takes any size.
    """

    def __init__(
        self,
        model: keras.Model,
        head: str = "softmax",
        network: keras.Model | None = None,
    ):
        """Folds a model and takes it apart.

        Args:
            model: A BagNet with a classifier and `include_preprocessing`.
            head: One of `bagnet_tf.heads.HEADS`.
            network: What stands for its inference model, with layers of the
                same names; by default that itself, in float32.

        Raises:
            ValueError: If one of them is anything else.
        """
        check_head(head)
        self.head = head
        self.network = network or inference_model(model)
        if NORMALIZATION_LAYER not in [layer.name for layer in model.layers]:
            raise ValueError(
                "model must normalise its input itself "
                "(include_preprocessing=True): exported files take 0-255. "
                f"Received: model={model.name!r} without "
                f"{NORMALIZATION_LAYER!r}"
            )
        self.model = model
        self.pooling = self.network.get_layer(POOLING_LAYER)
        self.classifier = self.network.get_layer(CLASSIFIER_LAYER)
        self.image_spec = tf.TensorSpec(
            (None, *model.input_shape[1:]), tf.float32, name="image"
        )
        features_model = keras.Model(self.network.input, self.pooling.input)
        self.features = _trace(
            lambda image: features_model(image, training=False),
            self.image_spec,
        )

    def predict(self, image):
        """Everything that the network says of a batch of images."""
        features = self.features(image)
        logits = self.classifier(self.pooling(features))
        return {
            "logits": logits,
            "patch_logits": self.classifier(features),
            "probabilities": _PROBABILITIES[self.head](logits),
        }

    def class_evidence(self, image, class_ids):
        """Patch logits of the asked classes, all that is computed of them."""
        features = self.features(image)
        kernel = tf.gather(self.classifier.kernel.value, class_ids, axis=1)
        bias = tf.gather(self.classifier.bias.value, class_ids)  # (batch, k)
        features = tf.cast(features, kernel.dtype)
        evidence = tf.einsum("nrcf,fnk->nrck", features, kernel)
        return {"class_evidence": evidence + bias[:, None, None, :]}


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
            training: _trace(
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
    graph: InferenceGraph, image_size: tuple[int, int]
) -> dict:
    """The signatures of a SavedModel.

    Args:
        graph: The parts of the model.
        image_size: (height, width) to which `image_bytes` brings photos,
            pixels.

    Returns:
        Concrete functions by signature name. `image` is float32
        (batch, height, width, channels), RGB 0-255 or what else the model
        takes, of any size where it takes any:

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
    """
    image = graph.image_spec
    signatures = {
        SERVING_DEFAULT: _trace(
            lambda image: _without(graph.predict(image), "patch_logits"), image
        ),
        PATCH_LOGITS: _trace(graph.predict, image),
        CLASS_EVIDENCE: _trace(
            graph.class_evidence,
            image,
            tf.TensorSpec((None, None), tf.int32, name="class_ids"),
        ),
    }
    if image.shape[-1] in PHOTO_CHANNELS:
        signatures[IMAGE_BYTES] = _trace(
            _bytes_predictor(graph, image_size),
            tf.TensorSpec((None,), tf.string, name="image_bytes"),
        )
    return signatures


def litert_signatures(
    graph: InferenceGraph,
    image_size: tuple[int, int],
    input_type: str = "float32",
) -> dict:
    """The signatures of a LiteRT file: one image of one size.

    Args:
        graph: The parts of the model.
        image_size: (height, width) of the input, pixels.
        input_type: Of the input, `"float32"` or `"uint8"`.

    Returns:
        Concrete functions by signature name; `image` is
        (1, *image_size, channels), RGB 0-255 or what else the model takes:

        - `serving_default`: `image` -> `logits` (1, classes).
        - `patch_logits`: `image` -> `logits` and `patch_logits`
          (1, rows, cols, classes).
    """
    channels = graph.image_spec.shape[-1]
    image = tf.TensorSpec((1, *image_size, channels), input_type, name="image")

    def predict(image):
        outputs = graph.predict(tf.cast(image, tf.float32))
        return _without(outputs, "probabilities")

    return {
        SERVING_DEFAULT: _trace(
            lambda image: _without(predict(image), "patch_logits"), image
        ),
        PATCH_LOGITS: _trace(predict, image),
    }


def _trace(function, *specs):
    traced = tf.function(function, autograph=False)
    return traced.get_concrete_function(*specs)


def _without(outputs: dict, name: str) -> dict:
    return {key: value for key, value in outputs.items() if key != name}


def _bytes_predictor(graph, image_size):
    decode = images_decoder(image_size, graph.image_spec.shape[-1])

    def predict_bytes(image_bytes):
        image = decode(image_bytes)
        return {**graph.predict(tf.cast(image, tf.float32)), "image": image}

    return predict_bytes
