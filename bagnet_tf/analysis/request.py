"""What is an experiment asked to do?"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import keras

from bagnet_tf.analysis.classifiers import Classifier
from bagnet_tf.analysis.partial import PartialResults
from bagnet_tf.datasets import ImageSource
from bagnet_tf.model_info import ModelInfo


@dataclasses.dataclass(frozen=True)
class AnalysisRequest:
    """What an experiment is asked to do.

    Attributes:
        classifier: The model in question, of which `model` and `info` are
            short for.
        source: The dataset; each of its images has one class.
        split: Which split, in TFDS's grammar.
        num_images: How many images of it, the first ones of its order.
        output: The folder of the results.
        compare: Other classifiers.
        seed: Of everything that is random.
        options: The experiment's own options by name, see
            `bagnet_tf.analysis.experiments.OPTIONS`.
        partial: What an earlier run of the same command has left.
    """

    classifier: Classifier
    source: ImageSource
    split: str
    num_images: int
    output: pathlib.Path
    compare: tuple[Classifier, ...]
    seed: int
    options: Mapping[str, Any]
    partial: PartialResults

    @property
    def model(self) -> keras.Model:
        """The model in question."""
        return self.classifier.model

    @property
    def info(self) -> ModelInfo:
        """What belongs to the model in question."""
        return self.classifier.info

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        """The model in question, and those it is compared with."""
        return (self.classifier, *self.compare)
