"""Of which parts are the signatures of an exported model put together?

The logits always come from the pooled features, so that their equality with
the mean of the patch logits remains a real check.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from bagnet_tf.architecture import (
    CLASSIFIER_LAYER,
    NORMALIZATION_LAYER,
    POOLING_LAYER,
)
from bagnet_tf.heads import check_head
from bagnet_tf.inference import inference_model

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
        self.features = trace(
            lambda image: features_model(image, training=False),
            self.image_spec,
        )

    def predict(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Everything that the network says of a batch of images."""
        features = self.features(image)
        logits = self.classifier(self.pooling(features))
        return {
            "logits": logits,
            "patch_logits": self.classifier(features),
            "probabilities": _PROBABILITIES[self.head](logits),
        }

    def class_evidence(
        self, image: tf.Tensor, class_ids: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Patch logits of the asked classes, all that is computed of them."""
        features = self.features(image)
        kernel = tf.gather(self.classifier.kernel.value, class_ids, axis=1)
        bias = tf.gather(self.classifier.bias.value, class_ids)  # (batch, k)
        features = tf.cast(features, kernel.dtype)
        evidence = tf.einsum("nrcf,fnk->nrck", features, kernel)
        return {"class_evidence": evidence + bias[:, None, None, :]}


def trace(function: Callable, *specs: tf.TensorSpec) -> Callable:
    """The concrete function that `function` is for inputs of these specs."""
    traced = tf.function(function, autograph=False)
    return traced.get_concrete_function(*specs)
