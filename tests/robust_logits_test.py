"""Does an exported file decide as `certify` does on its own patch logits?"""

import dataclasses
import functools
import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from ai_edge_litert.interpreter import Interpreter

import bagnet_tf
from bagnet_tf import PatchGeometry
from export.exporter import export_model
from export.formats import FORMATS, check_formats
from export.robust_masking import RobustMasking
from export.verification import verify
from tests import certification_helpers as naive
from tests.export_helpers import (
    SIZE,
    TemporaryFolderTest,
    batches,
    info_of,
    random_images,
    request,
    tiny_model,
)

_PATCH_SIZE = (4, 8)
# Of patches of 5x5 pixels, stride 4: ceil((4 + 4) / 4), ceil((8 + 4) / 4).
_WINDOW = (2, 3)
_GEOMETRY = PatchGeometry(5, 4)


def _left(patch_logits, window):
    """What each class has left, float64, window by window."""
    evidence = np.maximum(patch_logits, 0).astype(np.float64)
    masks = list(naive.windows_of(evidence.shape[1:3], window))
    return np.stack(
        [
            one.sum(axis=(0, 1))
            - np.max([one[mask].sum(axis=0) for mask in masks], axis=0)
            for one in evidence
        ]
    )


@functools.cache
def _undecided_model():
    """A tiny model that finds every class in noise."""
    model = tiny_model()
    images = random_images(8, SIZE).astype(np.float32)
    classifier = model.get_layer("classifier")
    bias = classifier.bias.numpy() - model(images).numpy().mean(axis=0)
    classifier.bias.assign(bias)
    return model


class RobustMaskingTest(parameterized.TestCase):
    """The graph alone, on grids from what is hopeless to what is clear."""

    def setUp(self):
        super().setUp()
        self.robust = RobustMasking(_PATCH_SIZE, _GEOMETRY)

    def test_window(self):
        self.assertEqual(self.robust.window, _WINDOW)
        self.assertEqual(
            self.robust.to_json(),
            {"defense": "masking", "patch_size": [4, 8], "window": [2, 3]},
        )

    @parameterized.named_parameters(
        ("larger", (6, 7), _WINDOW),
        ("as_large", _WINDOW, _WINDOW),
        ("fewer_rows", (1, 6), (1, 3)),
        ("fewer_cols", (5, 2), (2, 2)),
    )
    def test_grids_of_known_and_unknown_shape(self, grid_shape, window):
        patch_logits, _ = naive.grids(3, grid_shape)
        spec = tf.TensorSpec((None, None, None, 4), tf.float32)
        of_any_size = tf.function(self.robust.logits, [spec])
        expected = _left(patch_logits, window)
        scale = np.maximum(patch_logits, 0).sum(axis=(1, 2)).max()
        for found in (
            of_any_size(patch_logits),
            self.robust.logits(patch_logits),
        ):
            np.testing.assert_allclose(found, expected, atol=2e-5 * scale)
            decisions = [
                naive.decision(p, window, "masking") for p in patch_logits
            ]
            if grid_shape != window:  # Else nothing is left of any class.
                np.testing.assert_array_equal(
                    np.argmax(found, axis=-1), decisions
                )

    def test_evidence_in_one_window_decides_nothing(self):
        patch_logits = np.full((1, 6, 7, 4), -1, np.float32)
        patch_logits[0, 1:3, 2:5, 2] = 0.1 * np.arange(1, 7).reshape(2, 3)
        found = self.robust.logits(patch_logits).numpy()
        np.testing.assert_array_equal(found, np.zeros((1, 4)))


