"""Tests that the inference model is the trained model, only faster."""

import keras
import numpy as np
from absl.testing import parameterized

import bagnet_tf
from tests.shared_data import golden_state_dict, shared
from tests.small_models import (
    VARIANTS,
    compute,
    random_images,
)

# Of the largest patch logit: line 6 of the numerical contract.
TOLERANCE = 1e-4


def trained(variant: str, **kwargs) -> keras.Model:
    """A narrow model with statistics and scales as after training."""
    keras.utils.set_random_seed(3)
    arguments = {"classes": 5, "width": 0.125} | kwargs
    model = bagnet_tf.BagNet(bagnet_tf.ARCHITECTURES[variant], **arguments)
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.3, 1.5, shape))
            layer.beta.assign(rng.normal(0.0, 0.3, shape))
            layer.moving_mean.assign(rng.normal(0.0, 0.5, shape))
            layer.moving_variance.assign(rng.uniform(0.2, 4.0, shape))
    return model


class InferenceModelTest(parameterized.TestCase):
    def assert_equal_outputs(self, model, inference, images, tolerance):
        expected = compute(bagnet_tf.patch_logits_model(model), images)
        actual = compute(inference, images)
        self.assertEqual(actual.keys(), expected.keys())
        largest = np.abs(expected["patch_logits"]).max()
        for name in expected:
            self.assertEqual(actual[name].shape, expected[name].shape)
            error = np.abs(actual[name] - expected[name]).max()
            self.assertLess(error, tolerance * largest, name)

    @parameterized.named_parameters(*VARIANTS)
    def test_equals_the_model(self, variant):
        model = trained(variant)
        inference = bagnet_tf.inference_model(model)
        for height, width in ((48, 65), (41, 40)):
            images = random_images(height, width, batch=2)
            self.assert_equal_outputs(model, inference, images, TOLERANCE)

    def test_equals_a_model_without_preprocessing(self):
        model = trained("bagnet9", include_preprocessing=False)
        images = random_images(33, 40) / 100 - 1
        inference = bagnet_tf.inference_model(model)
        self.assert_equal_outputs(model, inference, images, TOLERANCE)

    @parameterized.named_parameters(*VARIANTS)
    def test_equals_the_golden_activations(self, variant):
        # Of the reference code, on normalised images.
        with np.load(shared("golden", f"{variant}.npz")) as golden:
            name = min(
                (key for key in golden if key.endswith("/logits")),
                key=lambda key: np.prod(
                    [int(n) for n in key.split("/")[0].split("x")]
                ),
            ).split("/")[0]
            expected = golden[f"{name}/patch_logits_first8"]
        height, width = (int(side) for side in name.split("x"))
        rng = np.random.default_rng(height * 1000 + width + 6)
        images = rng.uniform(-2, 2, (2, height, width, 3)).astype("float32")
        model = bagnet_tf.BagNet(
            bagnet_tf.ARCHITECTURES[variant], include_preprocessing=False
        )
        bagnet_tf.weights.load_official_state_dict(
            model, golden_state_dict(variant)
        )
        actual = compute(bagnet_tf.inference_model(model), images)
        error = np.abs(actual["patch_logits"][..., :8] - expected).max()
        self.assertLess(error, 2e-5 * np.abs(expected).max())

    def test_has_no_batch_normalisation_and_one_stem_convolution(self):
        model = trained("bagnet17")
        inference = bagnet_tf.inference_model(model)
        kinds = {type(layer).__name__ for layer in inference.layers}
        self.assertNoCommonElements(
            kinds, {"BatchNormalization", "Normalization"}
        )
        self.assertLen(inference.layers, len(model.layers) - 55)
        self.assertEqual(
            bagnet_tf.geometry_of(inference), bagnet_tf.geometry_of(model)
        )

    def test_does_not_share_weights(self):
        model = trained("bagnet9")
        images = random_images(33, 33)
        inference = bagnet_tf.inference_model(model)
        before = compute(inference, images)["logits"]
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        np.testing.assert_array_equal(
            compute(inference, images)["logits"], before
        )
