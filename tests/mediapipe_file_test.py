"""Does MediaPipe take the classifier file, and say what the model says?"""

import functools
import io
import pathlib
import tempfile
import zipfile

import numpy as np
from absl.testing import absltest, parameterized
from ai_edge_litert.tools import flatbuffer_utils

from bagnet_tf.datasets import image_source
from bagnet_tf.loading import load_model
from export.classifier_metadata import with_classifier_metadata
from export.client.photos import evaluation_image, read_photo
from export.mediapipe_file import MediaPipeRunner, write_mediapipe
from export.report import format_table
from export.tolerance import Tolerance
from export.verification import verify
from tests.export_helpers import (
    CLASSES,
    SIZE,
    batches,
    info_of,
    random_images,
    request,
    tiny_model,
)
from tests.mediapipe_helpers import classify
from tests.shared_data import shared

_NUM_PHOTOS = 4


@functools.cache
def _tiny_file(head: str = "softmax", input_type: str = "float32") -> bytes:
    """Once each, for a conversion takes a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.tflite")
        asked = request(info=info_of(head=head), input_type=input_type)
        write_mediapipe(asked, path)
        return path.read_bytes()


def _without_metadata(file: bytes) -> bytes:
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    model.metadata = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _probabilities(model, images, head="softmax"):
    """In float64, by hand."""
    logits = model.predict_on_batch(images.astype(np.float32))
    if head == "sigmoid":
        return 1 / (1 + np.exp(-logits.astype(np.float64)))
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=-1, keepdims=True)


class MediaPipeTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(folder, "model_mediapipe.tflite")

    def _check(self, categories, labels, expected):
        """That MediaPipe ranked all classes, by name, with their scores."""
        self.assertLen(categories, len(labels))
        scores = np.zeros(len(labels))
        for class_id, name, score in categories:
            self.assertEqual(name, labels[class_id])
            scores[class_id] = score
        np.testing.assert_allclose(scores, expected, atol=2e-5)
        order = [class_id for class_id, _, _ in categories]
        self.assertEqual(order[0], int(expected.argmax()))


class MediaPipesClassifierTest(MediaPipeTestCase):
    @parameterized.product(
        head=("softmax", "sigmoid"), input_type=("float32", "uint8")
    )
    def test_says_what_the_model_says(self, head, input_type):
        images = random_images(3, SIZE)
        answers = classify(_tiny_file(head, input_type), images)
        expected = _probabilities(tiny_model(), images, head)
        for categories, wanted in zip(answers, expected, strict=True):
            self._check(categories, info_of().labels, wanted)

    def test_of_the_preset_on_real_photos(self):
        model, info = load_model("imagenette")
        source = image_source("imagenette/320px-v2", str(shared("tfds")))
        images = np.stack(
            [
                evaluation_image(
                    read_photo(example["image"].numpy()), info.image_size
                )
                for example in source.dataset("validation").take(_NUM_PHOTOS)
            ]
        )
        write_mediapipe(request(model, info), self.path)
        answers = classify(self.path.read_bytes(), images)
        expected = _probabilities(model, images)
        self.assertGreater(expected.max(), 0.8)
        for categories, wanted in zip(answers, expected, strict=True):
            self._check(categories, info.labels, wanted)

    def test_refuses_the_file_without_metadata(self):
        with self.assertRaisesRegex(ValueError, "(?i)metadata"):
            classify(_without_metadata(_tiny_file()), random_images(1, SIZE))


class MediaPipeFileTest(MediaPipeTestCase):
    def test_one_subgraph_one_output_and_the_labels(self):
        self.path.write_bytes(_tiny_file())
        model = flatbuffer_utils.read_model(str(self.path))
        self.assertLen(model.subgraphs, 1)
        self.assertLen(model.subgraphs[0].inputs, 1)
        self.assertLen(model.subgraphs[0].outputs, 1)
        with zipfile.ZipFile(self.path) as archive:
            self.assertEqual(archive.namelist(), ["labels.txt"])
            labels = archive.read("labels.txt").decode().splitlines()
        self.assertEqual(labels, list(info_of().labels))

    def test_nothing_in_it_depends_on_the_time(self):
        with zipfile.ZipFile(io.BytesIO(_tiny_file())) as archive:
            date = archive.getinfo("labels.txt").date_time
        self.assertEqual(date, (1980, 1, 1, 0, 0, 0))

    def test_what_the_converter_wrote_stays(self):
        self.path.write_bytes(_tiny_file())
        model = flatbuffer_utils.read_model(str(self.path))
        names = [entry.name for entry in model.metadata]
        self.assertEqual(names[-1], b"TFLITE_METADATA")
        self.assertIn(b"min_runtime_version", names)
        self.assertLen(set(names), len(names))

    @parameterized.parameters("softmax", "sigmoid")
    def test_is_verified(self, head):
        self.path.write_bytes(_tiny_file(head))
        result = self._verified(tiny_model(), head)
        self.assertTrue(result.passed, result)
        self.assertEqual(result.decision_agreement, 1)
        self.assertLen(result.errors, 1)
        table = format_table([result], {"file": 1})
        self.assertNotIn("nan", table)

    @parameterized.parameters("softmax", "sigmoid")
    def test_another_model_is_not_verified(self, head):
        self.path.write_bytes(_tiny_file(head))
        result = self._verified(tiny_model(seed=1), head)
        self.assertFalse(result.passed)
        self.assertLess(result.decision_agreement, 1)

    def test_the_wrong_head_is_not_verified(self):
        self.path.write_bytes(_tiny_file("sigmoid"))
        self.assertFalse(self._verified(tiny_model(), "softmax").passed)

    def test_a_truncated_file_is_not_verified(self):
        self.path.write_bytes(_tiny_file())
        self.path.write_bytes(self.path.read_bytes()[:-50])
        result = self._verified(tiny_model(), "softmax")
        self.assertFalse(result.passed)
        self.assertNotIn("\n", result.problem)

    def test_a_label_too_few(self):
        bare, labels = _without_metadata(_tiny_file()), info_of().labels[1:]
        self.path.write_bytes(with_classifier_metadata(bare, "tiny", labels))
        with self.assertRaisesRegex(
            ValueError, f"must have {CLASSES} labels. Received: {CLASSES - 1}"
        ):
            MediaPipeRunner(self.path)

    def test_labels_in_other_alphabets(self):
        bare = _without_metadata(_tiny_file())
        labels = ["日本", "Ärztin", "cat, kitty", "d", "e"]
        content = with_classifier_metadata(bare, "tiny", labels)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = archive.read("labels.txt").decode().splitlines()
        self.assertEqual(found, labels)

    @parameterized.parameters(1, 4)
    def test_models_of_other_channels(self, channels):
        model = tiny_model(input_shape=(None, None, channels))
        with self.assertRaisesRegex(
            ValueError, f"RGB images.*of {channels} channels"
        ):
            write_mediapipe(request(model), self.path)
        self.assertFalse(self.path.exists())

    def _verified(self, model, head):
        return verify(
            model,
            {"file": lambda: MediaPipeRunner(self.path)},
            batches(),
            head,
            {"file": Tolerance(probabilities=1e-4)},
        )[0]


if __name__ == "__main__":
    absltest.main()
