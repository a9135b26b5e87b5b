"""Classifiers for tests of the analyses."""

from bagnet_tf.analysis.classifiers import Classifier
from bagnet_tf.geometry import geometry_of, has_patches
from bagnet_tf.model_info import ModelInfo, numbered_labels


def classifier_of(model, image_size=(20, 20), head="softmax") -> Classifier:
    """A network of ours as the analyses see it."""
    classes = model.output_shape[-1]
    return Classifier(
        name=model.name,
        title=model.name,
        model=model,
        info=ModelInfo(image_size, numbered_labels(classes), {}, head),
        class_ids=tuple(range(classes)),
        preprocess=lambda images: images,
        geometry=geometry_of(model) if has_patches(model) else None,
    )
