"""Which classifier does a path or a name mean, as one that can be compared?

Ours, any other Keras classifier in a file, or one of keras.applications: each
takes the same RGB images and answers with logits of the dataset's classes.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from bagnet_tf.analysis.applications import (
    build_application,
    find_application,
)
from bagnet_tf.analysis.compiled import Compiled
from bagnet_tf.analysis.networks import load_network, logits_network
from bagnet_tf.architecture import CLASSIFIER_LAYER, POOLING_LAYER
from bagnet_tf.datasets import ImageSource
from bagnet_tf.datasets.classes import matching_classes
from bagnet_tf.datasets.labels import imagenet_labels
from bagnet_tf.evidence import class_centred, patch_logits_model
from bagnet_tf.geometry import PatchGeometry, geometry_of, has_patches
from bagnet_tf.heads import is_centred
from bagnet_tf.loading import (
    DEFAULT_SIZE,
    load_model,
    model_title,
    read_model_json,
)
from bagnet_tf.model_info import ModelInfo, numbered_labels
from bagnet_tf.presets import PRESETS

_IMAGENET_CLASSES = 1000


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A network whose answers are about a dataset's classes.

    Attributes:
        name: As the user gave it.
        title: What pictures call it.
        model: The network; its output is logits of all its classes.
        info: Image size, labels and head.
        class_ids: The network's class id of each class of the dataset.
        preprocess: Takes RGB 0-255 to the network's input.
        geometry: Of its patches; `None` for what is no BagNet.
    """

    name: str
    title: str
    model: keras.Model
    info: ModelInfo
    class_ids: tuple[int, ...]
    preprocess: Callable
    geometry: PatchGeometry | None

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of its evaluation, pixels."""
        return self.info.image_size

    def logits(self, images: np.ndarray | tf.Tensor) -> np.ndarray:
        """Logits of the dataset's classes.

        Args:
            images: RGB 0-255, (batch, height, width, channels). A network
                that takes one size only gets them resized (bilinear).

        Returns:
            float32 (batch, classes).
        """
        return self.differentiable(tf.cast(images, tf.float32)).numpy()

    def differentiable(self, images: tf.Tensor) -> tf.Tensor:
        """The same for tensors, through which gradients pass.

        Args:
            images: float32, RGB 0-255, (batch, height, width, channels).

        Returns:
            float32 (batch, classes).
        """
        return self._logits(images)

    def patch_logits(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and patch logits of the dataset's classes; of a BagNet.

        Args:
            images: RGB 0-255, (batch, height, width, channels).

        Returns:
            float32 (batch, classes) and (batch, rows, cols, classes).
        """
        outputs = self._patch_logits(tf.cast(images, tf.float32))
        return tuple(value.numpy() for value in outputs)

    def decisive(self, patch_logits: np.ndarray) -> np.ndarray:
        """What decides: under a softmax head, evidence minus its class mean.

        Args:
            patch_logits: (..., classes).

        Returns:
            Of the same shape; under a sigmoid head as it is.
        """
        centred = is_centred(self.info.head)
        return class_centred(patch_logits) if centred else patch_logits

    @functools.cached_property
    def _logits(self) -> Compiled:
        def compute(images):
            logits = self.model(self._prepared(images), training=False)
            return tf.gather(logits, self.class_ids, axis=-1)

        return Compiled(compute)

    @functools.cached_property
    def _patch_logits(self) -> Compiled:
        network = patch_logits_model(self.model)

        def compute(images):
            outputs = network(images, training=False)
            return tuple(
                tf.gather(outputs[key], self.class_ids, axis=-1)
                for key in ("logits", "patch_logits")
            )

        return Compiled(compute)

    def _prepared(self, images):
        size = self.model.input_shape[1:3]
        if None not in size and tuple(images.shape[1:3]) != size:
            images = tf.image.resize(images, size)
        return self.preprocess(images)


