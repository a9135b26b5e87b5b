"""Any Keras classifier answers with logits of the dataset's classes."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest.mock

import keras
import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.analysis import applications
from bagnet_tf.analysis.classifiers import open_classifier, open_classifiers
from bagnet_tf.analysis.networks import input_channels, logits_network
from bagnet_tf.datasets.labels import imagenet_labels
from bagnet_tf.model_info import ModelInfo
from tests.analysis_helpers import noise_source
from tests.small_models import compute, random_images, tiny_model

_NAMES = ("ant", "bee", "cat", "dog")
_SIZE = 20, 20


def _network(classes=4, end="dense", size=(None, None)):
    """A small classifier that is none of ours."""
    keras.utils.set_random_seed(3)
    image = keras.Input((*size, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    if end == "dense":
        return keras.Model(
            image, keras.layers.Dense(classes, activation="softmax")(x)
        )
    x = keras.layers.Dense(classes)(x)
    if end == "softmax":
        x = keras.layers.Softmax()(x)
    if end == "activation":
        x = keras.layers.Activation("softmax")(x)
    return keras.Model(image, x)


class ClassifiersTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        self.source = noise_source(2)

    def _save(self, model, name="other.keras", labels=None, size=None):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        model.save(path)
        if labels:
            stored = {"labels": labels} | ({"image_size": size} if size else {})
            path.with_suffix(".json").write_text(json.dumps(stored))
        return str(path)

    @parameterized.parameters("dense", "softmax", "activation")
    def test_logits_of_a_network_that_ends_in_a_softmax(self, end):
        model = _network(end=end)
        classifier = open_classifier(self._save(model), self.source)
        images = random_images(*_SIZE, batch=3)
        probabilities = np.exp(classifier.logits(images))
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(
            probabilities, compute(model, images), atol=1e-6
        )
        self.assertGreater(
            np.abs(classifier.logits(images).sum(-1) - 1).min(), 0.01
        )

    def test_logits_stay_what_they_are(self):
        model = _network(end="logits")
        self.assertIs(logits_network(model), model)

    def test_several_outputs(self):
        model = _network()
        two = keras.Model(model.input, [model.output, model.output])
        with self.assertRaisesRegex(ValueError, "one output"):
            logits_network(two)

    def test_classes_in_the_order_of_the_dataset(self):
        self.source.labels = ("dog", "ant")
        path = self._save(_network(), labels=_NAMES, size=[12, 16])
        classifier = open_classifier(path, self.source)
        self.assertEqual(classifier.class_ids, (3, 0))
        self.assertEqual(classifier.image_size, (12, 16))
        images = random_images(*_SIZE)
        expected = compute(logits_network(_network()), images)[:, [3, 0]]
        np.testing.assert_allclose(
            classifier.logits(images), expected, atol=1e-6
        )

    def test_other_labels(self):
        self.source.labels = ("dog", "eel")
        path = self._save(_network(), labels=_NAMES)
        with self.assertRaisesRegex(ValueError, "the model lacks eel.*other"):
            open_classifier(path, self.source)

    def test_other_labels_are_an_error_before_a_download(self):
        self.source.labels = ("dog", "ant")  # ImageNet's dogs have breeds.
        build = unittest.mock.Mock()
        application = applications.Application(build, None)
        with unittest.mock.patch.object(
            applications, "find_application", return_value=application
        ):
            with self.assertRaisesRegex(ValueError, "lacks dog.*'vgg16'"):
                open_classifier("vgg16", self.source)
        build.assert_not_called()

    def test_another_number_of_classes(self):
        path = self._save(_network(classes=3))
        with self.assertRaisesRegex(
            ValueError, "4 classes, but the model has 3"
        ):
            open_classifier(path, self.source)

    def test_a_thousand_classes_are_those_of_imagenet(self):
        self.source.labels = ("church", "tench")
        path = self._save(_network(classes=1000))
        classifier = open_classifier(path, self.source)
        ids = list(imagenet_labels())
        self.assertEqual(
            [ids[class_id] for class_id in classifier.class_ids],
            ["n03028079", "n01440764"],
        )

    def test_ours_has_patches(self):
        model = tiny_model()
        path = self.folder / "ours" / "model.keras"
        path.parent.mkdir()
        model.save(path)
        self.source.labels = tuple(reversed(_NAMES))
        ModelInfo(_SIZE, _NAMES).save(model, path)
        classifier = open_classifier(str(path), self.source)
        self.assertEqual(classifier.title, "ours")
        self.assertEqual(classifier.geometry.receptive_field, 5)
        images = random_images(*_SIZE, batch=2)
        logits, patch_logits = classifier.patch_logits(images)
        expected = compute(model, images)[:, ::-1]
        np.testing.assert_allclose(logits, expected, atol=1e-5)
        np.testing.assert_allclose(
            patch_logits.mean(axis=(1, 2)), expected, atol=1e-5
        )
        np.testing.assert_allclose(
            classifier.logits(images), expected, atol=1e-5
        )

    def test_a_network_of_one_size_gets_resized_images(self):
        model = _network(size=(8, 8))
        classifier = open_classifier(self._save(model), self.source)
        images = np.zeros((1, 16, 16, 3), np.float32)
        images[:, 8:] = 200
        half = np.zeros((1, 8, 8, 3), np.float32)
        half[:, 4:] = 200
        expected = compute(logits_network(model), half)
        np.testing.assert_allclose(
            classifier.logits(images), expected, atol=1e-3
        )

    def test_a_file_that_is_fed_as_an_application(self):
        path = self._save(_network())
        classifier = open_classifier(f"VGG16@{path}", self.source)
        images = random_images(*_SIZE)
        # VGG's: BGR minus the means of ImageNet.
        fed = images[..., ::-1] - np.float32([103.939, 116.779, 123.68])
        expected = compute(logits_network(_network()), fed)
        np.testing.assert_allclose(
            classifier.logits(images), expected, atol=1e-5
        )

    def test_a_name_of_keras_applications(self):
        model = _network(classes=1000)

        def build(weights, include_top, classifier_activation):
            self.assertEqual(
                (weights, include_top, classifier_activation),
                ("imagenet", True, None),
            )
            print("Downloading")
            return model

        self.source.labels = ("church", "tench")
        application = applications.Application(build, lambda x: x / 2)
        with unittest.mock.patch.object(
            applications, "find_application", return_value=application
        ):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                classifier = open_classifier("vgg16", self.source)
        self.assertEmpty(printed.getvalue())  # It may be a --json answer.
        images = random_images(*_SIZE)
        expected = compute(model, images / 2)[:, list(classifier.class_ids)]
        np.testing.assert_allclose(
            classifier.logits(images), expected, atol=1e-6
        )

    def test_weights_that_cannot_be_downloaded(self):
        self.source.labels = ("church", "tench")
        error = Exception("URL fetch failure on https://x: None -- [Errno]")
        application = applications.Application(
            unittest.mock.Mock(side_effect=error), None
        )
        with unittest.mock.patch.object(
            applications, "find_application", return_value=application
        ):
            with self.assertRaisesRegex(OSError, "vgg16 must.*URL.*vgg16@PATH"):
                open_classifier("vgg16", self.source)

    def test_unknown_names_get_close_ones(self):
        message = r"model must be .*vgg1[69].* Received: model='vgg18'"
        with self.assertRaisesRegex(ValueError, message):
            open_classifier("vgg18", self.source)
        with self.assertRaisesRegex(ValueError, r"\(imagenette[,)]"):
            open_classifier("imagenett", self.source)
        self.assertIn("resnet152", applications.application_names())
        self.assertNotIn("imagenet_utils", applications.application_names())

    @parameterized.parameters("none.keras", "vgg16@none.keras")
    def test_files_that_are_missing(self, name):
        message = "model must be an existing file.*model='none.keras'"
        with self.assertRaisesRegex(ValueError, message):
            open_classifier(name, self.source)

    @parameterized.parameters("none.keras", "vgg16@none.keras", "none")
    def test_mistakes_of_the_compared_are_called_so(self, name):
        ours = self._save(_network())
        with self.assertRaisesRegex(ValueError, r"^compare must.*: compare='"):
            open_classifiers([ours, name], self.source)

    def test_a_file_that_is_damaged(self):
        path = self.folder / "damaged.keras"
        path.write_bytes(b"no zip")
        with self.assertRaisesRegex(ValueError, "a whole .keras file"):
            open_classifier(str(path), self.source)
        self.assertEqual(input_channels(str(path)), 3)

    def test_json_that_is_damaged(self):
        path = self._save(_network())
        pathlib.Path(path).with_suffix(".json").write_text("{")
        with self.assertRaisesRegex(ValueError, "must be a JSON object"):
            open_classifier(path, self.source)

    def test_titles_differ(self):
        first = self._save(_network(), "a.keras")
        (self.folder / "x").mkdir()
        second = self._save(_network(), "x/a.keras")
        found = open_classifiers([first, second], self.source)
        self.assertEqual([c.title for c in found], [first, second])
        (alone,) = open_classifiers([second], self.source)
        self.assertEqual(alone.title, "a")

    def test_channels(self):
        grey = tiny_model(input_shape=(None, None, 1))
        path = self._save(grey, "grey.keras")
        self.assertEqual(input_channels(path), 1)
        self.assertEqual(input_channels(self._save(_network())), 3)
        self.assertEqual(input_channels("imagenette"), 3)
        with self.assertRaisesRegex(ValueError, "images of 3 channels.* of 1"):
            open_classifiers([path], self.source)


if __name__ == "__main__":
    absltest.main()
