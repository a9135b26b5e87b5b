"""Does an explanation say what the patch logits say?"""

import itertools
import json

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.evidence import class_centred
from bagnet_tf.geometry import PatchGeometry
from tests.small_models import VARIANTS, narrow_model, random_images, tiny_model


def _patch_logits(shape=(2, 5, 6, 4), seed=0):
    return np.random.default_rng(seed).normal(1, 3, shape).astype("float32")


def _explanation(patch_logits, class_ids=(2, 0), top_k=5, geometry=None):
    """An explanation of hand-made patch logits."""
    class_ids = np.tile(class_ids, (len(patch_logits), 1))
    logits = patch_logits.mean(axis=(1, 2))
    picked = class_ids[:, None, None, :]
    return bagnet_tf.Explanation(
        logits=logits,
        probabilities=np.exp(logits)
        / np.exp(logits).sum(axis=-1, keepdims=True),
        class_ids=class_ids,
        class_evidence=np.take_along_axis(patch_logits, picked, axis=-1),
        centred_evidence=np.take_along_axis(
            class_centred(patch_logits), picked, axis=-1
        ),
        geometry=geometry or PatchGeometry(9, 8),
        top_k=top_k,
    )


def _pixels(box):
    rows, cols = range(box.top, box.bottom), range(box.left, box.right)
    return set(itertools.product(rows, cols))


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


class TopPatchesTest(parameterized.TestCase):
    def test_overlapping_patches_are_simply_the_strongest(self):
        explanation = _explanation(_patch_logits())
        evidence = explanation.centred_evidence[1, :, :, 0]
        cells = itertools.product(range(5), range(6))
        expected = sorted(cells, key=lambda cell: -evidence[cell])[:7]
        patches = explanation.top_patches(1, k=7, overlapping=True)
        self.assertEqual([(p.row, p.col) for p in patches], expected)

    def test_greedy_choice_without_overlap(self):
        explanation = _explanation(
            _patch_logits(), geometry=PatchGeometry(17, 8)
        )
        evidence = explanation.centred_evidence[0, :, :, 0]
        expected, used = [], set()
        cells = itertools.product(range(5), range(6))
        for row, col in sorted(cells, key=lambda cell: -evidence[cell]):
            pixels = _pixels(explanation.geometry.box(row, col))
            if not pixels & used:
                expected.append((row, col))
                used |= pixels
        patches = explanation.top_patches(k=100)
        self.assertEqual([(p.row, p.col) for p in patches], expected)

    def test_boxes_share_no_pixel(self):
        explanation = _explanation(
            _patch_logits((1, 9, 9, 3)), geometry=PatchGeometry(33, 8)
        )
        patches = explanation.top_patches(k=100)
        self.assertGreater(len(patches), 1)
        for one, other in itertools.combinations(patches, 2):
            self.assertEmpty(_pixels(one.box) & _pixels(other.box))

    def test_boxes_that_only_touch_are_all_chosen(self):
        explanation = _explanation(
            _patch_logits(), geometry=PatchGeometry(4, 4)
        )
        self.assertLen(explanation.top_patches(k=100), 30)

    def test_values_of_a_patch(self):
        explanation = _explanation(_patch_logits())
        patch = explanation.top_patches(1)[0]
        evidence = explanation.centred_evidence[1, :, :, 0].astype("float64")
        value = evidence[patch.row, patch.col]
        self.assertEqual(
            patch.box, explanation.geometry.box(patch.row, patch.col)
        )
        self.assertAlmostEqual(patch.evidence, value, places=5)
        self.assertAlmostEqual(patch.contribution, value / 30, places=6)
        self.assertAlmostEqual(patch.share, value / evidence.sum(), places=5)

    def test_shares_of_all_patches_add_up_to_one(self):
        patches = _explanation(_patch_logits()).top_patches(
            k=30, overlapping=True
        )
        self.assertLen(patches, 30)
        self.assertAlmostEqual(sum(p.share for p in patches), 1, places=6)

    def test_contributions_add_up_to_the_centred_logit(self):
        explanation = _explanation(_patch_logits())
        patches = explanation.top_patches(k=30, overlapping=True)
        logits = explanation.logits[0].astype("float64")
        self.assertAlmostEqual(
            sum(p.contribution for p in patches),
            logits[2] - logits.mean(),
            places=5,
        )

    def test_share_of_a_zero_logit_is_not_a_number(self):
        explanation = _explanation(np.zeros((1, 2, 2, 3), "float32"))
        self.assertTrue(np.isnan(explanation.top_patches()[0].share))

    def test_top_k_is_the_default(self):
        explanation = _explanation(_patch_logits(), top_k=3)
        self.assertLen(explanation.top_patches(overlapping=True), 3)

    def test_a_map_added_to_all_classes_moves_no_patch(self):
        patch_logits = _patch_logits()
        gauge = 20 * _patch_logits((2, 5, 6, 1), seed=1)
        before = _explanation(patch_logits).top_patches()
        after = _explanation(patch_logits + gauge).top_patches()
        self.assertEqual([p.box for p in before], [p.box for p in after])

    @parameterized.parameters(-1, 2)
    def test_image_outside_the_batch(self, image):
        with self.assertRaisesRegex(ValueError, rf"\[0, 2\).*image={image}"):
            _explanation(_patch_logits()).top_patches(image)


class ExplanationTest(parameterized.TestCase):
    def test_additivity_error_is_zero_for_means(self):
        error = _explanation(_patch_logits()).additivity_error
        self.assertEqual(error.shape, (2,))
        np.testing.assert_allclose(error, 0, atol=1e-6)

    def test_additivity_error_is_the_largest_difference(self):
        explanation = _explanation(_patch_logits())
        explanation.logits[1] += [0.25, 7, 0.5, 7]  # Classes 2, 0 explained.
        np.testing.assert_allclose(
            explanation.additivity_error, (0, 0.5), atol=1e-6
        )

    def test_json_survives_a_round_trip(self):
        explanation = _explanation(_patch_logits())
        content = explanation.to_json(1, labels=["a", "b", "c", "d"])
        self.assertEqual(json.loads(json.dumps(content)), content)

    def test_json_has_the_numbers(self):
        explanation = _explanation(_patch_logits())
        content = explanation.to_json(1, labels=["a", "b", "c", "d"])
        self.assertEqual(content["grid_shape"], [5, 6])
        self.assertEqual(content["receptive_field"], 9)
        self.assertEqual(content["stride"], 8)
        self.assertEqual([c["label"] for c in content["classes"]], ["c", "a"])
        first = content["classes"][0]
        self.assertEqual(first["class_id"], 2)
        self.assertAlmostEqual(first["logit"], explanation.logits[1, 2])
        self.assertAlmostEqual(
            first["mean_class_evidence"], first["logit"], places=5
        )
        np.testing.assert_array_equal(
            np.float32(first["class_evidence"]),
            explanation.class_evidence[1, :, :, 0],
        )
        patch = explanation.top_patches(1)[0]
        self.assertEqual(content["top_patches"][0]["box"], patch.box._asdict())

    def test_json_without_labels(self):
        content = _explanation(_patch_logits()).to_json()
        self.assertEqual(content["classes"][0]["label"], "class 2")


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


if __name__ == "__main__":
    absltest.main()
