"""Do the reference's weights give the reference's numbers?"""

import functools
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.weights import load_official_state_dict
from tests.shared_data import golden_state_dict, shared
from tests.weight_file_helpers import (
    SMALL_CLASSES,
    SMALL_WIDTH,
    small_state_dict,
)

_VARIANTS = tuple((name, name) for name in bagnet_tf.ARCHITECTURES)
_LAYOUTS = ("official", "pytorchcv")
_VARIANTS_AND_LAYOUTS = tuple(
    (f"{name}_{layout}", name, layout)
    for name in bagnet_tf.ARCHITECTURES
    for layout in _LAYOUTS
)
_SIZES = ((224, 224), (97, 131))
_TOLERANCE = 2e-5  # of the largest value of an array


@functools.lru_cache(maxsize=1)
def _state_dict(variant, layout):
    return golden_state_dict(variant, layout)


@functools.lru_cache
def _full_width_model(variant):
    """The model and its patch logits, built and traced once a variant."""
    model = bagnet_tf.BagNet(
        bagnet_tf.ARCHITECTURES[variant], include_preprocessing=False
    )
    return model, bagnet_tf.patch_logits_model(model)


def _golden_inputs(height, width):
    rng = np.random.default_rng(height * 1000 + width + 6)
    return rng.uniform(-2, 2, (2, height, width, 3)).astype("float32")


def _outputs(function, sizes=_SIZES):
    """{name of a golden array: what the model computes for it}."""
    arrays = {}
    for height, width in sizes:
        outputs = function.predict(_golden_inputs(height, width), verbose=0)
        patch_logits = outputs["patch_logits"]
        size = f"{height}x{width}"
        arrays[f"{size}/logits"] = outputs["logits"]
        arrays[f"{size}/grid_shape"] = np.array(patch_logits.shape)
        arrays[f"{size}/patch_logits_first8"] = patch_logits[..., :8]
        arrays[f"{size}/patch_logits_mean"] = patch_logits.mean(axis=(1, 2))
    return arrays


class GoldenTest(parameterized.TestCase):
    """Contract line 4."""

    def assert_golden(self, arrays, variant, sizes=_SIZES):
        golden = np.load(shared("golden", f"{variant}.npz"))
        compared = 0
        for height, width in sizes:
            size = f"{height}x{width}/"
            for name in (key for key in golden if key.startswith(size)):
                with self.subTest(name):
                    error = np.abs(arrays[name] - golden[name]).max()
                    largest = np.abs(golden[name]).max()
                    self.assertEqual(arrays[name].shape, golden[name].shape)
                    self.assertLess(error / largest, _TOLERANCE)
                compared += 1
        self.assertGreaterEqual(compared, 3 * len(sizes))

    def test_every_golden_array_but_the_heatmap_is_compared(self):
        sizes = tuple(f"{height}x{width}/" for height, width in _SIZES)
        for variant in bagnet_tf.ARCHITECTURES:
            golden = np.load(shared("golden", f"{variant}.npz"))
            left = [name for name in golden if not name.startswith(sizes)]
            self.assertEqual(left, ["heatmap48x40/class7"])

    @parameterized.named_parameters(*_VARIANTS_AND_LAYOUTS)
    def test_outputs_of_the_reference(self, variant, layout):
        model, function = _full_width_model(variant)
        load_official_state_dict(model, _state_dict(variant, layout))
        self.assert_golden(_outputs(function), variant)
        # Nothing is left over for the other layout's test.
        for weight in model.weights:
            weight.assign(np.zeros(weight.shape))

    @parameterized.named_parameters(*_VARIANTS)
    def test_outputs_of_the_reference_after_saving(self, variant):
        sizes = _SIZES[1:]
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(directory, "model.keras")
        model, _ = _full_width_model(variant)
        load_official_state_dict(model, _state_dict(variant, "official"))
        model.save(path)
        loaded = keras.models.load_model(path)
        function = bagnet_tf.patch_logits_model(loaded)
        self.assert_golden(_outputs(function, sizes), variant, sizes)


@functools.lru_cache
def _untouched_model():
    return _small_model()


def _small_model(**kwargs):
    return bagnet_tf.BagNet9(classes=SMALL_CLASSES, width=SMALL_WIDTH, **kwargs)


def _snapshot(model):
    return [weight.numpy() for weight in model.weights]