class FilesTest(parameterized.TestCase):
    """Files of a tiny model, each run on its own."""

    @parameterized.parameters(
        ("litert", {}),
        ("litert", {"input_type": "uint8"}),
        ("litert_int8", {}),
        ("saved_model", {}),
        ("saved_model", {"precision": "bfloat16"}),
    )
    def test_decides_as_certify_on_its_patch_logits(self, name, options):
        asked = request(
            _undecided_model(),
            robust_patch_size=_PATCH_SIZE,
            calibration=batches,
            **options,
        )
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder, "file")
        FORMATS[name].write(asked, path)
        images = random_images(40, SIZE)
        class_ids = np.zeros((40, 1), np.int32)
        outputs = FORMATS[name].open(path)(images, class_ids)
        patch_logits = outputs["robust_logits.patch_logits"]
        np.testing.assert_array_equal(
            patch_logits, outputs["patch_logits.patch_logits"]
        )
        found = outputs["robust_logits.robust_logits"]
        certificate = bagnet_tf.certify(
            patch_logits, None, _PATCH_SIZE, bagnet_tf.geometry_of(asked.model)
        )
        self.assertEqual(certificate.window, _WINDOW)
        np.testing.assert_array_equal(
            found.argmax(axis=-1), certificate.predictions
        )
        expected = _left(patch_logits, _WINDOW)
        np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
        self.assertGreater(len(np.unique(certificate.predictions)), 1)

    def test_the_other_signatures_of_litert(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder, "model.tflite")
        FORMATS["litert"].write(request(robust_patch_size=_PATCH_SIZE), path)
        maps = ["logits", "patch_logits"]
        signatures = Interpreter(str(path)).get_signature_list()
        self.assertEqual(
            {name: found["outputs"] for name, found in signatures.items()},
            {
                "serving_default": ["logits"],
                "patch_logits": maps,
                "robust_logits": [*maps, "robust_logits"],
            },
        )

    def test_saved_model_takes_images_of_other_sizes(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        FORMATS["saved_model"].write(
            request(robust_patch_size=_PATCH_SIZE), pathlib.Path(folder)
        )
        loaded = tf.saved_model.load(folder)
        self.assertEqual(
            set(loaded.signatures),
            {
                "serving_default",
                "patch_logits",
                "image_bytes",
                "class_evidence",
                "robust_logits",
            },
        )
        for size, window in (
            ((41, 33), _WINDOW),
            ((5, 33), (1, 3)),
            ((5, 5), (1, 1)),
        ):
            images = random_images(3, size).astype(np.float32)
            outputs = loaded.signatures["robust_logits"](
                image=tf.constant(images)
            )
            patch_logits = outputs["patch_logits"].numpy()
            expected = _left(patch_logits, window)
            scale = np.abs(patch_logits).sum(axis=(1, 2)).max()
            np.testing.assert_allclose(
                outputs["robust_logits"], expected, atol=1e-5 * scale
            )
        np.testing.assert_array_equal(outputs["robust_logits"], 0)


class ExportTest(TemporaryFolderTest):
    def test_metadata_and_verification(self):
        result = export_model(
            request(robust_patch_size=_PATCH_SIZE),
            self.output,
            ["saved_model", "litert", "mediapipe"],
            batches,
        )
        self.assertTrue(result.passed)
        content = json.loads((self.output / "metadata.json").read_text())
        self.assertEqual(
            content["robust"],
            {
                "signature": "robust_logits",
                "defense": "masking",
                "patch_size": [4, 8],
                "window": [2, 3],
            },
        )
        images = np.concatenate(batches()).astype(np.float32)
        model = tiny_model()
        outputs = bagnet_tf.patch_logits_model(model).predict_on_batch(images)
        certified = bagnet_tf.certify(
            outputs["patch_logits"],
            None,
            _PATCH_SIZE,
            bagnet_tf.geometry_of(model),
        ).certified.mean()
        of_files = [v["robust"] for v in content["verification"]]
        for found in of_files[:2]:
            self.assertEqual(found["decision_agreement"], 1)
            self.assertAlmostEqual(found["certified"], certified)
        self.assertIsNone(of_files[2])

    @parameterized.named_parameters(
        ("unchanged", lambda left: left, True),
        ("a_number", lambda left: left + 1e-2 * np.eye(5)[1], False),
        ("another_class", lambda left: left[:, ::-1], False),
        ("no_number", lambda left: left * np.nan, False),
        ("another_shape", lambda left: left[:, :1], False),
    )
    def test_verdict(self, change, passed):
        robust = RobustMasking(_PATCH_SIZE, _GEOMETRY)
        network = bagnet_tf.patch_logits_model(tiny_model())

        def run(images, class_ids):
            outputs = network.predict_on_batch(images.astype(np.float32))
            left = _left(outputs["patch_logits"], _WINDOW)
            return {
                "serving_default.logits": outputs["logits"],
                "robust_logits.logits": outputs["logits"],
                "robust_logits.patch_logits": outputs["patch_logits"],
                "robust_logits.robust_logits": change(left),
            }

        (found,) = verify(
            tiny_model(),
            {"file": lambda: run},
            batches(),
            robust={"file": robust},
        )
        self.assertEqual(found.passed, passed)

    def test_a_file_that_lacks_them(self):
        asked = request(robust_patch_size=_PATCH_SIZE)
        path = self.folder / "model.tflite"
        FORMATS["litert"].write(request(asked.model), path)
        (found,) = verify(
            asked.model,
            {"file": lambda: FORMATS["litert"].open(path)},
            batches(),
            robust={"file": asked.robust},
        )
        self.assertFalse(found.passed)

    @parameterized.parameters((22, 1), (1, 27), (0, 3))
    def test_a_patch_that_does_not_fit(self, *patch_size):
        with self.assertRaisesRegex(ValueError, "fit into the image, 21x26 pi"):
            request(robust_patch_size=patch_size)

    def test_a_patch_that_does_not_fit_into_a_further_size(self):
        with self.assertRaisesRegex(ValueError, "fit into the image, 9x9 pix"):
            export_model(
                request(robust_patch_size=(10, 4)),
                self.output,
                ["litert"],
                batches,
                [(9, 9)],
            )
        self.assertEqual(self.names(), [])

    def test_a_sigmoid_head(self):
        info = dataclasses.replace(info_of(), head="sigmoid")
        with self.assertRaisesRegex(ValueError, "must be left out for a sigm"):
            request(info=info, robust_patch_size=_PATCH_SIZE)

    def test_formats_without_them(self):
        with self.assertRaisesRegex(ValueError, "robust_patch_size must be le"):
            check_formats(["mediapipe"], is_robust=True)
        check_formats(["mediapipe", "litert"], is_robust=True)


if __name__ == "__main__":
    absltest.main()
