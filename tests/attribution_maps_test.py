"""Does every method give the map that its definition says?"""

import dataclasses
import functools

import keras
import numpy as np
import scipy.ndimage
import tensorflow as tf
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.analysis.attribution_maps import Attribution
from bagnet_tf.analysis.attribution_methods import (
    METHODS,
    Effort,
    class_weights,
    contrast_weights,
)
from tests.analysis_helpers import classifier_of
from tests.small_models import compute, random_images, tiny_model

_IMAGES = random_images(20, 20, batch=2)
_WEIGHTS = np.float32([[1, -0.5, 0, -0.5], [0, 0, 1, -1]])
_CENTRES = slice(2, 18, 2)  # Of the patches of 5 pixels, 2 apart.


@functools.cache
def _control():
    """The same layers padded, so that it has no patches."""
    keras.utils.set_random_seed(6)
    architecture = bagnet_tf.Architecture(
        "control",
        (bagnet_tf.Stage((3,), channels=4, stride=2),),
        stem_channels=4,
        padding="same",
    )
    return bagnet_tf.BagNet(architecture, classes=4)


def _attribution(model=None, **kwargs):
    return Attribution(classifier_of(model or tiny_model()), **kwargs)


def _features_and_kernel(model):
    """What the pooling sees, float64, and the classifier's kernel."""
    network = keras.Model(model.input, model.get_layer("avg_pool").input)
    kernel, _ = model.get_layer("classifier").get_weights()
    return compute(network, _IMAGES).astype(float), kernel.astype(float)


