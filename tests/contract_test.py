"""Is the evidence local and additive, and the model plain Keras?

Contract lines 2 and 3 of the design, and what a saved model must do.
"""

import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from tests.small_models import (
    VARIANTS,
    compute,
    narrow_model,
    narrow_patch_logits_model,
    random_images,
)

# Square, odd, and neither; added to the receptive field.
_SIZES = ((0, 0), (7, 16), (23, 8), (40, 13))


class LocalityTest(parameterized.TestCase):
    """Contract line 2."""

    @parameterized.named_parameters(*VARIANTS)
    def test_outside_the_box_nothing_matters(self, variant):
        model = narrow_patch_logits_model(variant)
        geometry = bagnet_tf.geometry_of(model)
        q = geometry.receptive_field
        image, other = (
            random_images(q + 21, q + 14),
            random_images(q + 21, q + 14, seed=1),
        )
        before = compute(model, image)["patch_logits"]
        rows, cols = before.shape[1:3]
        for row, col in ((0, 0), (1, 1), (rows - 1, 0), (rows - 1, cols - 1)):
            box = geometry.box(row, col)
            inside = np.s_[:, box.top : box.bottom, box.left : box.right]
            changed = other.copy()
            changed[inside] = image[inside]
            after = compute(model, changed)["patch_logits"]
            np.testing.assert_array_equal(
                after[0, row, col], before[0, row, col]
            )

    @parameterized.named_parameters(*VARIANTS)
    def test_a_pixel_changes_exactly_the_cells_that_see_it(self, variant):
        model = narrow_patch_logits_model(variant)
        geometry = bagnet_tf.geometry_of(model)
        q = geometry.receptive_field
        height, width = q + 8 + 3, q + 16 + 5  # a grid of 2x3 and a rim
        image = random_images(height, width)
        before = compute(model, image)["patch_logits"]
        box = geometry.box(1, 1)
        pixels = {
            "top left corner": (box.top, box.left),
            "top right corner": (box.top, box.right - 1),
            "bottom left corner": (box.bottom - 1, box.left),
            "bottom right corner": (box.bottom - 1, box.right - 1),
            "centre": geometry.centre(1, 1),
            "above": (box.top - 1, box.left),
            "right of it": (box.top, box.right),
            "unseen row": (height - 1, box.left),
        }
        for place, (y, x) in pixels.items():
            with self.subTest(place):
                changed = image.copy()
                changed[0, y, x] = 255 * (image[0, y, x] < 128)
                after = compute(model, changed)["patch_logits"]
                touched = geometry.cells_touching(y, x, 1, 1, before.shape[1:3])
                expected = np.zeros(before.shape[1:3], bool)
                expected[
                    touched.top : touched.bottom, touched.left : touched.right
                ] = True
                differs = (after != before).any(axis=(0, 3))
                np.testing.assert_array_equal(differs, expected)


class AdditivityTest(parameterized.TestCase):
    """Contract line 3."""

    def assert_additive(self, model, images, tolerance):
        outputs = compute(bagnet_tf.patch_logits_model(model), images)
        means = outputs["patch_logits"].mean(axis=(1, 2), dtype="float64")
        error = np.abs(means - outputs["logits"]).max()
        self.assertLess(error, tolerance * np.abs(outputs["logits"]).max())
        np.testing.assert_allclose(
            compute(model, images), outputs["logits"], rtol=1e-5, atol=1e-6
        )

    @parameterized.named_parameters(*VARIANTS)
    def test_logits_are_the_mean_of_the_patch_logits(self, variant):
        model = narrow_model(variant)
        q = bagnet_tf.geometry_of(model).receptive_field
        for more_rows, more_cols in _SIZES:
            images = random_images(q + more_rows, q + more_cols, batch=2)
            self.assert_additive(model, images, 1e-5)

    @parameterized.named_parameters(*VARIANTS)
    def test_under_mixed_precision(self, variant):
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = narrow_model(variant, name="mixed_precision")
        self.assertEqual(
            model.get_layer("stage1_block1_conv1").compute_dtype, "bfloat16"
        )
        self.assert_additive(model, random_images(57, 64, batch=2), 1e-4)

    def test_patch_logits_ignore_the_activation(self):
        images = random_images(40, 33)
        plain, softmax = (
            bagnet_tf.patch_logits_model(narrow_model("bagnet9", **kwargs))
            for kwargs in ({}, {"classifier_activation": "softmax"})
        )
        for name, value in compute(plain, images).items():
            np.testing.assert_array_equal(compute(softmax, images)[name], value)


# Runs where bagnet_tf cannot be imported.
_PLAIN_KERAS = """
import sys
import keras
import numpy as np
data = np.load("data.npz")
model = keras.models.load_model("model.keras")
logits = model(data["images"], training=False).numpy()
np.testing.assert_array_equal(logits, data["logits"])
before = [w.numpy() for w in model.trainable_weights]
model.compile(
    keras.optimizers.SGD(0.1),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    run_eagerly=True,  # Tracing a single step takes longer.
)
history = model.fit(data["images"], np.array([0, 1]), verbose=0)
assert np.isfinite(history.history["loss"]).all(), history.history
for old, weight in zip(before, model.trainable_weights, strict=True):
    assert (old != weight.numpy()).any(), weight.path
assert "bagnet_tf" not in sys.modules
print("trained")
"""


class SavedModelTest(parameterized.TestCase):
    def test_opens_and_trains_without_this_library(self):
        model, images = narrow_model("bagnet33"), random_images(41, 49, batch=2)
        directory = self.enterContext(tempfile.TemporaryDirectory())
        model.save(pathlib.Path(directory, "model.keras"))
        np.savez(
            pathlib.Path(directory, "data.npz"),
            images=images,
            logits=compute(model, images),
        )
        # -I: neither the working directory nor PYTHONPATH is searched.
        result = subprocess.run(
            [sys.executable, "-I", "-c", _PLAIN_KERAS],
            cwd=directory,
            capture_output=True,
            text=True,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.strip(), "trained")

    @parameterized.named_parameters(*VARIANTS)
    def test_patch_logits_and_geometry_of_a_loaded_model(self, variant):
        model, images = narrow_model(variant), random_images(50, 43)
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(directory, "model.keras")
        model.save(path)
        loaded = keras.models.load_model(path)
        self.assertEqual(
            bagnet_tf.geometry_of(loaded),
            bagnet_tf.ARCHITECTURES[variant].geometry,
        )
        expected = compute(bagnet_tf.patch_logits_model(model), images)
        actual = compute(bagnet_tf.patch_logits_model(loaded), images)
        self.assertEqual(actual.keys(), {"logits", "patch_logits"})
        for name, value in expected.items():
            np.testing.assert_array_equal(actual[name], value)


if __name__ == "__main__":
    absltest.main()
