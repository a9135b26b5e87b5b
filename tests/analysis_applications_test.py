"""Experiments that compare take networks of keras.applications by name."""

import unittest.mock

import keras
import numpy as np
from absl.testing import absltest

from bagnet_tf.analysis import (
    applications,
    attribution,
    error_agreement,
    interactions,
)
from bagnet_tf.analysis.classifiers import open_classifier
from bagnet_tf.analysis.streaming import each_image
from tests.analysis_helpers import classifier_of, noise_source, request_of
from tests.small_models import compute, tiny_model

_NAMES = ("tench", "goldfish", "church", "parachute")
# In ImageNet's order, which is that of the network.
_CLASS_IDS = [0, 1, 497, 701]


class ApplicationsTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keras.utils.set_random_seed(0)
        cls.source = noise_source(6)
        cls.source.labels = _NAMES
        cls.network = keras.applications.MobileNetV2(
            input_shape=(32, 32, 3),
            alpha=0.35,
            weights=None,
            classifier_activation=None,
        )
        found = applications.Application(
            unittest.mock.Mock(return_value=cls.network),
            keras.applications.mobilenet_v2.preprocess_input,
        )
        with unittest.mock.patch.object(
            applications, "find_application", return_value=found
        ):
            cls.classifier = open_classifier("mobilenetv2", cls.source)

    def _summary(self, module, experiment, **options):
        classifiers = [classifier_of(tiny_model()), self.classifier]
        request = request_of(
            self, classifiers, self.source, experiment, **options
        )
        return module.run(request).summary

    def _logits(self, images):
        """By the network itself: it is fed with -1 to 1."""
        return compute(self.network, images / 127.5 - 1)[:, _CLASS_IDS]

    def _images(self):
        """As the network sees the dataset's photos of 20 pixels."""
        request = request_of(self, [self.classifier], self.source)
        seen = []

        def keep(batch):
            seen.extend(batch["image"])
            return batch["label"].tolist()

        labels = each_image(request, "seen", keep, (32, 32))
        return np.stack(seen).astype(np.float32), np.array(labels)

    def test_error_agreement(self):
        summary = self._summary(error_agreement, "error-agreement")
        images, labels = self._images()
        right = int((self._logits(images).argmax(axis=-1) == labels).sum())
        self.assertEqual(
            summary["accuracy"]["mobilenetv2"]["value"], right / len(labels)
        )

    def test_attribution(self):
        summary = self._summary(
            attribution, "attribution", methods=["random"], masked_patches=[1]
        )
        # It is masked at the model's size, where its maps are.
        images = self.source._arrays["image"].astype(np.float32)
        resized = keras.ops.image.resize(images, (32, 32))
        logits = self._logits(keras.ops.convert_to_numpy(resized))
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        leading = (odds / odds.sum(axis=-1, keepdims=True)).max(axis=-1)
        found = summary["probability"]["mobilenetv2"]["random"]
        self.assertLen(found, 2)
        self.assertAlmostEqual(found[0], leading.mean(), delta=1e-5)

    def test_interactions(self):
        summary = self._summary(interactions, "interactions", patch_sizes=[8])
        (score,) = summary["measured"]["mobilenetv2"]
        self.assertFalse(score["must_be_1"])
        self.assertIsNotNone(score["correlation"])


if __name__ == "__main__":
    absltest.main()
