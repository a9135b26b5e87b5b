"""Does the attribution experiment measure what it says?"""

import json
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.analysis.attribution import (
    masked_counts,
    probability_curves,
)
from bagnet_tf.analysis.attribution_methods import (
    Effort,
    methods_asked_for,
)
from bagnet_tf.analysis.runner import run_experiment
from bagnet_tf.datasets import image_source
from bagnet_tf.model_info import ModelInfo
from tests.small_models import tiny_model

_METHODS = ("evidence", "gradcam", "random")


def _brightness(images):
    """Two classes: bright and dark, by the mean of all pixels."""
    bright = images.mean(axis=(1, 2, 3)) / 255
    return np.stack([bright, 1 - bright], axis=-1)


class CurvesTest(parameterized.TestCase):
    def test_curves_follow_the_leading_class_by_hand(self):
        images = np.zeros((2, 4, 4, 1), np.float32)
        images[0, :2, :2], images[1] = 240, 200
        order = np.array([[[0, 1], [2, 3]], [[3, 2], [1, 0]]])
        curves = probability_curves(
            [_brightness], images, order, [0, 1, 4], side=2
        )
        # The first image is dark, of mean 60. Its bright quarter becomes 60,
        # so that the mean is 15; then all is 60.
        expected = 1 - np.array([60, 15, 60]) / 255
        np.testing.assert_allclose(curves[0, 0], expected, rtol=1e-6)
        # The second is bright and the same everywhere: masking changes nothing.
        np.testing.assert_allclose(curves[0, 1], 200 / 255, rtol=1e-6)

    def test_counts_that_fit(self):
        self.assertEqual(masked_counts([100, 5, 1], (3, 4)), [0, 1, 5])

    def test_no_count_fits(self):
        with self.assertRaisesRegex(ValueError, "at most 12"):
            masked_counts([13], (3, 4))

    def test_unknown_method(self):
        with self.assertRaisesRegex(ValueError, "Received: methods=grad-cam"):
            methods_asked_for({"methods": ["grad-cam"]}, ("gradcam",))

    def test_effort_is_positive(self):
        with self.assertRaisesRegex(ValueError, "Received: epsilon=0"):
            Effort(epsilon=0)


class AttributionExperimentTest(absltest.TestCase):
    def test_on_glyphs(self):
        temporary = self.enterContext(tempfile.TemporaryDirectory())
        folder = pathlib.Path(temporary)
        source = image_source("glyphs")
        model, path = tiny_model(classes=10), folder / "tiny.keras"
        model.save(path)
        ModelInfo((64, 64), source.labels).save(model, path)
        written = run_experiment(
            "attribution",
            str(path),
            source,
            folder / "out",
            num_images=3,
            options={"methods": _METHODS, "masked_patches": (1, 64)},
        )
        found = json.loads((folder / "out" / "attribution.json").read_text())
        summary = found["summary"]
        self.assertEqual(summary["masked_patches"], [0, 1, 64])
        curves = summary["probability"]["tiny"]
        # Unmasked, and all masked, all maps are alike.
        for place in (0, 2):
            values = [curves[method][place] for method in _METHODS]
            np.testing.assert_allclose(values, values[0], rtol=1e-6)
        self.assertCountEqual(summary["mask_scores"], _METHODS)
        lines = (folder / "out" / "attribution.csv").read_text().splitlines()
        self.assertLen(lines, 1 + 3 * 3)
        for file in written.files.values():
            self.assertTrue(file.exists(), file)


if __name__ == "__main__":
    absltest.main()