class LoadTest(parameterized.TestCase):
    def assert_refused(self, state_dict, *messages):
        model = _untouched_model()
        before = _snapshot(model)
        with self.assertRaises(ValueError) as caught:
            load_official_state_dict(model, state_dict)
        for message in messages:
            self.assertIn(message, str(caught.exception))
        for old, new in zip(before, _snapshot(model), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_every_weight_comes_from_the_state_dict(self):
        model = _small_model(include_preprocessing=True)
        entries = small_state_dict()
        load_official_state_dict(model, entries)
        expected = sorted(
            float(value.astype("float64").sum())
            for key, value in entries.items()
            if not key.endswith("num_batches_tracked")
        )
        sums = [float(w.astype("float64").sum()) for w in _snapshot(model)]
        np.testing.assert_allclose(sorted(sums), expected, rtol=1e-12)

    @parameterized.named_parameters(
        ("linear", "classifier", "kernel", "fc.weight", (1, 0)),
        ("stem", "stem_conv2", "kernel", "conv2.weight", (2, 3, 1, 0)),
        ("mean", "stage2_block3_bn2", "moving_mean",
         "layer2.2.bn2.running_mean", (0,)),
        ("variance", "stage1_block1_shortcut_bn", "moving_variance",
         "layer1.0.downsample.1.running_var", (0,)),
    )  # fmt: skip
    def test_layout(self, layer, attribute, key, axes):
        model = _small_model()
        load_official_state_dict(model, small_state_dict())
        value = getattr(model.get_layer(layer), attribute).numpy()
        expected = small_state_dict()[key].transpose(axes)
        np.testing.assert_array_equal(value, expected)

    def test_data_parallel_prefix(self):
        wrapped = {f"module.{k}": v for k, v in small_state_dict().items()}
        model = _small_model()
        load_official_state_dict(model, wrapped)
        kernel = model.get_layer("classifier").kernel.numpy()
        np.testing.assert_array_equal(kernel, wrapped["module.fc.weight"].T)

    def test_without_top_the_classifier_is_ignored(self):
        model = _small_model(include_top=False)
        load_official_state_dict(model, small_state_dict())
        kernel = model.get_layer("stem_conv1").kernel.numpy()
        expected = small_state_dict()["conv1.weight"].transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(kernel, expected)

    def test_without_top_other_entries_are_not_ignored(self):
        model = _small_model(include_top=False)
        entries = small_state_dict() | {"fc2.weight": np.zeros(3)}
        with self.assertRaisesRegex(ValueError, r"1 unexpected \(fc2.weight\)"):
            load_official_state_dict(model, entries)

    def test_missing_entries(self):
        entries = dict(small_state_dict())
        for key in ("bn1.bias", "layer3.0.conv2.weight"):
            del entries[key]
        self.assert_refused(
            entries,
            "'bagnet9'",
            "2 missing (bn1.bias, layer3.0.conv2.weight)",
            "Received: state_dict",
        )

    def test_extra_entries(self):
        entries = small_state_dict() | {"layer5.0.conv1.weight": np.zeros(3)}
        self.assert_refused(entries, "1 unexpected (layer5.0.conv1.weight)")

    def test_classifier_of_the_other_layout_is_extra(self):
        entries = small_state_dict() | {"output.bias": np.zeros(5)}
        self.assert_refused(entries, "1 unexpected (output.bias)")

    def test_unknown_entry_of_the_classifier(self):
        entries = small_state_dict() | {"fc.scale": np.zeros(5)}
        self.assert_refused(entries, "1 unexpected (fc.scale)")

    def test_misshaped_entries(self):
        entries = small_state_dict() | {"fc.bias": np.zeros((6,))}
        self.assert_refused(
            entries, "1 of another shape (fc.bias (6,) instead of (5,))"
        )

    def test_everything_wrong_at_once_is_one_error(self):
        entries = small_state_dict() | {"fc.bias": np.zeros((6,)), "x": 0}
        del entries["conv1.weight"]
        self.assert_refused(
            entries, "1 missing", "1 unexpected (x)", "1 of another shape"
        )

    def test_nothing_is_known_in_an_unknown_layout(self):
        self.assert_refused(
            {"a.weight": np.zeros(3)},
            "missing (conv1.weight, conv2.weight, bn1.weight, ...)",
            "1 unexpected (a.weight)",
        )

    def test_other_architecture_says_which_layers_differ(self):
        model = bagnet_tf.BagNet33(classes=5, width=1 / 16)
        message = (
            r"2 of another shape \(layer3.0.conv2.weight \(16, 16, 1, 1\) "
            r"instead of \(16, 16, 3, 3\), layer4.0.conv2.weight"
        )
        with self.assertRaisesRegex(ValueError, message):
            load_official_state_dict(model, small_state_dict())

    def test_model_that_is_no_bagnet(self):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        with self.assertRaisesRegex(ValueError, "model must be a BagNet"):
            load_official_state_dict(model, small_state_dict())


if __name__ == "__main__":
    absltest.main()
