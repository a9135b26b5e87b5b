"""What is minimised? The loss of each example, in parts that add up."""

from collections.abc import Mapping, Sequence

import keras
import ml_collections
import tensorflow as tf

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.certification import window_shape
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.keras_files import open_keras_file

from .masking import without_random_windows, without_strongest_window

TRUE_CLASS, WINDOW_PAIRS = "true_class", "window_pairs"
MASKED_TRAINING = (TRUE_CLASS, WINDOW_PAIRS)


class Objective:
    """Cross-entropy, and what a configuration adds to it.

    Under a softmax head it is that of the one class; under a sigmoid head the
    binary one of each class, averaged over the classes. Weights of classes
    multiply it: the loss of an example by the weight of its class, in a
    mixture by the mixture of theirs; under a sigmoid head a class's loss where
    it is there, and not where it is absent.

    `config.evidence_l1` times the mean absolute patch logit, over all classes
    and cells of an image, makes evidence sparse. `config.distillation_weight`
    (0 to 1) takes that part of the cross-entropy from the labels and gives it
    to the teacher's probabilities. Neither knows weights of classes.

    `config.masked_training` takes the logits of images with windows of patches
    masked, the smallest that hold all cells that a patch of
    `config.masked_patch_size` pixels reaches (see `masking`).

    Source of the first: Djoumessi et al., sparse BagNets for retinal images.
    Their code adds up the absolute values, of the first image of a batch only;
    the mean over all images is what that stands for. So their weight times
    the number of patch logits of an image (rows x columns x classes) is ours:
    7e-6 with 60 x 60 cells and 5 classes becomes 0.126.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        teacher: keras.Model | None = None,
        class_weights: Sequence[float] = (),
    ):
        """Reads a configuration.

        Args:
            config: See `train/configs`.
            teacher: From the same images to logits of the same classes.
            class_weights: One of each class, by its id (see
                `class_weights.weights_of_classes`); none are all 1.
        """
        self._l1 = config.evidence_l1
        self._masking = config.masked_training
        self._masked_patch_size = config.masked_patch_size
        if self._masking:
            self._geometry = ARCHITECTURES[config.architecture].geometry
        self._with_patches = bool(self._l1 or self._masking)
        self._teacher = teacher
        self._teacher_share = config.distillation_weight if teacher else 0.0
        self._head = _HEADS[config.head](
            config.label_smoothing, tuple(map(float, class_weights))
        )

    def network(self, model: keras.Model) -> keras.Model:
        """What has to be run in training: `model`, or with patch logits."""
        return patch_logits_model(model) if self._with_patches else model

    def logits(self, outputs: tf.Tensor | Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The logits among the outputs of `network`."""
        return outputs["logits"] if self._with_patches else outputs

    def accuracies(
        self,
        labels: tf.Tensor,
        outputs: tf.Tensor | Mapping[str, tf.Tensor],
    ) -> tf.Tensor:
        """How much of each example is decided rightly, (batch,), 0 to 1.

        Under a sigmoid head the share of the classes, each present where its
        probability, or its part of a mixture, is at least a half.
        """
        return self._head.accuracies(labels, self.logits(outputs))

    def __call__(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        outputs: tf.Tensor | Mapping[str, tf.Tensor],
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """Losses of a batch.

        Args:
            images: (batch, height, width, channels).
            labels: One-hot, under a sigmoid head multi-hot, or mixtures of
                such, (batch, classes).
            outputs: What `network` gives for the images.
            seed: Int32 (2,), of what is drawn at random.

        Returns:
            (batch,), nats.
        """
        logits = self._learned_logits(labels, outputs, seed)
        losses = self._head.losses(labels, logits)
        if self._teacher_share:
            taught = self._teacher(images, training=False)
            divergence = self._head.divergences(taught, logits)
            losses += self._teacher_share * (divergence - losses)
        if self._l1:
            size = tf.abs(outputs["patch_logits"])
            losses += self._l1 * tf.reduce_mean(size, axis=(1, 2, 3))
        return losses

    def _learned_logits(self, labels, outputs, seed):
        """Those whose cross-entropy is taken."""
        if not self._masking:
            return self.logits(outputs)
        patch_logits = outputs["patch_logits"]
        window = window_shape(
            self._masked_patch_size,
            self._geometry,
            tuple(patch_logits.shape[1:3]),
        )
        if self._masking == TRUE_CLASS:
            return without_strongest_window(patch_logits, labels, window)
        return without_random_windows(patch_logits, window, seed)


class _Softmax:
    """One class of all."""

    def __init__(self, label_smoothing, class_weights):
        self._cross_entropy = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=label_smoothing, reduction=None
        )
        self._weights = class_weights

    def losses(self, labels, logits):
        losses = self._cross_entropy(labels, logits)
        if self._weights:
            losses *= tf.linalg.matvec(labels, self._weights)
        return losses

    def divergences(self, taught, logits):
        """Kullback and Leibler's divergence: 0 for a perfect pupil."""
        taught = tf.nn.log_softmax(taught)
        return tf.reduce_sum(
            tf.exp(taught) * (taught - tf.nn.log_softmax(logits)), axis=-1
        )

    def accuracies(self, labels, logits):
        return keras.metrics.categorical_accuracy(labels, logits)


class _Sigmoid:
    """Each class by itself; what is said of an image is the mean over them."""

    def __init__(self, label_smoothing, class_weights):
        self._smoothing = label_smoothing
        self._weights = tf.constant(class_weights or 1.0)

    def losses(self, labels, logits):
        # As Keras's BinaryCrossentropy smooths.
        labels = labels + self._smoothing * (0.5 - labels)
        losses = tf.nn.weighted_cross_entropy_with_logits(
            labels, logits, pos_weight=self._weights
        )
        return tf.reduce_mean(losses, axis=-1)

    def divergences(self, taught, logits):
        """That of two Bernoulli distributions, of each class."""
        present, absent = (
            tf.sigmoid(sign * taught)
            * (
                tf.math.log_sigmoid(sign * taught)
                - tf.math.log_sigmoid(sign * logits)
            )
            for sign in (1.0, -1.0)
        )
        return tf.reduce_mean(present + absent, axis=-1)

    def accuracies(self, labels, logits):
        right = tf.equal(logits >= 0, labels >= 0.5)
        return tf.reduce_mean(tf.cast(right, tf.float32), axis=-1)


_HEADS = {"softmax": _Softmax, "sigmoid": _Sigmoid}


def load_teacher(
    config: ml_collections.ConfigDict, model: keras.Model
) -> keras.Model | None:
    """The teacher that a configuration names, if any.

    Args:
        config: `config.teacher` is a `.keras` file of any classifier that
            takes RGB images of 0 to 255 and puts out logits; empty for none.
        model: What is trained.

    Raises:
        ValueError: If the file is missing or no whole model, or its outputs
            are not those of the model's classes.
    """
    if not config.teacher:
        return None
    teacher = open_keras_file(config.teacher, "config.teacher")
    if teacher.output_shape != model.output_shape:
        raise ValueError(
            f"config.teacher must put out logits of {model.output_shape}. "
            f"Received: config.teacher={config.teacher!r} with "
            f"{teacher.output_shape}"
        )
    return teacher
