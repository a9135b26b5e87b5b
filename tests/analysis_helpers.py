"""Classifiers and requests for tests of the analyses."""

import pathlib
import tempfile

import numpy as np

from bagnet_tf.analysis.classifiers import Classifier
from bagnet_tf.analysis.experiments import EXPERIMENTS, OPTIONS
from bagnet_tf.analysis.partial import PartialResults
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.geometry import geometry_of, has_patches
from bagnet_tf.model_info import ModelInfo, numbered_labels
from tests.training_helpers import ArraySource


def classifier_of(model, head="softmax") -> Classifier:
    """A network of ours as the analyses see it."""
    classes = model.output_shape[-1]
    return Classifier(
        name=model.name,
        title=model.name,
        model=model,
        info=ModelInfo((20, 20), numbered_labels(classes), {}, head),
        class_ids=tuple(range(classes)),
        preprocess=lambda images: images,
        geometry=geometry_of(model) if has_patches(model) else None,
    )


def noise_source(count, size=(20, 20)) -> ArraySource:
    """Images of noise, and labels at random."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *size, 3), np.uint8)
    return ArraySource(images, rng.integers(4, size=count), 4)


def request_of(
    test, classifiers, source, experiment=None, **options
) -> AnalysisRequest:
    """What a test asks an experiment to do with all images of a source."""
    folder = pathlib.Path(test.enterContext(tempfile.TemporaryDirectory()))
    names = EXPERIMENTS[experiment].options if experiment else ()
    defaults = {name: OPTIONS[name].default for name in names}
    partial = PartialResults(folder / "partial.jsonl", {})
    return AnalysisRequest(
        classifier=classifiers[0],
        source=source,
        split="train",
        num_images=source.num_examples("train"),
        output=folder,
        compare=tuple(classifiers[1:]),
        seed=0,
        options=defaults | options,
        partial=test.enterContext(partial),
    )
