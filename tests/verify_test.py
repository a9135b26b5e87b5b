"""A file passes only if each of its numbers is the model's."""

import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from export.images import real_images
from export.litert import LiteRTRunner
from export.tolerance import EXACT, ROUNDED, Tolerance
from export.verification import verify
from tests.export_helpers import CLASSES, batches, tiny_model, tiny_tflite


class VerifyTest(parameterized.TestCase):
    """The verdict on runners that answer with known errors."""

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / "model.tflite"
        path.write_bytes(tiny_tflite())
        self.runner = LiteRTRunner(path)

    def _verify(self, change):
        def run(images, class_ids):
            outputs = self.runner(images, class_ids)
            change(outputs)
            return outputs

        return verify(tiny_model(), {"file": lambda: run}, batches())[0]

    def test_unchanged_passes(self):
        result = self._verify(lambda outputs: None)
        self.assertTrue(result.passed)
        self.assertEqual(result.num_images, 5)
        self.assertEqual(result.decision_agreement, 1)

    @parameterized.parameters(
        "serving_default.logits",
        "patch_logits.logits",
        "patch_logits.patch_logits",
    )
    def test_one_wrong_number_fails(self, key):
        def change(outputs):
            largest = np.abs(outputs["patch_logits.patch_logits"]).max()
            outputs[key].flat[1] += 2e-4 * largest

        result = self._verify(change)
        self.assertFalse(result.passed)
        self.assertIsNone(result.problem)

    def test_additivity_is_judged_more_strictly(self):
        def change(outputs):
            logits = outputs["patch_logits.logits"]
            logits += 3e-5 * np.abs(logits).max()

        result = self._verify(change)
        self.assertLess(result.logits_error, 1e-4 * result.largest_patch_logit)
        self.assertFalse(result.passed)

    def test_an_early_batch_counts(self):
        batches = iter([1.0, 0.0])

        def change(outputs):
            outputs["serving_default.logits"] += next(batches)

        self.assertFalse(self._verify(change).passed)

    def test_nan_fails(self):
        def change(outputs):
            outputs["patch_logits.patch_logits"].flat[0] = np.nan

        self.assertFalse(self._verify(change).passed)

    def test_wrong_probabilities_fail(self):
        def change(outputs):
            logits = outputs["patch_logits.logits"]
            outputs["patch_logits.probabilities"] = logits * 0 + 1 / CLASSES

        self.assertFalse(self._verify(change).passed)

    def test_wrong_class_evidence_fails(self):
        def change(outputs):
            maps = outputs["patch_logits.patch_logits"][..., :3]
            outputs["class_evidence.class_evidence"] = maps

        self.assertFalse(self._verify(change).passed)

    def test_no_images_is_no_proof(self):
        result = verify(tiny_model(), {"file": lambda: self.runner}, [])[0]
        self.assertFalse(result.passed)


class ToleranceTest(parameterized.TestCase):
    """The verdict on runners whose numbers are rounded."""

    def setUp(self):
        super().setUp()
        self.model = tiny_model()
        self.network = bagnet_tf.patch_logits_model(self.model)

    def _verify(self, change, tolerance):
        def run(images, class_ids):
            expected = self.network.predict_on_batch(images.astype(np.float32))
            maps = np.array(change(expected["patch_logits"]))
            logits = maps.mean(axis=(1, 2))
            return {
                "serving_default.logits": logits,
                "patch_logits.logits": logits,
                "patch_logits.patch_logits": maps,
            }

        return verify(
            self.model,
            {"file": lambda: run},
            batches(),
            tolerances={"file": tolerance},
        )[0]

    def test_rounding_that_nobody_notices(self):
        generator = np.random.default_rng(0)

        def change(maps):
            return maps + generator.normal(0, 0.01 * maps.std(), maps.shape)

        self.assertFalse(self._verify(change, EXACT).passed)
        result = self._verify(change, ROUNDED)
        self.assertTrue(result.passed)
        self.assertGreater(result.contrast_correlation, 0.99)
        self.assertLess(result.contrast_correlation, 1)
        self.assertLessEqual(
            result.contrast_correlation_p5, result.contrast_correlation
        )

    def test_other_decisions(self):
        def change(maps):
            return np.roll(maps, 1, axis=-1)

        result = self._verify(change, Tolerance(None, decision_agreement=0.9))
        self.assertEqual(result.decision_agreement, 0)
        self.assertFalse(result.passed)
        self.assertTrue(self._verify(change, Tolerance(None)).passed)

    def test_shuffled_maps(self):
        def change(maps):
            return maps[:, ::-1, ::-1]

        result = self._verify(change, ROUNDED)
        self.assertEqual(result.decision_agreement, 1)
        self.assertLess(result.contrast_correlation, 0.9)
        self.assertFalse(result.passed)

    def test_bad_additivity(self):
        tolerance = Tolerance(None, additivity=-1.0)
        self.assertFalse(self._verify(lambda maps: maps, tolerance).passed)


class VerificationImagesTest(absltest.TestCase):
    def test_glyphs_come_at_the_models_size(self):
        batches = list(
            real_images("glyphs", "validation[:11]", None, 11)((40, 56))
        )
        self.assertEqual([len(batch) for batch in batches], [8, 3])
        for batch in batches:
            self.assertEqual(batch.shape[1:], (40, 56, 3))
            self.assertEqual(batch.dtype, np.uint8)

    def test_fewer_images_than_asked(self):
        with self.assertRaisesRegex(ValueError, "must be at most 5"):
            real_images("glyphs", "validation[:5]", None, 6)

    def test_no_images(self):
        with self.assertRaisesRegex(ValueError, "at least 1"):
            real_images("glyphs", "validation", None, 0)

    def test_corrupt_image_is_named(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        for name in ("a/1.png", "b/2.png"):
            path = pathlib.Path(folder, "train", name)
            path.parent.mkdir(parents=True)
            path.write_bytes(b"no image")
        images = real_images(f"folder:{folder}", "train", None, 2)
        with self.assertRaisesRegex(ValueError, r"[12]\.png"):
            next(images((64, 64)))


if __name__ == "__main__":
    absltest.main()
