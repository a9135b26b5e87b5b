"""Tests that the inference model is the trained model, only faster."""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import bagnet_tf
from bagnet_tf import weights
from tests.shared_data import golden_state_dict, shared
from tests.small_models import (
    VARIANTS,
    compute,
    random_images,
    tiny_model,
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


def cast(layer: keras.Layer, policy: str) -> keras.Layer:
    """The layer computed in another precision, as a user would do it."""
    config = layer.get_config()
    if layer.name not in ("normalization", "avg_pool", "classifier"):
        config["dtype"] = policy
    return type(layer).from_config(config)


def with_nearly_dead_layers(variant: str) -> keras.Model:
    """A model whose 1x1 middle convolutions put out 1 and a whisper.

    The first channel before each of them is dead, a constant, from which the
    1 comes. Their normalisation subtracts it and amplifies the rest, so that
    the model computes what one with ordinary layers would.
    """
    whisper = 1e-3
    model = trained(variant)
    layers = {layer.name: layer for layer in model.layers}
    for name, layer in layers.items():
        if not name.endswith("_conv2") or layer.kernel_size != (1, 1):
            continue
        before = layers[name.replace("conv2", "bn1")]
        after = layers[name.replace("conv2", "bn2")]
        gamma, beta, mean, variance = before.get_weights()
        gamma[0] = 0.0
        beta[0] = 0.7
        before.set_weights([gamma, beta, mean, variance])
        kernel = whisper * layer.kernel.numpy()
        kernel[0, 0, 0] = 1 / beta[0]
        layer.kernel.assign(kernel)
        gamma, beta, mean, variance = after.get_weights()
        # Its variance is below the epsilon of the normalisation.
        dead = whisper**2 * variance
        gamma *= np.sqrt((dead + 1e-5) / (variance + 1e-5)) / whisper
        after.set_weights([gamma, beta, 1 + whisper * mean, dead])
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
            size = min(
                (
                    key.split("/")[0]
                    for key in golden
                    if key.endswith("/logits")
                ),
                key=lambda size: np.prod(
                    [int(side) for side in size.split("x")]
                ),
            )
            expected = golden[f"{size}/patch_logits_first8"]
        height, width = (int(side) for side in size.split("x"))
        rng = np.random.default_rng(height * 1000 + width + 6)
        images = rng.uniform(-2, 2, (2, height, width, 3)).astype("float32")
        model = bagnet_tf.BagNet(
            bagnet_tf.ARCHITECTURES[variant], include_preprocessing=False
        )
        weights.load_official_state_dict(model, golden_state_dict(variant))
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

    def test_saves_loads_and_exports_without_this_library(self):
        model = trained("bagnet9")
        images = random_images(33, 40)
        for dtype in ("float32", "bfloat16"):
            inference = bagnet_tf.inference_model(model, dtype)
            expected = compute(inference, images)
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "fast.keras")
                inference.save(path)
                loaded = keras.models.load_model(path)
                inference.export(
                    os.path.join(folder, "exported"), verbose=False
                )
                exported = tf.saved_model.load(os.path.join(folder, "exported"))
                served = exported.serve(images)
            for name, values in compute(loaded, images).items():
                np.testing.assert_array_equal(values, expected[name])
                # A graph rounds in other places, which bfloat16 shows.
                tolerance = 1e-5 if dtype == "float32" else 0.02
                np.testing.assert_allclose(
                    served[name], values, atol=tolerance * np.abs(values).max()
                )

    def test_explains_like_the_model(self):
        model, images = trained("bagnet17"), random_images(40, 48)
        expected = bagnet_tf.explain(model, images, [1])
        actual = bagnet_tf.explain(
            bagnet_tf.inference_model(model), images, [1]
        )
        np.testing.assert_allclose(
            actual.centred_evidence,
            expected.centred_evidence,
            atol=TOLERANCE * np.abs(expected.class_evidence).max(),
        )

    @parameterized.named_parameters(
        ("dtype", {"dtype": "float16"}, "dtype must be one of"),
        ("top", {"model": tiny_model(include_top=False)}, "include_top=True"),
        (
            "folded",
            {"model": bagnet_tf.inference_model(tiny_model())},
            "not folded already",
        ),
    )
    def test_refuses(self, wrong, message):
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.inference_model(**({"model": tiny_model()} | wrong))


class LowPrecisionTest(parameterized.TestCase):
    def test_additivity(self):
        model, images = trained("bagnet17"), random_images(48, 65, batch=2)
        outputs = compute(bagnet_tf.inference_model(model, "bfloat16"), images)
        mean = outputs["patch_logits"].mean(axis=(1, 2), dtype=np.float64)
        largest = np.abs(outputs["logits"]).max()
        error = np.abs(mean - outputs["logits"]).max()
        self.assertLess(error, 1e-4 * largest)

    def test_keeps_the_decisions_of_nearly_dead_layers(self):
        # As published weights have them: a convolution whose output hardly
        # varies, of which batch normalisation makes ordinary activations.
        model = with_nearly_dead_layers("bagnet9")
        images = random_images(32, 32, batch=64)
        images *= np.random.default_rng(8).uniform(0, 1, (64, 1, 1, 3))
        # Every class is decided for now and then.
        classifier = model.get_layer("classifier")
        classifier.bias.assign(-compute(model, images).mean(axis=0))
        expected = compute(model, images)
        decisions = expected.argmax(axis=-1)
        self.assertLen(set(decisions), 5)
        # Where two classes are as good as equal, any rounding decides.
        second, first = np.sort(expected, axis=-1).T[-2:]
        clear = first - second > np.median(first - second)

        def agreement(network):
            outputs = compute(network, images)
            logits = outputs["logits"] if isinstance(outputs, dict) else outputs
            return np.mean((logits.argmax(axis=-1) == decisions)[clear])

        plain = keras.models.clone_model(
            model, clone_function=lambda layer: cast(layer, "mixed_bfloat16")
        )
        plain.set_weights(model.get_weights())
        folded = bagnet_tf.inference_model(model, "bfloat16")
        self.assertLess(agreement(plain), 0.5)
        self.assertGreater(agreement(folded), 0.9)
