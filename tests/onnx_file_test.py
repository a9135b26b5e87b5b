"""Does an ONNX file compute, in ONNX Runtime, what the model computes?"""

import pathlib
import sys
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from export.onnx_file import OnnxRunner, require_onnx, write_onnx
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

try:
    require_onnx()
except ValueError as missing:
    raise absltest.SkipTest(str(missing)) from missing

import onnx
import onnxruntime


class OnnxTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(folder, "onnx", "model.onnx")


class OnnxFileTest(OnnxTestCase):
    def setUp(self):
        super().setUp()
        self.model = tiny_model()
        write_onnx(request(self.model), self.path)
        self.session = onnxruntime.InferenceSession(self.path)

    def test_names_and_shapes(self):
        found = {
            value.name: (value.type, value.shape)
            for value in (
                *self.session.get_inputs(),
                *self.session.get_outputs(),
            )
        }
        expected = {
            "image": ["batch", "height", "width", 3],
            "logits": ["batch", CLASSES],
            "patch_logits": ["batch", "rows", "cols", CLASSES],
        }
        self.assertEqual(
            found, {k: ("tensor(float)", v) for k, v in expected.items()}
        )

    def test_only_operations_of_the_standard(self):
        model = onnx.load(self.path)
        self.assertEqual({node.domain for node in model.graph.node}, {""})

    @parameterized.parameters((1, SIZE), (4, SIZE), (2, (33, 18)), (3, (5, 5)))
    def test_equals_the_model_for_any_batch_and_size(self, batch, size):
        images = random_images(batch, size).astype(np.float32)
        logits, patch_logits = self.session.run(
            ["logits", "patch_logits"], {"image": images}
        )
        network = bagnet_tf.patch_logits_model(self.model)
        expected = network.predict_on_batch(images)
        largest = np.abs(expected["patch_logits"]).max()
        for name, found in (("logits", logits), ("patch_logits", patch_logits)):
            self.assertEqual(found.shape, expected[name].shape)
            error = np.abs(found - expected[name]).max()
            self.assertLess(error, 1e-5 * largest, name)
        mean = patch_logits.mean(axis=(1, 2), dtype=np.float64)
        self.assertLess(np.abs(mean - logits).max(), 1e-5 * largest)

    def test_is_verified(self):
        result = verify(
            self.model, {"file": lambda: OnnxRunner(self.path)}, batches()
        )[0]
        self.assertTrue(result.passed, result)
        self.assertCountEqual(
            result.errors,
            [
                "serving_default.logits",
                "patch_logits.logits",
                "patch_logits.patch_logits",
            ],
        )

    def test_another_model_is_not_verified(self):
        result = verify(
            tiny_model(seed=1),
            {"file": lambda: OnnxRunner(self.path)},
            batches(),
        )[0]
        self.assertFalse(result.passed)

    def test_a_truncated_file_is_not_verified(self):
        self.path.write_bytes(self.path.read_bytes()[:-100])
        result = verify(
            self.model, {"file": lambda: OnnxRunner(self.path)}, batches()
        )[0]
        self.assertFalse(result.passed)
        self.assertNotIn("\n", result.problem)


class OtherModelsTest(OnnxTestCase):
    def test_fixed_size(self):
        model = tiny_model(input_shape=(*SIZE, 3))
        write_onnx(request(model), self.path)
        session = onnxruntime.InferenceSession(self.path)
        shape = session.get_inputs()[0].shape
        self.assertEqual(shape, ["batch", *SIZE, 3])
        images = random_images(2, SIZE)
        found = OnnxRunner(self.path)(images, None)["patch_logits.logits"]
        expected = model.predict_on_batch(images.astype(np.float32))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    @parameterized.parameters(1, 4)
    def test_other_channels_and_one_class(self, channels):
        shape = (None, None, channels)
        model = tiny_model(classes=1, input_shape=shape)
        info = info_of(classes=1, head="sigmoid")
        write_onnx(request(model, info), self.path)
        images = random_images(2, SIZE, channels)
        found = OnnxRunner(self.path)(images, None)["serving_default.logits"]
        expected = model.predict_on_batch(images.astype(np.float32))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    @parameterized.parameters("tf2onnx", "onnx", "onnxruntime")
    def test_what_to_install(self, package):
        with mock.patch.dict(sys.modules, {package: None}):
            with self.assertRaisesRegex(
                ValueError, rf"need {package}: pip install 'bagnet-tf\[onnx\]'"
            ):
                write_onnx(request(), self.path)
        self.assertFalse(self.path.exists())


if __name__ == "__main__":
    absltest.main()