def open_classifier(
    name: str, source: ImageSource, argument: str = "model"
) -> Classifier:
    """Opens a classifier and matches its classes with those of a dataset.

    Args:
        name: A preset; a `.keras` file, ours or another that takes RGB 0-255;
            one of keras.applications, such as `"vgg16"`, whose weights are
            downloaded on first use; or `"vgg16@FILE.keras"`, a file that is
            fed as that network.
        source: The dataset.
        argument: What to call it in messages.

    Returns:
        The classifier. A file that does not say its classes has those of
        ImageNet if it has a thousand and the dataset has not, else those of
        the dataset.

    Raises:
        ValueError: If there is no such classifier, or it has no logits, or
            lacks a class of the dataset.
        OSError: If weights cannot be downloaded.
    """
    application, _, path = name.rpartition("@")
    if name in PRESETS:
        return _ours(name, source)
    if path.endswith(".keras"):
        preprocess = _same
        if application:
            preprocess = find_application(application, argument).preprocess
        network = load_network(path, argument)
        if not application and _is_ours(network):
            return _ours(path, source)
        return _foreign(name, logits_network(network), source, preprocess)
    find_application(name, argument)
    # Before weights are downloaded whose classes are others.
    info = _foreign_info(name, (None, None), _IMAGENET_CLASSES, source)
    _matching(name, info, source)
    model, preprocess = build_application(name)
    return _foreign(name, model, source, preprocess)


def open_classifiers(
    names: Sequence[str], source: ImageSource
) -> list[Classifier]:
    """Opens several classifiers, whose titles differ.

    Args:
        names: See `open_classifier`. The first one is called model in
            messages, the others compare.
        source: The dataset.

    Raises:
        ValueError: See `open_classifier`; or one takes images of other
            channels than the dataset's.
        OSError: If weights cannot be downloaded.
    """
    found = [
        open_classifier(name, source, "compare" if index else "model")
        for index, name in enumerate(names)
    ]
    for classifier in found:
        channels = classifier.model.input_shape[-1]
        if channels != source.channels:
            raise ValueError(
                f"a classifier must take images of {source.channels} channels. "
                f"Received: {classifier.name!r} of {channels}"
            )
    titles = [classifier.title for classifier in found]
    if len(set(titles)) < len(titles):
        found = [dataclasses.replace(c, title=c.name) for c in found]
    return found


def _ours(name, source) -> Classifier:
    model, info = load_model(name)
    geometry = geometry_of(model) if has_patches(model) else None
    class_ids = _matching(name, info, source)
    return Classifier(
        name, model_title(name), model, info, class_ids, _same, geometry
    )


def _foreign(name, model, source, preprocess) -> Classifier:
    info = _foreign_info(
        name, model.input_shape[1:3], model.output_shape[-1], source
    )
    class_ids = _matching(name, info, source)
    title = name
    if name.endswith(".keras"):
        title = model_title(name.rpartition("@")[2])
    return Classifier(name, title, model, info, class_ids, preprocess, None)


def _foreign_info(name, size, classes, source) -> ModelInfo:
    """Of a classifier of which at most a JSON file beside it says more."""
    stored = _stored(name)
    size = stored.get("image_size") or [side or DEFAULT_SIZE for side in size]
    labels = stored.get("labels")
    if not labels and classes == _IMAGENET_CLASSES != len(source.labels):
        labels = imagenet_labels().values()
    labels = tuple(labels or numbered_labels(classes))
    if len(labels) != classes:
        raise ValueError(
            f"a classifier must have a label a class; it has {classes} "
            f"classes. Received: {len(labels)} labels beside {name!r}"
        )
    return ModelInfo(tuple(size), labels)


def _matching(name, info, source) -> tuple[int, ...]:
    """The classifier's class id of each class of the dataset."""
    try:
        return matching_classes(info, source)
    except ValueError as error:
        raise ValueError(f"{error}, classifier={name!r}") from error


def _stored(name) -> dict:
    path = pathlib.Path(name.rpartition("@")[2]).with_suffix(".json")
    if not name.endswith(".keras") or not path.is_file():
        return {}
    return read_model_json(path)


def _is_ours(network) -> bool:
    names = {layer.name for layer in network.layers}
    return {POOLING_LAYER, CLASSIFIER_LAYER} <= names


def _same(images):
    return images
