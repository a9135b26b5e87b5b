"""Do exports follow the model's head and its number of channels?"""

import io
import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

import bagnet_tf
from bagnet_tf.preprocessing import evaluation_transform
from export import main
from export.exporter import export_model
from export.images import real_images
from export.saved_model import SavedModelRunner, write_saved_model
from export.verification import verify
from tests.commands_here import run_here
from tests.export_helpers import (
    SIZE,
    info_of,
    random_images,
    request,
    tiny_model,
)


def _sigmoid(logits):
    return 1 / (1 + np.exp(-np.float64(logits)))


def _softmax(logits):
    exponentials = np.exp(np.float64(logits))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _model(classes, channels):
    return tiny_model(classes=classes, input_shape=(None, None, channels))


class SavedModelTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(folder, "1")

    def _outputs(self, classes, channels, head):
        """What a written model says of two images, and what it should."""
        model = _model(classes, channels)
        write_saved_model(
            request(model, info_of(classes, head=head)), self.path
        )
        images = random_images(2, SIZE, channels)
        class_ids = np.zeros((2, 1), np.int32)
        outputs = SavedModelRunner(self.path)(images, class_ids)
        network = bagnet_tf.patch_logits_model(model)
        return outputs, network.predict_on_batch(images.astype(np.float32))

    @parameterized.named_parameters(
        ("softmax", 3, "softmax", _softmax),
        ("sigmoid", 3, "sigmoid", _sigmoid),
        ("binary", 1, "sigmoid", _sigmoid),
    )
    def test_probabilities_are_those_of_the_head(self, classes, head, wanted):
        outputs, expected = self._outputs(classes, 1, head)
        probabilities = wanted(expected["logits"])
        for signature in ("serving_default", "patch_logits", "image_bytes"):
            np.testing.assert_allclose(
                outputs[f"{signature}.probabilities"], probabilities, atol=1e-5
            )

    @parameterized.parameters(2, 4, 5)
    def test_other_channels_have_all_signatures_but_image_bytes(self, channels):
        outputs, expected = self._outputs(3, channels, "softmax")
        self.assertEqual(
            {key.split(".")[0] for key in outputs},
            {"serving_default", "patch_logits", "class_evidence", "__call__"},
        )
        maps = expected["patch_logits"]
        scale = np.abs(maps).max()
        np.testing.assert_allclose(
            outputs["patch_logits.patch_logits"], maps, atol=1e-5 * scale
        )
        np.testing.assert_allclose(
            outputs["class_evidence.class_evidence"],
            maps[..., :1],
            atol=1e-5 * scale,
        )

    def test_encoded_photos_become_grey(self):
        model = _model(3, 1)
        write_saved_model(request(model, info_of(3)), self.path)
        photo = random_images(1, (60, 50))[0]
        stream = io.BytesIO()
        Image.fromarray(photo).save(stream, "PNG")
        run = tf.saved_model.load(str(self.path)).signatures["image_bytes"]
        outputs = run(image_bytes=tf.constant([stream.getvalue()]))
        grey = np.asarray(Image.fromarray(photo).convert("L"))[..., None]
        expected, _ = evaluation_transform(grey, SIZE)
        image = outputs["image"].numpy()
        self.assertEqual(image.shape, (1, *SIZE, 1))
        # TensorFlow's resizing is at most one grey level off Pillow's.
        np.testing.assert_allclose(image[0], expected, atol=1)
        logits = model.predict_on_batch(image.astype(np.float32))
        np.testing.assert_allclose(outputs["logits"], logits, rtol=1e-4)

    def test_unknown_head(self):
        with self.assertRaisesRegex(ValueError, "softmax, sigmoid"):
            info_of(head="logistic")


class ExportModelTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("binary_grey", 1, 1, "sigmoid", "grey"),
        ("multi_label_rgb", 3, 3, "sigmoid", "RGB"),
        ("five_channels", 3, 5, "softmax", None),
    )
    def test_whole_export(self, classes, channels, head, order):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        output = pathlib.Path(folder, "exported")
        result = export_model(
            request(_model(classes, channels), info_of(classes, head=head)),
            output,
            ["saved_model", "litert"],
            lambda size: [random_images(2, size, channels)],
        )
        self.assertTrue(result.passed)
        metadata = json.loads((output / "metadata.json").read_text())
        self.assertEqual(metadata["head"], head)
        self.assertEqual(metadata["input"]["channels"], channels)
        self.assertEqual(metadata["input"]["channel_order"], order)
        interpreter = Interpreter(str(output / "litert/model.tflite"))
        runner = interpreter.get_signature_runner("serving_default")
        image = runner.get_input_details()["image"]
        self.assertEqual(image["shape"].tolist(), [1, *SIZE, channels])


class VerifyTest(parameterized.TestCase):
    """The verdict on runners of a sigmoid head that answer as they are told."""

    def _verify(self, probabilities_of, add=0):
        model = _model(3, 3)

        def run(images, class_ids):
            logits = model.predict_on_batch(images.astype(np.float32)) + add
            return {
                "serving_default.logits": logits,
                "serving_default.probabilities": probabilities_of(logits),
            }

        images = np.split(random_images(5, SIZE), [3])
        logits = model.predict_on_batch(np.concatenate(images))
        return verify(model, {"file": lambda: run}, images, "sigmoid")[
            0
        ], logits

    def test_probabilities_must_be_sigmoids(self):
        self.assertTrue(self._verify(_sigmoid)[0].passed)
        self.assertFalse(self._verify(_softmax)[0].passed)

    def test_decisions_are_sets_of_classes(self):
        _, logits = self._verify(_sigmoid)
        # Between the least and the other positive logits of all images: one
        # class of one image changes sides.
        values = np.sort(logits[logits > 0])
        shift = -(values[0] + values[1]) / 2
        result, _ = self._verify(_sigmoid, add=shift)
        self.assertAlmostEqual(result.decision_agreement, 4 / 5)


class VerificationImagesTest(parameterized.TestCase):
    def test_grey_images_for_grey_models(self):
        grey, colours = (
            next(
                real_images("glyphs", "validation[:4]", None, 4, channels)(
                    (64, 64)
                )
            )
            for channels in (1, 3)
        )
        self.assertEqual(grey.shape, (4, 64, 64, 1))
        for one, rgb in zip(grey, colours, strict=True):
            expected = np.asarray(Image.fromarray(rgb).convert("L"))
            np.testing.assert_array_equal(one[..., 0], expected)

    def test_images_of_other_channels_come_from_a_folder(self):
        with self.assertRaisesRegex(ValueError, r"'glyphs'; folders of \.npy"):
            real_images("glyphs", "validation", None, 4, 5)


class CommandTest(absltest.TestCase):
    def test_five_channels_are_verified_on_arrays(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name, array in zip("ab", random_images(2, SIZE, 5), strict=True):
            (folder / "train" / name).mkdir(parents=True)
            np.save(folder / "train" / name / "1.npy", array)
        model = _model(2, 5)
        path = folder / "model.keras"
        model.save(path)
        info_of(2).save(model, path)
        ran = run_here(
            main,
            model=path,
            output=folder / "exported",
            formats="saved_model",
            verification_dataset=f"folder:{folder}",
            verification_split="train",
            num_verification_images=2,
        )
        self.assertEqual(ran.status, 0)


if __name__ == "__main__":
    absltest.main()