class AttributionTest(parameterized.TestCase):
    def test_evidence_is_the_weighted_patch_logits_at_patch_centres(self):
        outputs = compute(bagnet_tf.patch_logits_model(tiny_model()), _IMAGES)
        found = _attribution()("evidence", _IMAGES, _WEIGHTS, [0, 1])
        expected = (outputs["patch_logits"] * _WEIGHTS[:, None, None, :]).sum(
            axis=-1
        )
        np.testing.assert_allclose(
            found[:, _CENTRES, _CENTRES], expected, atol=1e-5
        )
        self.assertTrue(np.isnan(found[:, 0]).all())
        np.testing.assert_allclose(
            expected.mean(axis=(1, 2)),
            (outputs["logits"] * _WEIGHTS).sum(axis=-1),
            atol=1e-5,
        )

    def test_saliency_is_the_largest_absolute_derivative(self):
        found = _attribution()("saliency", _IMAGES, _WEIGHTS, [0, 1])
        images = tf.constant(_IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = tf.reduce_sum(tiny_model()(images) * _WEIGHTS)
        gradient = tape.gradient(score, images).numpy()
        np.testing.assert_allclose(
            found, np.abs(gradient).max(axis=-1), rtol=1e-4, atol=1e-7
        )

    def test_smoothgrad_without_a_range_is_saliency(self):
        # The noise is in units of the image's range, here none.
        flat = np.full((1, 20, 20, 3), 100.0, np.float32)
        attribution = _attribution()
        maps = [
            attribution(method, flat, _WEIGHTS[:1], [0])
            for method in ("smoothgrad", "saliency")
        ]
        np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-7)

    def test_integrated_gradients_add_up_to_the_change_of_the_score(self):
        attribution = _attribution(effort=Effort(integration_steps=400))
        found = attribution("integrated_gradients", _IMAGES, _WEIGHTS, [0, 1])
        means = np.broadcast_to(
            _IMAGES.mean(axis=(1, 2), keepdims=True), _IMAGES.shape
        )
        change = compute(tiny_model(), _IMAGES) - compute(tiny_model(), means)
        change = (change * _WEIGHTS).sum(axis=-1)
        np.testing.assert_allclose(found.sum(axis=(1, 2)), change, rtol=2e-3)

    def test_gradcam_is_the_positive_part_of_the_evidence(self):
        # Pooling and a linear classifier: the derivative of the score by a
        # feature is its weight over the number of cells, everywhere. The bias
        # belongs to no feature.
        model = tiny_model()
        bias = model.get_layer("classifier").get_weights()[1]
        bias = bias + np.float32([3, -1, 2, 1])
        model = keras.models.clone_model(model)
        model.set_weights(tiny_model().get_weights()[:-1] + [bias])
        found = _attribution(model)("gradcam", _IMAGES, _WEIGHTS, [0, 1])
        evidence = _attribution(model)("evidence", _IMAGES, _WEIGHTS, [0, 1])
        without_bias = evidence - (_WEIGHTS @ bias)[:, None, None]
        np.testing.assert_allclose(
            found * 8 * 8, np.maximum(without_bias, 0), rtol=1e-4, atol=1e-5
        )
        self.assertGreater(np.nanmax(found), 0)

    def test_gradcam_plus_plus_by_hand(self):
        features, kernel = _features_and_kernel(tiny_model())
        score = (compute(tiny_model(), _IMAGES) * _WEIGHTS).sum(axis=-1)
        gradient = (_WEIGHTS @ kernel.T / 64)[:, None, None, :]
        total = features.sum(axis=(1, 2), keepdims=True)
        # Equation 19 of the paper; the same at all cells, as the gradient is,
        # and made to add up to 1 over them.
        denominator = 2 * gradient**2 + total * gradient**3
        alpha = gradient**2 / np.where(denominator == 0, 1, denominator)
        alpha = np.broadcast_to(alpha, features.shape)
        alpha = alpha / alpha.sum(axis=(1, 2), keepdims=True)
        exponential = np.exp(score)[:, None, None, None]
        channel = (alpha * np.maximum(exponential * gradient, 0)).sum(
            axis=(1, 2), keepdims=True
        )
        expected = np.maximum((channel * features).sum(axis=-1), 0)
        found = _attribution()("gradcam_plus_plus", _IMAGES, _WEIGHTS, [0, 1])
        np.testing.assert_allclose(
            found[:, _CENTRES, _CENTRES], expected, rtol=1e-3, atol=1e-6
        )

    def test_scorecam_by_hand(self):
        model = tiny_model()
        features, _ = _features_and_kernel(model)
        channels = features.shape[-1]
        effort = Effort(cam_channels=channels)
        found = _attribution(effort=effort)(
            "scorecam", _IMAGES, _WEIGHTS, [0, 1]
        )
        for index in range(2):
            expected = np.zeros((8, 8))
            for channel in range(channels):
                grid = features[index, :, :, channel]
                mask = scipy.ndimage.zoom(grid, 2.5, order=1, mode="nearest")
                mask = (mask - mask.min()) / (np.ptp(mask) + 1e-7)
                logits = compute(
                    model, _IMAGES[index : index + 1] * mask[None, ..., None]
                )[0].astype(float)
                probabilities = np.exp(logits) / np.exp(logits).sum()
                expected += grid * (probabilities @ _WEIGHTS[index])
            np.testing.assert_allclose(
                found[index, _CENTRES, _CENTRES],
                np.maximum(expected, 0),
                rtol=1e-3,
                atol=1e-4,
            )

    @parameterized.named_parameters((name, name) for name in METHODS)
    def test_a_map_does_not_depend_on_the_batch(self, method):
        attribution = _attribution(seed=4)
        both = attribution(method, _IMAGES, _WEIGHTS, [7, 9])
        alone = attribution(method, _IMAGES[1:], _WEIGHTS[1:], [9])
        np.testing.assert_allclose(both[1:], alone, rtol=1e-4, atol=1e-6)
        self.assertEqual(both.shape, (2, 20, 20))
        self.assertGreater(np.nanstd(both), 0)

    @parameterized.parameters("smoothgrad", "random")
    def test_random_methods_depend_on_the_number_and_the_seed(self, method):
        same = np.repeat(_IMAGES[:1], 2, axis=0)
        weights = np.repeat(_WEIGHTS[:1], 2, axis=0)
        one, other = _attribution()(method, same, weights, [0, 1])
        self.assertGreater(np.abs(one - other).max(), 0)
        again = _attribution(seed=1)(method, same, weights, [0, 1])[0]
        self.assertGreater(np.abs(one - again).max(), 0)

    def test_maps_of_a_network_without_patches_cover_the_image(self):
        attribution = _attribution(_control())
        self.assertNotIn("evidence", attribution.methods)
        self.assertIn("lrp", attribution.methods)
        for method in attribution.methods:
            maps = attribution(method, _IMAGES, _WEIGHTS, [0, 1])
            self.assertEqual(maps.shape, (2, 20, 20))
            self.assertTrue(np.isfinite(maps).all(), method)

    def test_classes_of_a_dataset_are_picked_from_the_network(self):
        # The dataset has two of the four classes, in another order.
        classifier = classifier_of(tiny_model())
        some = dataclasses.replace(classifier, class_ids=(3, 1))
        full = np.float32([[0, -1, 0, 1]])
        for method in METHODS:
            maps = [
                Attribution(one)(method, _IMAGES[:1], weights, [0])
                for one, weights in (
                    (classifier, full),
                    (some, np.float32([[1, -1]])),
                )
            ]
            np.testing.assert_allclose(
                *maps, rtol=1e-4, atol=1e-6, err_msg=method
            )

    def test_sigmoid_heads_have_no_scorecam(self):
        classifier = classifier_of(tiny_model(), head="sigmoid")
        self.assertNotIn("scorecam", Attribution(classifier).methods)

    def test_a_method_that_the_network_lacks(self):
        with self.assertRaisesRegex(ValueError, "Received: 'evidence'"):
            _attribution(_control())("evidence", _IMAGES, _WEIGHTS, [0, 1])


class WeightsTest(absltest.TestCase):
    def test_of_a_softmax_head_the_mean_is_subtracted(self):
        weights = class_weights([2], 4, "softmax")
        np.testing.assert_allclose(weights, [[-0.25, -0.25, 0.75, -0.25]])

    def test_of_a_sigmoid_head_it_is_the_logit(self):
        np.testing.assert_array_equal(
            class_weights([2], 4, "sigmoid"), [[0, 0, 1, 0]]
        )

    def test_contrast(self):
        np.testing.assert_array_equal(
            contrast_weights([2], [0], 4), [[-1, 0, 1, 0]]
        )


if __name__ == "__main__":
    absltest.main()
