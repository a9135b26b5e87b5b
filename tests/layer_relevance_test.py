"""Is the relevance of every pixel what the layer-by-layer rule gives?"""

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.analysis.layer_relevance import LayerRelevance
from tests.small_models import TINY, random_images

_EPSILON = 0.3


def _model():
    """A tiny BagNet whose batch normalisation is not trivial."""
    keras.utils.set_random_seed(3)
    model = bagnet_tf.BagNet(TINY, classes=3)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, size),
                    rng.normal(0.0, 0.3, size),
                    rng.normal(0.0, 0.3, size),
                    rng.uniform(0.5, 1.5, size),
                ]
            )
    return model


class _ByHand:
    """The rule of Bach et al., in loops, float64, on the weights of TINY."""

    def __init__(self, model):
        self._model = model

    def _weights(self, convolution, batch_norm):
        kernel = np.float64(self._model.get_layer(convolution).get_weights()[0])
        gamma, beta, mean, variance = map(
            np.float64, self._model.get_layer(batch_norm).get_weights()
        )
        scale = gamma / np.sqrt(variance + 1e-5)
        return kernel * scale, beta - mean * scale

    def relevance(self, image, class_weights):
        normalization = self._model.get_layer("normalization")
        mean = np.float64(np.ravel(normalization.mean))
        std = np.sqrt(np.float64(np.ravel(normalization.variance)))
        pixels = (np.float64(image) - mean) / std
        stem, stem_bias = self._weights("stem_conv2", "stem_bn")
        first = np.float64(
            self._model.get_layer("stem_conv1").get_weights()[0]
        )[0, 0]
        stem = np.einsum("im,rcmo->rcio", first, stem)
        one, one_bias = self._weights(
            "stage1_block1_conv1", "stage1_block1_bn1"
        )
        two, two_bias = self._weights(
            "stage1_block1_conv2", "stage1_block1_bn2"
        )
        three, three_bias = self._weights(
            "stage1_block1_conv3", "stage1_block1_bn3"
        )
        short, short_bias = self._weights(
            "stage1_block1_shortcut_conv", "stage1_block1_shortcut_bn"
        )
        z0 = _convolve(pixels, stem, 1) + stem_bias
        a0 = np.maximum(z0, 0)
        z1 = _convolve(a0, one, 1) + one_bias
        a1 = np.maximum(z1, 0)
        z2 = _convolve(a1, two, 2) + two_bias
        a2 = np.maximum(z2, 0)
        rows, cols = z2.shape[:2]
        shortcut = _convolve(a0, short, 2)[:rows, :cols]
        z3 = _convolve(a2, three, 1) + three_bias + shortcut + short_bias
        a3 = np.maximum(z3, 0)
        classifier = np.float64(
            self._model.get_layer("classifier").get_weights()[0]
        )
        r3 = a3 * (classifier @ class_weights) / (rows * cols)
        r2 = _back(a2, three, 1, z3, r3)
        r0 = _back(a0, short, 2, z3, r3)
        r1 = _back(a1, two, 2, z2, r2)
        r0 = r0 + _back(a0, one, 1, z1, r1)
        return _back(pixels, stem, 1, z0, r0).sum(axis=-1)


def _windows(shape, kernel, stride):
    size = kernel.shape[0]
    for i in range((shape[0] - size) // stride + 1):
        for j in range((shape[1] - size) // stride + 1):
            rows = slice(i * stride, i * stride + size)
            yield i, j, rows, slice(j * stride, j * stride + size)


def _convolve(inputs, kernel, stride):
    places = list(_windows(inputs.shape, kernel, stride))
    outputs = np.zeros((places[-1][0] + 1, places[-1][1] + 1, kernel.shape[-1]))
    for i, j, rows, cols in places:
        outputs[i, j] = np.einsum("rci,rcio->o", inputs[rows, cols], kernel)
    return outputs


def _back(inputs, kernel, stride, z, relevance):
    """Shares the relevance of neurons among their inputs."""
    result = np.zeros_like(inputs)
    for i, j, rows, cols in _windows(inputs.shape, kernel, stride):
        if i < z.shape[0] and j < z.shape[1]:
            stabilised = z[i, j] + _EPSILON * np.where(z[i, j] >= 0, 1, -1)
            parts = inputs[rows, cols][..., None] * kernel
            result[rows, cols] += parts @ (relevance[i, j] / stabilised)
    return result


class LayerRelevanceTest(parameterized.TestCase):
    def test_equals_the_rule_by_hand(self):
        model = _model()
        images = random_images(11, 14, batch=2)
        weights = np.array([[1.0, -0.5, 0.2], [0.0, 1.0, -1.0]])
        found = LayerRelevance(model, _EPSILON)(images, weights)
        for image, weight, relevance in zip(
            images, weights, found, strict=True
        ):
            expected = _ByHand(model).relevance(image, weight)
            np.testing.assert_allclose(
                relevance, expected, atol=2e-5 * np.abs(expected).max()
            )

    def test_without_biases_relevance_adds_up_to_the_logit(self):
        keras.utils.set_random_seed(1)
        model = bagnet_tf.BagNet(TINY, classes=3)
        images = random_images(13, 13)
        relevance = LayerRelevance(model, 1e-6)(images, np.eye(3)[[2]])
        logit = model(images).numpy()[0, 2]
        np.testing.assert_allclose(relevance.sum(), logit, rtol=1e-3)

    def test_a_pixel_of_the_mean_colour_has_no_relevance(self):
        model = _model()
        images = random_images(13, 13)
        mean = np.ravel(model.get_layer("normalization").mean)
        images[0, 6, 7] = mean
        relevance = LayerRelevance(model)(images, np.eye(3)[[0]])
        self.assertEqual(relevance[0, 6, 7], 0)
        self.assertNotEqual(relevance[0, 7, 6], 0)

    def test_the_control_network_has_it(self):
        keras.utils.set_random_seed(1)
        model = bagnet_tf.BagNet(bagnet_tf.CONTROL, classes=3, width=0.05)
        relevance = LayerRelevance(model)(random_images(33, 33), np.eye(3)[[1]])
        self.assertEqual(relevance.shape, (1, 33, 33))
        self.assertTrue(np.isfinite(relevance).all())

    @parameterized.named_parameters(
        ("max_pooling", keras.layers.MaxPooling2D()),
        ("leaky", keras.layers.ReLU(negative_slope=0.1)),
        ("activation", keras.layers.Conv2D(2, 1, activation="relu")),
    )
    def test_other_layers_are_refused(self, layer):
        image = keras.Input((8, 8, 3))
        outputs = keras.layers.GlobalAveragePooling2D()(layer(image))
        with self.assertRaisesRegex(ValueError, "lrp is for networks of"):
            LayerRelevance(keras.Model(image, outputs))

    def test_epsilon_is_positive(self):
        with self.assertRaisesRegex(ValueError, "Received: epsilon=0"):
            LayerRelevance(_model(), 0)


if __name__ == "__main__":
    absltest.main()
