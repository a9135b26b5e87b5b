"""The SavedModel can be reused and trained on by TF Hub and Keras's layer."""

import contextlib
import importlib
import pathlib
import tempfile
import unittest
import warnings

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from export.request import Request
from export.saved_model import write_saved_model
from tests.export_helpers import SIZE, info_of, random_images, tiny_model

_RATE = 1e-3
_LABELS = np.array([0, 3, 1, 4])


def _optional(name):
    """A module of the extra `hub`."""
    try:
        with warnings.catch_warnings():
            # tensorflow_hub asks for its version by pkg_resources.
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        raise unittest.SkipTest(
            f"This test needs {name}: pip install 'bagnet-tf[hub]'."
        ) from error


def _loss(logits):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(_LABELS, logits)
    return tf.reduce_mean(losses)


class HubTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.path = str(pathlib.Path(folder) / "1")
        write_saved_model(Request(tiny_model(), info_of()), cls.path)
        cls.images = random_images(4, SIZE).astype(np.float32)
        cls.logits = tiny_model().predict_on_batch(cls.images)

    def _after_one_step(self, training):
        """Weights of the model itself after a step of gradient descent."""
        model = tiny_model()
        with tf.GradientTape() as tape:
            loss = _loss(model(self.images, training=training))
        variables = [v.value for v in model.trainable_variables]
        gradients = tape.gradient(loss, variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(_RATE * gradient)
        return [v.numpy() for v in model.trainable_variables]

    def _assert_trained(self, weights, training):
        before = [v.numpy() for v in tiny_model().trainable_variables]
        expected = self._after_one_step(training)
        self.assertLen(weights, len(expected))
        for old, new, wanted in zip(before, weights, expected, strict=True):
            self.assertTrue(np.any(wanted != old))
            np.testing.assert_allclose(new, wanted, rtol=1e-4, atol=1e-5)

    def _assert_logits(self, logits):
        scale = np.abs(self.logits).max()
        error = np.abs(np.asarray(logits) - self.logits).max()
        self.assertLess(error / scale, 1e-5)

    def test_hub_load(self):
        hub = _optional("tensorflow_hub")
        module = hub.load(self.path)
        self._assert_logits(module(self.images))
        with tf.GradientTape() as tape:
            loss = _loss(module(self.images, training=True))
        gradients = tape.gradient(loss, module.trainable_variables)
        pairs = zip(module.trainable_variables, gradients, strict=True)
        for variable, gradient in pairs:
            variable.assign_sub(_RATE * gradient)
        self._assert_trained(
            [v.numpy() for v in module.trainable_variables], True
        )

    @parameterized.parameters(False, True)
    def test_hub_layer(self, trainable):
        tf_keras = _optional("tf_keras")
        layer = _optional("tensorflow_hub").KerasLayer(
            self.path, trainable=trainable
        )
        model = tf_keras.Sequential([tf_keras.Input((*SIZE, 3)), layer])
        self._assert_logits(model.predict_on_batch(self.images))
        if not trainable:
            self.assertEmpty(model.trainable_weights)
            return
        self._fit(model, tf_keras)
        self._assert_trained(_values_of(layer, tiny_model()), True)

    def test_keras_layer(self):
        layer = keras.layers.TFSMLayer(self.path, call_endpoint="__call__")
        inputs = keras.Input((*SIZE, 3))
        model = keras.Model(inputs, layer(inputs))
        self._assert_logits(model.predict_on_batch(self.images))
        self._fit(model, keras)
        # Keras gives it no `training`: moving statistics stay as they are.
        self._assert_trained(_values_of(layer, tiny_model()), False)

    @parameterized.parameters("serving_default", "patch_logits")
    def test_keras_layer_of_a_signature(self, signature):
        layer = keras.layers.TFSMLayer(self.path, call_endpoint=signature)
        with tf.GradientTape() as tape:
            outputs = layer(self.images)
            loss = _loss(outputs["logits"])
        self._assert_logits(outputs["logits"])
        variables = [v.value for v in layer.trainable_weights]
        self.assertNotEmpty(variables)
        for gradient in tape.gradient(loss, variables):
            self.assertTrue(np.any(gradient.numpy() != 0))

    def _fit(self, model, keras_version):
        loss = keras_version.losses.SparseCategoricalCrossentropy(
            from_logits=True
        )
        model.compile(keras_version.optimizers.SGD(_RATE), loss)
        with contextlib.redirect_stdout(None):
            model.fit(self.images, _LABELS, batch_size=4, verbose=0)


def _values_of(layer, model):
    """A layer's trainable weights, in the order of those of the model.

    Layers order them in their own way; that of the shapes and initial values
    tells which is which: values hardly move in one step.
    """
    values = [np.asarray(v) for v in layer.trainable_weights]
    found = []
    for variable in model.trainable_variables:
        old = variable.numpy()
        alike = [v for v in values if v.shape == old.shape]
        found.append(min(alike, key=lambda v: np.abs(v - old).max()))
    return found


if __name__ == "__main__":
    absltest.main()
