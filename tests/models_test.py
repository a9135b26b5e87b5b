"""Does each variant keep its promises? Contract lines 1 to 3 of the design."""

import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.models import RGB_MEAN, RGB_STD

# variant: (trainable parameters, all parameters or None, receptive field,
#           grid at 224x224); the reference's numbers, 1000 classes.
_FACTS = {
    "bagnet9": (15_688_744, None, 9, (27, 27)),
    "bagnet17": (16_213_032, None, 17, (26, 26)),
    "bagnet33": (18_310_184, 18_363_304, 33, (24, 24)),
}
_CONSTRUCTORS = {
    "bagnet9": bagnet_tf.BagNet9,
    "bagnet17": bagnet_tf.BagNet17,
    "bagnet33": bagnet_tf.BagNet33,
}
_VARIANTS = tuple((name, name) for name in bagnet_tf.ARCHITECTURES)
# Square, odd, and neither; added to the receptive field.
_SIZES = ((0, 0), (7, 16), (23, 8), (40, 13))


def _small(variant, **kwargs):
    keras.utils.set_random_seed(2)
    arguments = {"classes": 5, "width": 0.25} | kwargs
    return bagnet_tf.BagNet(bagnet_tf.ARCHITECTURES[variant], **arguments)


def _images(height, width, batch=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (batch, height, width, 3)).astype("float32")


def _predict(model, images):
    return model.predict(images, verbose=0)


