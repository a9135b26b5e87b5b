"""Do files of 8 and 16 bits hold what was asked for, and do they add up?"""

import functools
import pathlib
import tempfile
import unittest

import keras
import numpy as np
from absl.testing import absltest, parameterized
from ai_edge_litert.interpreter import Interpreter

import bagnet_tf
from bagnet_tf import Architecture, Stage
from export.calibration import (
    activation_ranges,
    largest_activations,
    rounded_layers,
)
from export.equalization import equalize
from export.formats import FORMATS
from export.litert import LiteRTRunner
from export.litert_contents import check_contents
from export.quantization import quantized_network
from tests.export_helpers import (
    SIZE,
    info_of,
    random_images,
    randomized,
    request,
)

# All kinds of blocks, and weights that are worth rounding.
_WIDE = Architecture("wide", (Stage((3, 1), 32, 2), Stage((1,), 32, 2)))


@functools.cache
def _model() -> keras.Model:
    return randomized(bagnet_tf.BagNet(_WIDE, classes=300))


@functools.cache
def _folded() -> keras.Model:
    return bagnet_tf.inference_model(_model())


@functools.cache
def _file(name, input_type="float32") -> pathlib.Path:
    """A file of `_model`, written once."""
    path = _folder() / f"{input_type}_{name}.tflite"
    asked = request(
        _model(), info_of(300), calibration=_batches, input_type=input_type
    )
    FORMATS[name].write(asked, path)
    return path


@functools.cache
def _folder() -> pathlib.Path:
    return pathlib.Path(
        unittest.enterModuleContext(tempfile.TemporaryDirectory())
    )


def _batches(size=SIZE):
    images = random_images(6, size)
    images[0, :9] = 255  # Farther than all others.
    return [images[:4], images[4:]]


class RangesTest(absltest.TestCase):
    @functools.cached_property
    def values(self):
        """All values of each rounded layer, by a forward pass of its own."""
        network = _folded()
        outputs = keras.Model(
            network.input,
            {
                name: network.get_layer(name).output
                for name in rounded_layers(network)
            },
        )
        images = np.concatenate(_batches()).astype(np.float32)
        return outputs.predict_on_batch(images)

    def test_layers_that_litert_rounds(self):
        self.assertEqual(
            set(rounded_layers(_folded())),
            {
                "stem_relu",
                "stage1_block1_relu1",
                "stage1_block1_relu2",
                "stage1_block1_conv3",
                "stage1_block1_shortcut_conv",
                "stage1_block1_out",
                "stage1_block2_relu1",
                "stage1_block2_relu2",
                "stage1_block2_conv3",
                "stage1_block2_out",
                "stage2_block1_relu1",
                "stage2_block1_relu2",
                "stage2_block1_conv3",
                "stage2_block1_shortcut_conv",
                "stage2_block1_out",
            },
        )

    def test_largest_of_each_channel(self):
        found = largest_activations(_folded(), _batches())
        for name, values in self.values.items():
            expected = np.abs(values).max(axis=(0, 1, 2))
            np.testing.assert_allclose(found[name], expected, rtol=1e-5)

    def test_no_images(self):
        with self.assertRaisesRegex(ValueError, "at least one image"):
            largest_activations(_folded(), [])

    def test_ranges_cut_at_percentiles(self):
        largest = largest_activations(_folded(), _batches())
        found = activation_ranges(_folded(), _batches(), largest, clipped=1)
        for name, values in self.values.items():
            # A step of the histogram, of 16384 between -reach and reach.
            step = 2 * largest[name].max() / 16384
            # The neighbours between which the percentiles lie.
            (low, high), (low_above, high_above) = (
                np.percentile(values, (1, 99), method=method)
                for method in ("lower", "higher")
            )
            self.assertBetween(
                found[name].low, min(low, 0) - step, min(low_above, 0) + step
            )
            self.assertBetween(found[name].high, high - step, high_above + step)

    def test_whole_ranges(self):
        largest = largest_activations(_folded(), _batches())
        found = activation_ranges(_folded(), _batches(), largest, clipped=0)
        for name, values in self.values.items():
            step = 2 * largest[name].max() / 16384
            self.assertAlmostEqual(
                found[name].high, max(values.max(), 0), delta=1.01 * step
            )
            self.assertAlmostEqual(
                found[name].low, min(values.min(), 0), delta=1.01 * step
            )


class EqualizeTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.largest = largest_activations(_folded(), _batches())
        self.equal, self.scaled = equalize(_folded(), self.largest)

    def test_is_the_same_function(self):
        images = random_images(3, SIZE).astype(np.float32)
        found, expected = (
            network.predict_on_batch(images)
            for network in (self.equal, _folded())
        )
        for name, values in expected.items():
            error = np.abs(found[name] - values).max() / np.abs(values).max()
            self.assertLess(error, 1e-5)

    def test_says_how_far_its_channels_reach(self):
        found = largest_activations(self.equal, _batches())
        for name, values in found.items():
            np.testing.assert_allclose(self.scaled[name], values, rtol=1e-4)

    def test_channels_reach_more_equally_far(self):
        def spread(largest):
            logs = [np.log(v[v > 0]).std() for v in largest.values()]
            return np.mean(logs)

        self.assertLess(spread(self.scaled), 0.8 * spread(self.largest))

    def test_channels_of_a_stage_are_scaled_alike(self):
        names = ("conv3", "shortcut_conv", "out")
        with np.errstate(invalid="ignore"):
            factors = [
                self.largest[name] / self.scaled[name]
                for name in (
                    *(f"stage1_block1_{name}" for name in names),
                    "stage1_block2_conv3",
                    "stage1_block2_out",
                )
            ]
        alive = ~np.isnan(factors).any(axis=0)  # Others are 0 throughout.
        self.assertGreater(alive.sum(), 64)
        for factor in factors[1:]:
            np.testing.assert_allclose(
                factor[alive], factors[0][alive], rtol=1e-6
            )

    def test_the_network_given_is_not_changed(self):
        again, _ = equalize(_folded(), self.largest)
        for first, second in zip(
            again.get_weights(), self.equal.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(first, second)


class QuantizedNetworkTest(absltest.TestCase):
    def test_activations_have_256_values(self):
        network = quantized_network(_folded(), _batches)
        features = keras.Model(
            network.input, network.get_layer("avg_pool").input
        )
        values = features.predict_on_batch(
            random_images(4, SIZE).astype(np.float32)
        )
        self.assertLessEqual(len(np.unique(values)), 256)
        self.assertGreater(len(np.unique(values)), 50)

    def test_is_near_the_network(self):
        network = quantized_network(_folded(), _batches, clipped=0)
        images = random_images(4, SIZE).astype(np.float32)
        found, expected = (
            net.predict_on_batch(images)["patch_logits"]
            for net in (network, _folded())
        )
        error = np.sqrt(np.mean((found - expected) ** 2)) / expected.std()
        self.assertLess(error, 0.1)


class FilesTest(parameterized.TestCase):
    """Files of `_model`, each written once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = random_images(2, SIZE)
        network = bagnet_tf.patch_logits_model(_model())
        images = cls.images.astype(np.float32)
        cls.expected = network.predict_on_batch(images)

    @parameterized.parameters(
        ("litert_fp16", 1e-3), ("litert_dynamic", 0.05), ("litert_int8", 0.15)
    )
    def test_is_near_the_model_and_adds_up(self, name, tolerance):
        outputs = LiteRTRunner(_file(name))(self.images, None)
        maps = outputs["patch_logits.patch_logits"]
        expected = self.expected["patch_logits"]
        error = np.sqrt(np.mean((maps - expected) ** 2)) / expected.std()
        self.assertLess(error, tolerance)
        logits = outputs["patch_logits.logits"]
        scale = np.abs(logits).max()
        mean = maps.mean(axis=(1, 2), dtype=np.float64)
        np.testing.assert_allclose(mean, logits, atol=1e-5 * scale)
        np.testing.assert_array_equal(outputs["serving_default.logits"], logits)

    @parameterized.parameters(("litert_dynamic", 0.45), ("litert_int8", 0.55))
    def test_size_without_the_classifier(self, name, share):
        classifier = 4 * 128 * 300
        small, float32 = (
            _file(kind).stat().st_size - classifier for kind in (name, "litert")
        )
        self.assertLess(small, share * float32)

    @parameterized.parameters("litert", "litert_dynamic", "litert_int8")
    def test_bytes_as_input_give_the_same(self, name):
        path = _file(name, "uint8")
        interpreter = Interpreter(str(path))
        runner = interpreter.get_signature_runner("patch_logits")
        dtype = runner.get_input_details()["image"]["dtype"]
        self.assertEqual(dtype, np.uint8)
        found = LiteRTRunner(path)(self.images, None)
        expected = LiteRTRunner(_file(name))(self.images, None)
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, atol=1e-4)

    def test_every_convolution_of_the_8_bit_file_has_8_bits(self):
        interpreter = Interpreter(str(_file("litert_int8")))
        tensors = {t["index"]: t for t in interpreter.get_tensor_details()}
        kinds = {"CONV_2D": set(), "FULLY_CONNECTED": set()}
        for operator in interpreter._get_ops_details():
            if operator["op_name"] in kinds:
                types = tuple(
                    tensors[index]["dtype"] for index in operator["inputs"][:2]
                )
                kinds[operator["op_name"]].add(types)
        self.assertEqual(kinds["CONV_2D"], {(np.int8, np.int8)})
        self.assertEqual(kinds["FULLY_CONNECTED"], {(np.float32, np.float32)})

    def test_contents_that_were_not_asked_for(self):
        content = _file("litert").read_bytes()
        check_contents(content, "FLOAT32", 20_000, 38_400)
        with self.assertRaisesRegex(RuntimeError, "into .*FLOAT32"):
            check_contents(content, "INT8", 20_000, 38_400)
        content = _file("litert_dynamic").read_bytes()
        with self.assertRaisesRegex(RuntimeError, "convolutions FLOAT32"):
            check_contents(content, "FLOAT32", 20_000, 38_400)

    def test_weights_that_are_there_twice(self):
        content = _file("litert").read_bytes()
        with self.assertRaisesRegex(RuntimeError, "its weights take"):
            check_contents(content + bytes(800_000), "FLOAT32", 20_000, 38_400)


if __name__ == "__main__":
    absltest.main()
