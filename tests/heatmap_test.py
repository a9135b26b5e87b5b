"""Tests that a dense heatmap is what every single patch says."""

import dataclasses

import keras
import numpy as np
from absl.testing import parameterized

import bagnet_tf
from bagnet_tf import weights
from tests.shared_data import golden_state_dict, shared
from tests.small_models import (
    TINY,
    VARIANTS,
    compute,
    narrow_model,
    narrow_patch_logits_model,
    random_images,
    tiny_model,
)

# Of the largest patch logit: line 5 of the numerical contract.
TOLERANCE = 1e-4


class DenseHeatmapTest(parameterized.TestCase):
    def assert_close(self, actual, expected):
        self.assertEqual(actual.shape, expected.shape)
        error = np.abs(actual - expected).max()
        self.assertLess(error, TOLERANCE * np.abs(expected).max())

    @parameterized.named_parameters(*VARIANTS)
    def test_equals_the_reference_code(self, variant):
        with np.load(shared("golden", f"{variant}.npz")) as golden:
            expected = golden["heatmap48x40/class7"]
        model = bagnet_tf.BagNet(
            bagnet_tf.ARCHITECTURES[variant], include_preprocessing=False
        )
        weights.load_official_state_dict(model, golden_state_dict(variant))
        rng = np.random.default_rng(83)
        image = rng.uniform(-2, 2, (1, 48, 40, 3)).astype("float32")
        heatmap = bagnet_tf.dense_heatmap(model, image, [7])
        self.assert_close(heatmap[0, :, :, 0], expected)

    def test_slices_are_no_larger_than_their_memory(self):
        model, images = tiny_model(classes=3), random_images(24, 24, batch=3)
        largest = {}
        for max_memory in (1, 10**9):
            network = bagnet_tf.HeatmapNetwork(model, max_memory=max_memory)
            batches = []

            def recorded(run, batches=batches):
                return lambda x: batches.append(len(x)) or run(x)

            network._features._segments = [
                dataclasses.replace(segment, run=recorded(segment.run))
                for segment in network._features._segments
            ]
            network(images, [0])
            largest[max_memory] = max(batches)
        self.assertEqual(largest[1], 1)
        self.assertGreaterEqual(largest[10**9], 3)

    @parameterized.named_parameters(*VARIANTS)
    def test_equals_every_patch_by_itself(self, variant):
        model = narrow_model(variant)
        size = bagnet_tf.geometry_of(model).receptive_field
        images = random_images(9, 14, batch=2)
        # The padding is 0 in normalised space, which is the mean in RGB.
        rim = (size - 1) // 2
        padded = np.empty((2, 9 + 2 * rim, 14 + 2 * rim, 3), np.float32)
        padded[:] = np.ravel(model.get_layer("normalization").mean)
        padded[:, rim:-rim, rim:-rim] = images
        patches = np.lib.stride_tricks.sliding_window_view(
            padded, (size, size), axis=(1, 2)
        )  # (2, 9, 14, 3, size, size)
        patches = np.moveaxis(patches, 3, -1).reshape(-1, size, size, 3)
        logits = compute(model, patches).reshape(2, 9, 14, -1)
        heatmap = bagnet_tf.dense_heatmap(model, images, [4, 0])
        self.assert_close(heatmap, logits[..., [4, 0]])

    @parameterized.named_parameters(*VARIANTS)
    def test_patch_logits_are_its_subset(self, variant):
        images = random_images(49, 60, batch=2)
        expected = compute(narrow_patch_logits_model(variant), images)
        heatmap = bagnet_tf.dense_heatmap(
            narrow_model(variant), images, range(5), padding="valid"
        )
        size = bagnet_tf.ARCHITECTURES[variant].geometry.receptive_field
        self.assertEqual(heatmap.shape, (2, 50 - size, 61 - size, 5))
        self.assert_close(heatmap[:, ::8, ::8], expected["patch_logits"])
        mean = heatmap[:, ::8, ::8].mean(axis=(1, 2))
        self.assert_close(mean, expected["logits"])

    @parameterized.product(stride=(2, 4, 8), padding=("same", "valid"))
    def test_larger_stride_is_a_subset(self, stride, padding):
        model, images = narrow_model("bagnet17"), random_images(35, 42)
        every = bagnet_tf.dense_heatmap(model, images, [1], 1, padding)
        some = bagnet_tf.dense_heatmap(model, images, [1], stride, padding)
        self.assert_close(some, every[:, ::stride, ::stride])

    def test_is_the_same_in_slices(self):
        model = narrow_model("bagnet33")
        images = random_images(30, 25, batch=3)
        whole = bagnet_tf.dense_heatmap(model, images, [1])
        sliced = bagnet_tf.dense_heatmap(model, images, [1], max_memory=1)
        self.assert_close(sliced, whole)

    def test_evidence_lies_where_its_pixel_is(self):
        # All weights positive, so that light speaks for every class.
        model = bagnet_tf.BagNet(TINY, classes=1, include_preprocessing=False)
        model.set_weights([np.abs(w) + 0.1 for w in model.get_weights()])
        image = np.zeros((1, 40, 50, 3), np.float32)
        image[0, 17, 31] = 1.0
        heatmap = bagnet_tf.dense_heatmap(model, image, [0])[0, :, :, 0]
        rows, cols = np.nonzero(heatmap > heatmap.min())
        # Receptive field 5: two pixels to each side.
        self.assertEqual((rows.min(), rows.max()), (15, 19))
        self.assertEqual((cols.min(), cols.max()), (29, 33))

    def test_centred_is_minus_the_mean_over_classes(self):
        # One of its own, since it is changed.
        model, images = tiny_model(name="biased"), random_images(12, 13)
        model.get_layer("classifier").bias.assign([3.0, -2.0, 5.0, 9.0])
        raw = bagnet_tf.dense_heatmap(model, images, range(4))
        centred = bagnet_tf.dense_heatmap(model, images, range(4), centred=True)
        self.assert_close(centred, raw - raw.mean(axis=-1, keepdims=True))

    def test_bfloat16_is_close(self):
        model, images = narrow_model("bagnet17"), random_images(40, 40)
        exact = bagnet_tf.dense_heatmap(model, images, [0, 1])
        rounded = bagnet_tf.dense_heatmap(
            model, images, [0, 1], dtype="bfloat16"
        )
        self.assertEqual(rounded.dtype, np.float32)
        error = np.abs(rounded - exact).max()
        self.assertLess(error, 0.1 * np.abs(exact).max())
        self.assertGreater(error, 0.0)

    def test_takes_images_of_any_size_though_the_model_does_not(self):
        keras.utils.set_random_seed(5)
        model = bagnet_tf.BagNet(TINY, classes=4, input_shape=(20, 20, 3))
        heatmap = bagnet_tf.dense_heatmap(model, random_images(12, 31), [0])
        self.assertEqual(heatmap.shape, (1, 12, 31, 1))

    @parameterized.named_parameters(
        ("stride", {"stride": 3}, "stride must be one of 1, 2, 4, 8\."),
        ("no_stride", {"stride": 0}, "stride must be one of"),
        ("padding", {"padding": "full"}, "padding must be"),
        ("class", {"class_ids": [5]}, r"class_ids must be .* \[0, 5\)"),
        ("dtype", {"dtype": "float16"}, "dtype must be one of"),
        ("rank", {"images": np.zeros((9, 9, 3))}, "images must be"),
        (
            "small",
            {"images": np.zeros((1, 8, 9, 3)), "padding": "valid"},
            "receptive field",
        ),
    )
    def test_refuses(self, wrong, message):
        arguments = {"images": random_images(9, 9), "class_ids": [0]} | wrong
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.dense_heatmap(narrow_model("bagnet9"), **arguments)
