"""Are the evidence and its probabilities those of the model?"""

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.evidence import class_centred
from tests.small_models import (
    VARIANTS,
    narrow_model,
    random_images,
    tiny_model,
)


def _patch_logits(shape=(2, 5, 6, 4), seed=0):
    return np.random.default_rng(seed).normal(1, 3, shape).astype("float32")


class ClassCentredTest(parameterized.TestCase):
    def test_mean_over_classes_is_zero(self):
        centred = class_centred(_patch_logits())
        np.testing.assert_allclose(centred.mean(axis=-1), 0, atol=1e-6)

    def test_differences_between_classes_stay(self):
        patch_logits = _patch_logits()
        np.testing.assert_allclose(
            np.diff(class_centred(patch_logits)),
            np.diff(patch_logits),
            atol=1e-5,
        )

    def test_a_map_added_to_all_classes_changes_nothing(self):
        patch_logits = _patch_logits()
        gauge = 20 * _patch_logits((2, 5, 6, 1), seed=1)
        np.testing.assert_allclose(
            class_centred(patch_logits + gauge),
            class_centred(patch_logits),
            atol=1e-4,
        )


def _patch_logits_in_float64(model, images):
    """The classifier applied by NumPy to the last feature map."""
    pooling = model.get_layer("avg_pool")
    features = keras.Model(model.input, pooling.input)(images, training=False)
    kernel, bias = model.get_layer("classifier").get_weights()
    return np.float64(features) @ np.float64(kernel) + np.float64(bias)


class ExplainTest(parameterized.TestCase):
    @parameterized.named_parameters(*VARIANTS)
    def test_equals_an_independent_computation(self, variant):
        model, images = narrow_model(variant), random_images(41, 50, batch=2)
        explanation = bagnet_tf.explain(model, images, class_ids=(3, 1))
        patch_logits = _patch_logits_in_float64(model, images)
        logits = patch_logits.mean(axis=(1, 2))
        probabilities = np.exp(logits)
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        centred = patch_logits - patch_logits.mean(axis=-1, keepdims=True)
        largest = np.abs(patch_logits).max()
        for actual, expected in (
            (explanation.logits, logits),
            (explanation.probabilities, probabilities),
            (explanation.class_evidence, patch_logits[..., [3, 1]]),
            (explanation.centred_evidence, centred[..., [3, 1]]),
        ):
            np.testing.assert_allclose(
                actual, expected, rtol=0, atol=1e-5 * largest
            )
        self.assertEqual(explanation.geometry, bagnet_tf.geometry_of(model))
        self.assertLess(explanation.additivity_error.max(), 1e-5 * largest)

    def test_by_default_the_three_most_probable_classes(self):
        explanation = bagnet_tf.explain(
            tiny_model(), random_images(20, 25, batch=2)
        )
        expected = np.argsort(-explanation.logits, axis=1)[:, :3]
        np.testing.assert_array_equal(explanation.class_ids, expected)

    def test_two_classes_are_both_explained(self):
        explanation = bagnet_tf.explain(
            tiny_model(classes=2), random_images(9, 9, batch=2)
        )
        self.assertEqual(explanation.class_ids.shape, (2, 2))

    def test_top_k_is_handed_on(self):
        explanation = bagnet_tf.explain(
            tiny_model(), random_images(20, 25, batch=2), top_k=2
        )
        self.assertLen(explanation.top_patches(), 2)

    @parameterized.named_parameters(
        ("too_large", (0, 4)),
        ("negative", (-1,)),
        ("fraction", (0.5,)),
        ("none", ()),
        ("nested", ((0, 1), (2, 3))),
        ("boolean", (True,)),
        ("scalar", 1),
    )
    def test_class_ids_refused(self, class_ids):
        with self.assertRaisesRegex(
            ValueError, r"class_ids must be integers in \[0, 4\). Received"
        ):
            bagnet_tf.explain(
                tiny_model(), random_images(9, 9, batch=2), class_ids
            )

    @parameterized.named_parameters(
        ("rank", (20, 20, 3), r"images.shape=\(20, 20, 3\)"),
        ("channels", (1, 20, 20, 1), r"images.shape=\(1, 20, 20, 1\)"),
        ("height", (1, 4, 20, 3), "height=4, width=20"),
        ("width", (1, 20, 4, 3), "height=20, width=4"),
    )
    def test_images_refused(self, shape, message):
        with self.assertRaisesRegex(ValueError, f"Received: {message}"):
            bagnet_tf.explain(tiny_model(), np.zeros(shape, "float32"))

    @parameterized.named_parameters(
        ("text", np.full((1, 9, 9, 3), "a"), "images.dtype=<U1"),
        ("above", np.full((1, 9, 9, 3), 256.0), "to 256.0"),
        ("normalised", np.full((1, 9, 9, 3), -1.0), "from -1.0"),
        ("nan", np.full((1, 9, 9, 3), np.nan), "to nan"),
    )
    def test_values_refused(self, images, message):
        with self.assertRaisesRegex(ValueError, f"Received: .*{message}"):
            bagnet_tf.explain(tiny_model(), images)

    def test_any_value_without_preprocessing(self):
        model = tiny_model(include_preprocessing=False)
        images = np.full((1, 9, 9, 3), -2.0)
        logits = bagnet_tf.explain(model, images).logits
        self.assertTrue(np.isfinite(logits).all())


class PatchProbabilitiesTest(parameterized.TestCase):
    def test_are_the_softmax_over_all_classes_of_each_patch(self):
        model, images = tiny_model(), random_images(9, 13, batch=2)
        explained = bagnet_tf.explain(model, images, class_ids=[3, 1])
        patch_logits = _patch_logits_in_float64(model, images)
        expected = np.exp(patch_logits)
        expected /= expected.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(
            explained.patch_probabilities, expected[..., [3, 1]], atol=1e-5
        )


if __name__ == "__main__":
    absltest.main()
