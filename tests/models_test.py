"""Does each variant keep its promises? Contract line 1 of the design."""

import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.models import RGB_MEAN, RGB_STD
from tests.small_models import (
    TINY,
    VARIANTS,
    compute,
    narrow_model,
    narrow_patch_logits_model,
    random_images,
    tiny_model,
)

# Square, odd, and neither; added to the receptive field.
_SIZES = ((0, 0), (7, 16), (23, 8), (40, 13))

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


class FactsTest(parameterized.TestCase):
    """Contract line 1."""

    def test_no_variant_is_without_facts(self):
        self.assertEqual(_FACTS.keys(), bagnet_tf.ARCHITECTURES.keys())
        self.assertEqual(_CONSTRUCTORS.keys(), bagnet_tf.ARCHITECTURES.keys())

    @parameterized.named_parameters(*VARIANTS)
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

    @parameterized.named_parameters(*VARIANTS)
    def test_grid_of_any_size(self, variant):
        model = narrow_patch_logits_model(variant)
        geometry = bagnet_tf.geometry_of(model)
        for more_rows, more_cols in _SIZES:
            height = geometry.receptive_field + more_rows
            width = geometry.receptive_field + more_cols
            shape = compute(model, random_images(height, width))[
                "patch_logits"
            ].shape
            self.assertEqual(shape[1:3], geometry.grid_shape(height, width))

    @parameterized.named_parameters(*VARIANTS)
    def test_fixed_input_size(self, variant):
        model = narrow_model(variant, input_shape=(64, 41, 3))
        self.assertEqual(model.input_shape, (None, 64, 41, 3))
        self.assertEqual(model.output_shape, (None, 5))

    @parameterized.named_parameters(*VARIANTS)
    def test_width_scales_every_convolution(self, variant):
        full = bagnet_tf.ARCHITECTURES[variant]
        half = narrow_model(variant, width=0.5)
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
        for layer in narrow_model("bagnet33").layers:
            self.assertTrue(type(layer).__module__.startswith("keras."), layer)


class OutputsTest(parameterized.TestCase):
    def test_preprocessing_is_the_normalisation(self):
        images = random_images(35, 50)
        inside = tiny_model()
        outside = tiny_model(include_preprocessing=False)
        normalised = (images - np.array(RGB_MEAN)) / np.array(RGB_STD)
        np.testing.assert_allclose(
            compute(inside, images),
            compute(outside, normalised.astype("float32")),
            rtol=1e-5,
            atol=1e-6,
        )

    @parameterized.parameters(1, 2, 4)
    def test_preprocessing_of_other_channels(self, channels):
        # 103.53, 116.28 and 123.675, and 57.375, 57.12 and 58.395, averaged.
        images = random_images(9, 12, channels=channels)
        normalised = (images - 114.495) / 57.63
        inside, outside = (
            tiny_model(
                input_shape=(None, None, channels), include_preprocessing=itself
            )
            for itself in (True, False)
        )
        np.testing.assert_allclose(
            compute(inside, images),
            compute(outside, normalised),
            rtol=1e-5,
            atol=1e-5,
        )

    def test_statistics_are_those_of_imagenet(self):
        np.testing.assert_allclose(RGB_MEAN, (123.675, 116.28, 103.53))
        np.testing.assert_allclose(RGB_STD, (58.395, 57.12, 57.375))

    @parameterized.parameters((None, (1, 7, 11, 16)), ("avg", (1, 16)))
    def test_without_top(self, pooling, shape):
        model = tiny_model(include_top=False, pooling=pooling)
        self.assertEqual(compute(model, random_images(17, 25)).shape, shape)

    def test_max_pooling_is_the_maximum_of_the_features(self):
        features = tiny_model(include_top=False)
        pooled = tiny_model(include_top=False, pooling="max")
        images = random_images(17, 25)
        np.testing.assert_allclose(
            compute(pooled, images),
            compute(features, images).max(axis=(1, 2)),
            rtol=1e-6,
        )

    def test_classifier_activation(self):
        images = random_images(17, 25)
        logits = compute(tiny_model(), images)
        model = tiny_model(classifier_activation="softmax")
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(
            compute(model, images), expected, rtol=1e-4, atol=1e-7
        )

    def test_name(self):
        self.assertEqual(tiny_model(name="mine").name, "mine")

    def test_weights_file(self):
        model = tiny_model()
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(directory, "model.weights.h5")
        model.save_weights(path)
        keras.utils.set_random_seed(77)
        loaded = bagnet_tf.BagNet(TINY, str(path), classes=4)
        images = random_images(20, 20)
        np.testing.assert_array_equal(
            compute(loaded, images), compute(model, images)
        )


class ArgumentsTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("architecture", {"architecture": "bagnet9"}, "architecture='bagnet9'"),
        ("no_classes", {"classes": 0}, "classes=0"),
        ("classes_fraction", {"classes": 2.5}, "classes=2.5"),
        ("width_zero", {"width": 0}, "width=0"),
        ("width_nan", {"width": float("nan")}, "width=nan"),
        ("rank", {"input_shape": (64, 3)}, r"input_shape=\(64, 3\)"),
        ("channels", {"input_shape": (64, 64, None)}, "known channels"),
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
            "whole file",
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
        tiny_model().save_weights(path)
        message = r"those of 'tiny'.*\(6,\).*five.weights.h5.*classes=6"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.BagNet(TINY, str(path), classes=6)

    def test_damaged_weights(self):
        path = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory()), "x.weights.h5"
        )
        path.write_bytes(b"no HDF5")
        with self.assertRaisesRegex(ValueError, "whole file.*x.weights.h5"):
            bagnet_tf.BagNet(TINY, str(path), classes=6)


class PatchLogitsModelTest(parameterized.TestCase):
    def test_weights_are_shared(self):
        model = tiny_model(name="changed")
        function = bagnet_tf.patch_logits_model(model)
        classifier = model.get_layer("classifier")
        classifier.set_weights([0 * w for w in classifier.get_weights()])
        outputs = function(random_images(9, 9, batch=2))
        np.testing.assert_array_equal(outputs["patch_logits"], 0)

    def test_channels_of_any_number(self):
        model = tiny_model(
            input_shape=(None, None, 1), include_preprocessing=False
        )
        explanation = bagnet_tf.explain(
            model, random_images(7, 9, batch=2, channels=1)
        )
        self.assertEqual(explanation.class_evidence.shape, (2, 2, 3, 3))

    def test_without_top_there_is_nothing_to_explain(self):
        model = tiny_model(include_top=False, pooling="avg")
        message = r"include_top=True.*Received.*without classifier"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.patch_logits_model(model)

    def test_other_model_is_refused(self):
        model = keras.Sequential(
            [keras.Input((32, 32, 3)), keras.layers.Conv2D(3, 3)], name="other"
        )
        with self.assertRaisesRegex(ValueError, "a BagNet.*model='other'"):
            bagnet_tf.patch_logits_model(model)


if __name__ == "__main__":
    absltest.main()