class FactsTest(parameterized.TestCase):
    """Contract line 1."""

    def test_no_variant_is_without_facts(self):
        self.assertEqual(_FACTS.keys(), bagnet_tf.ARCHITECTURES.keys())
        self.assertEqual(_CONSTRUCTORS.keys(), bagnet_tf.ARCHITECTURES.keys())

    @parameterized.named_parameters(*_VARIANTS)
    def test_parameters_and_grid(self, variant):
        trainable, everything, receptive_field, grid = _FACTS[variant]
        model = _CONSTRUCTORS[variant]()
        self.assertEqual(model.name, variant)
        sizes = [int(np.prod(w.shape)) for w in model.trainable_weights]
        self.assertEqual(sum(sizes), trainable)
        if everything is not None:
            self.assertEqual(model.count_params(), everything)
        geometry = bagnet_tf.geometry_of(model)
        self.assertEqual(geometry.receptive_field, receptive_field)
        self.assertEqual(geometry.stride, 8)
        self.assertEqual(geometry.grid_shape(224, 224), grid)
        features = model.get_layer("avg_pool").input
        shape = keras.Model(model.input, features).compute_output_shape(
            (None, 224, 224, 3)
        )
        self.assertEqual(shape, (None, *grid, 2048))

    @parameterized.named_parameters(*_VARIANTS)
    def test_grid_of_any_size(self, variant):
        model = bagnet_tf.patch_logits_model(_small(variant, width=1 / 16))
        geometry = bagnet_tf.geometry_of(model)
        for more_rows, more_cols in _SIZES:
            height = geometry.receptive_field + more_rows
            width = geometry.receptive_field + more_cols
            shape = _predict(model, _images(height, width))[
                "patch_logits"
            ].shape
            self.assertEqual(shape[1:3], geometry.grid_shape(height, width))

    @parameterized.named_parameters(*_VARIANTS)
    def test_fixed_input_size(self, variant):
        model = _small(variant, input_shape=(64, 41, 3))
        self.assertEqual(model.input_shape, (None, 64, 41, 3))
        self.assertEqual(model.output_shape, (None, 5))

    @parameterized.named_parameters(*_VARIANTS)
    def test_width_scales_every_convolution(self, variant):
        full = bagnet_tf.ARCHITECTURES[variant]
        half = _small(variant, width=0.5)
        kernels = {
            layer.name: layer.filters
            for layer in half.layers
            if isinstance(layer, keras.layers.Conv2D)
        }
        self.assertEqual(kernels["stem_conv1"], full.stem_channels // 2)
        for index, stage in enumerate(full.stages, start=1):
            block = f"stage{index}_block1"
            self.assertEqual(kernels[f"{block}_conv1"], stage.channels // 2)
            self.assertEqual(kernels[f"{block}_conv3"], stage.channels * 2)

    def test_only_layers_of_keras(self):
        for layer in _small("bagnet33").layers:
            self.assertTrue(type(layer).__module__.startswith("keras."), layer)

    def test_control_of_large_receptive_field(self):
        stages = tuple(
            bagnet_tf.Stage((3,) * len(s.kernel_sizes), s.channels, s.stride)
            for s in bagnet_tf.BAGNET33.stages
        )
        architecture = bagnet_tf.Architecture("control", stages)
        model = bagnet_tf.BagNet(architecture, width=1 / 16, classes=2)
        geometry = bagnet_tf.geometry_of(model)
        # 3 + 2 (1 + 2*2) + 4 (1 + 2 + ...): one term a convolution.
        steps = [1] * 2 + [2] * 4 + [2] + [4] * 4 + [4] + [8] * 8
        steps = [1] + [1] + [2] * 2 + [2] + [4] * 3 + [4] + [8] * 5 + [8] * 3
        self.assertEqual(geometry.receptive_field, 1 + 2 * sum(steps))
        self.assertEqual(geometry.stride, 8)


class LocalityTest(parameterized.TestCase):
    """Contract line 2."""

    @parameterized.named_parameters(*_VARIANTS)
    def test_outside_the_box_nothing_matters(self, variant):
        model = bagnet_tf.patch_logits_model(_small(variant))
        geometry = bagnet_tf.geometry_of(model)
        q = geometry.receptive_field
        image, other = _images(q + 21, q + 14), _images(q + 21, q + 14, seed=1)
        before = _predict(model, image)["patch_logits"]
        rows, cols = before.shape[1:3]
        for row, col in ((0, 0), (1, 1), (rows - 1, 0), (rows - 1, cols - 1)):
            box = geometry.box(row, col)
            inside = np.s_[:, box.top : box.bottom, box.left : box.right]
            changed = other.copy()
            changed[inside] = image[inside]
            after = _predict(model, changed)["patch_logits"]
            np.testing.assert_array_equal(
                after[0, row, col], before[0, row, col]
            )

    @parameterized.named_parameters(*_VARIANTS)
    def test_a_pixel_changes_exactly_the_cells_that_see_it(self, variant):
        model = bagnet_tf.patch_logits_model(_small(variant))
        geometry = bagnet_tf.geometry_of(model)
        q = geometry.receptive_field
        height, width = q + 8 + 3, q + 16 + 5  # a grid of 2x3 and a rim
        image = _images(height, width)
        before = _predict(model, image)["patch_logits"]
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
                after = _predict(model, changed)["patch_logits"]
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
        outputs = _predict(bagnet_tf.patch_logits_model(model), images)
        means = outputs["patch_logits"].mean(axis=(1, 2), dtype="float64")
        error = np.abs(means - outputs["logits"]).max()
        self.assertLess(error, tolerance * np.abs(outputs["logits"]).max())
        np.testing.assert_allclose(
            _predict(model, images), outputs["logits"], rtol=1e-5, atol=1e-6
        )

    @parameterized.named_parameters(*_VARIANTS)
    def test_logits_are_the_mean_of_the_patch_logits(self, variant):
        model = _small(variant)
        q = bagnet_tf.geometry_of(model).receptive_field
        for more_rows, more_cols in _SIZES:
            images = _images(q + more_rows, q + more_cols, batch=2)
            self.assert_additive(model, images, 1e-5)

    @parameterized.named_parameters(*_VARIANTS)
    def test_under_mixed_precision(self, variant):
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = _small(variant)
        self.assertEqual(
            model.get_layer("stage1_block1_conv1").compute_dtype, "bfloat16"
        )
        self.assert_additive(model, _images(57, 64, batch=2), 1e-4)

    def test_patch_logits_ignore_the_activation(self):
        images = _images(40, 33)
        plain, softmax = (
            bagnet_tf.patch_logits_model(_small("bagnet9", **kwargs))
            for kwargs in ({}, {"classifier_activation": "softmax"})
        )
        for name, value in _predict(plain, images).items():
            np.testing.assert_array_equal(
                _predict(softmax, images)[name], value
            )


class OutputsTest(parameterized.TestCase):
    def test_preprocessing_is_the_normalisation(self):
        images = _images(35, 50)
        inside = _small("bagnet17")
        outside = _small("bagnet17", include_preprocessing=False)
        normalised = (images - np.array(RGB_MEAN)) / np.array(RGB_STD)
        np.testing.assert_allclose(
            _predict(inside, images),
            _predict(outside, normalised.astype("float32")),
            rtol=1e-5,
            atol=1e-6,
        )

    def test_statistics_are_those_of_imagenet(self):
        np.testing.assert_allclose(RGB_MEAN, (123.675, 116.28, 103.53))
        np.testing.assert_allclose(RGB_STD, (58.395, 57.12, 57.375))

    @parameterized.parameters((None, (1, 2, 3, 512)), ("avg", (1, 512)))
    def test_without_top(self, pooling, shape):
        model = _small("bagnet9", include_top=False, pooling=pooling)
        self.assertEqual(_predict(model, _images(17, 25)).shape, shape)

    def test_max_pooling_is_the_maximum_of_the_features(self):
        features = _small("bagnet9", include_top=False)
        pooled = _small("bagnet9", include_top=False, pooling="max")
        images = _images(17, 25)
        np.testing.assert_allclose(
            _predict(pooled, images),
            _predict(features, images).max(axis=(1, 2)),
            rtol=1e-6,
        )

    def test_classifier_activation(self):
        images = _images(17, 25)
        logits = _predict(_small("bagnet9"), images)
        model = _small("bagnet9", classifier_activation="softmax")
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(
            _predict(model, images), expected, rtol=1e-4, atol=1e-7
        )

    def test_name(self):
        self.assertEqual(_small("bagnet9", name="mine").name, "mine")

    def test_weights_file(self):
        model = _small("bagnet9")
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(directory, "model.weights.h5")
        model.save_weights(path)
        keras.utils.set_random_seed(77)
        loaded = bagnet_tf.BagNet9(str(path), classes=5, width=0.25)
        images = _images(20, 20)
        np.testing.assert_array_equal(
            _predict(loaded, images), _predict(model, images)
        )


# Runs where bagnet_tf cannot be imported.
_PLAIN_KERAS = """
import sys
import keras
import numpy as np
data = np.load("data.npz")
model = keras.models.load_model("model.keras")
np.testing.assert_allclose(
    model.predict(data["images"], verbose=0), data["logits"], rtol=1e-6
)
before = [w.numpy() for w in model.trainable_weights]
model.compile(
    keras.optimizers.SGD(0.1),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
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
        model, images = _small("bagnet33"), _images(41, 49, batch=2)
        directory = self.enterContext(tempfile.TemporaryDirectory())
        model.save(pathlib.Path(directory, "model.keras"))
        np.savez(
            pathlib.Path(directory, "data.npz"),
            images=images,
            logits=_predict(model, images),
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

    @parameterized.named_parameters(*_VARIANTS)
    def test_patch_logits_and_geometry_of_a_loaded_model(self, variant):
        model, images = _small(variant), _images(50, 43)
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(directory, "model.keras")
        model.save(path)
        loaded = keras.models.load_model(path)
        self.assertEqual(
            bagnet_tf.geometry_of(loaded),
            bagnet_tf.ARCHITECTURES[variant].geometry,
        )
        expected = _predict(bagnet_tf.patch_logits_model(model), images)
        actual = _predict(bagnet_tf.patch_logits_model(loaded), images)
        self.assertEqual(actual.keys(), {"logits", "patch_logits"})
        for name, value in expected.items():
            np.testing.assert_array_equal(actual[name], value)


class ArgumentsTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("architecture", {"architecture": "bagnet9"}, "architecture='bagnet9'"),
        ("no_classes", {"classes": 0}, "classes=0"),
        ("classes_fraction", {"classes": 2.5}, "classes=2.5"),
        ("width_zero", {"width": 0}, "width=0"),
        ("width_nan", {"width": float("nan")}, "width=nan"),
        ("rank", {"input_shape": (64, 3)}, r"input_shape=\(64, 3\)"),
        ("channels", {"input_shape": (64, 64, None)}, "known channels"),
        ("not_rgb", {"input_shape": (64, 64, 1)}, "3 channels"),
        ("small", {"input_shape": (32, 64, 3)}, "33 pixels a side"),
        ("small_side", {"input_shape": (None, 32, 3)}, "33 pixels a side"),
        ("zero_side", {"input_shape": (0, None, 3)}, "33 pixels a side"),
        ("pooling", {"pooling": "sum", "include_top": False}, "pooling='sum'"),
        ("pooling_with_top", {"pooling": "avg"}, "include_top=False only"),
        (
            "activation_without_top",
            {"classifier_activation": "softmax", "include_top": False},
            "classifier_activation='softmax'",
        ),
        (
            "no_weights_file",
            {"weights": "none.weights.h5"},
            "'none.weights.h5'",
        ),
        (
            "weights_of_another_kind",
            {"weights": __file__},
            "existing .weights.h5",
        ),
    )
    def test_refused(self, arguments, message):
        arguments = {"architecture": bagnet_tf.BAGNET33} | arguments
        with self.assertRaisesRegex(
            ValueError, f"Received.*{message}|{message}"
        ):
            bagnet_tf.BagNet(**arguments)

    def test_weights_of_another_model(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(directory, "five.weights.h5")
        _small("bagnet9").save_weights(path)
        message = r"(?s)do not fit 'bagnet9'.*\(None, 6\).*five.weights.h5"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.BagNet9(str(path), classes=6, width=0.25)

    def test_damaged_weights(self):
        path = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory()), "x.weights.h5"
        )
        path.write_bytes(b"no HDF5")
        with self.assertRaisesRegex(ValueError, "(?s)do not fit.*x.weights.h5"):
            bagnet_tf.BagNet9(str(path), classes=6, width=0.25)


if __name__ == "__main__":
    absltest.main()
