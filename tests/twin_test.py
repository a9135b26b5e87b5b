import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from bagnet_tf import ARCHITECTURES, CONTROL, BagNet
from train.twin import copy_back, training_twin

_VARIANTS = tuple((a.name, a) for a in (*ARCHITECTURES.values(), CONTROL))


def _model(architecture):
    keras.utils.set_random_seed(0)
    model = BagNet(architecture, classes=4, width=0.1)
    rng = np.random.default_rng(1)
    for variable in model.weights:
        noise = rng.uniform(0.5, 1.5, variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(noise)
        elif variable.name in ("beta", "moving_mean"):
            variable.assign(noise - 1)
    return model


def _images(count=6, height=41, width=49):
    rng = np.random.default_rng(2)
    return rng.uniform(0, 255, (count, height, width, 3)).astype("float32")


def _loss_and_gradients(model, images):
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_sum(logits**2 * [1.0, -2.0, 3.0, 0.5])
    gradients = tape.gradient(loss, model.trainable_variables)
    return logits.numpy(), np.concatenate([np.ravel(g) for g in gradients])


def _in_float64(model):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        exact = keras.models.clone_model(
            model, clone_function=lambda layer: _rebuilt(layer, "float64")
        )
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    exact.set_weights(model.get_weights())
    return exact


def _rebuilt(layer, dtype):
    return type(layer).from_config({**layer.get_config(), "dtype": dtype})


class TwinTest(parameterized.TestCase):
    @parameterized.named_parameters(*_VARIANTS)
    def test_same_variables_in_the_same_order(self, architecture):
        model = _model(architecture)
        twin = training_twin(model)
        self.assertEqual(
            [(w.path, w.shape) for w in model.weights],
            [(w.path, w.shape) for w in twin.weights],
        )

    @parameterized.named_parameters(*_VARIANTS)
    def test_same_inference(self, architecture):
        model = _model(architecture)
        expected = model(_images()).numpy()
        logits = training_twin(model)(_images()).numpy()
        np.testing.assert_allclose(
            logits, expected, atol=1e-5 * np.abs(expected).max()
        )

    @parameterized.named_parameters(*_VARIANTS)
    def test_training_step_is_as_exact_as_keras(self, architecture):
        # Both against float64: in a deep network of batch normalisation and
        # ReLU, rounding alone moves float32 gradients by several percent.
        model = _model(architecture)
        twin = training_twin(model)
        exact_logits, exact = _loss_and_gradients(_in_float64(model), _images())
        _, plain = _loss_and_gradients(model, _images())
        twin_logits, fused = _loss_and_gradients(twin, _images())
        np.testing.assert_allclose(
            twin_logits, exact_logits, atol=1e-3 * np.abs(exact_logits).max()
        )
        plain_error = np.linalg.norm(plain - exact) / np.linalg.norm(exact)
        twin_error = np.linalg.norm(fused - exact) / np.linalg.norm(exact)
        self.assertLess(plain_error, 0.2)  # Else this shows nothing.
        self.assertLess(twin_error, 2 * plain_error + 1e-3)

    @parameterized.named_parameters(*_VARIANTS)
    def test_same_moving_statistics(self, architecture):
        model = _model(architecture)
        twin = training_twin(model)
        model(_images(), training=True)
        twin(_images(), training=True)
        for expected, actual in zip(
            model.non_trainable_variables,
            twin.non_trainable_variables,
            strict=True,
        ):
            np.testing.assert_allclose(
                actual,
                expected,
                atol=1e-4 * np.abs(expected).max(),
                err_msg=expected.path,
            )

    def test_copy_back(self):
        model = _model(ARCHITECTURES["bagnet9"])
        twin = training_twin(model)
        for variable in twin.weights:
            variable.assign(variable + 1)
        copy_back(twin, model)
        for expected, actual in zip(twin.weights, model.weights, strict=True):
            np.testing.assert_array_equal(actual, expected)

    def test_replicas_get_synchronised_normalisation(self):
        twin = training_twin(_model(ARCHITECTURES["bagnet9"]), num_replicas=2)
        layers = [
            layer
            for layer in twin.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        self.assertNotEmpty(layers)
        self.assertTrue(all(layer.synchronized for layer in layers))


if __name__ == "__main__":
    absltest.main()
