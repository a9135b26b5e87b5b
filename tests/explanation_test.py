"""Does an explanation say what the patch logits say?"""

import itertools
import json

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.evidence import class_centred
from bagnet_tf.geometry import PatchGeometry
from tests.small_models import (
    VARIANTS,
    compute,
    narrow_model,
    random_images,
    tiny_model,
)


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


class TopPatchesTest(parameterized.TestCase):
    def test_overlapping_patches_are_simply_the_strongest(self):
        explanation = _explanation(_patch_logits())
        evidence = explanation.centred_evidence[1, :, :, 0]
        cells = itertools.product(range(5), range(6))
        expected = sorted(cells, key=lambda cell: -evidence[cell])[:7]
        patches = explanation.top_patches(1, top_k=7, overlapping=True)
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
        patches = explanation.top_patches(top_k=100)
        self.assertEqual([(p.row, p.col) for p in patches], expected)

    @parameterized.parameters(False, True)
    def test_boxes_share_no_pixel(self, against):
        explanation = _explanation(
            _patch_logits((1, 9, 9, 3)), geometry=PatchGeometry(33, 8)
        )
        patches = explanation.top_patches(top_k=100, against=against)
        self.assertGreater(len(patches), 1)
        for one, other in itertools.combinations(patches, 2):
            self.assertEmpty(_pixels(one.box) & _pixels(other.box))

    def test_boxes_that_only_touch_are_all_chosen(self):
        explanation = _explanation(
            _patch_logits(), geometry=PatchGeometry(4, 4)
        )
        self.assertLen(explanation.top_patches(top_k=100), 30)

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
            top_k=30, overlapping=True
        )
        self.assertLen(patches, 30)
        self.assertAlmostEqual(sum(p.share for p in patches), 1, places=6)

    def test_contributions_add_up_to_the_centred_logit(self):
        explanation = _explanation(_patch_logits())
        patches = explanation.top_patches(top_k=30, overlapping=True)
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

    def test_patches_of_another_explained_class(self):
        explanation = _explanation(_patch_logits())
        evidence = explanation.centred_evidence[1, :, :, 1]
        patch = explanation.top_patches(1, class_index=1)[0]
        self.assertEqual(
            (patch.row, patch.col),
            np.unravel_index(evidence.argmax(), evidence.shape),
        )

    def test_patches_against_a_class_are_the_weakest(self):
        explanation = _explanation(_patch_logits())
        evidence = explanation.centred_evidence[1, :, :, 1]
        patches = explanation.top_patches(
            1, top_k=30, class_index=1, overlapping=True, against=True
        )
        self.assertEqual([p.evidence for p in patches], sorted(evidence.flat))
        self.assertLess(patches[0].contribution, 0)

    @parameterized.parameters(-1, 2)
    def test_image_outside_the_batch(self, image):
        explanation = _explanation(_patch_logits())
        for method in (
            explanation.top_patches,
            explanation.contrast,
            explanation.decomposition,
        ):
            with self.assertRaisesRegex(
                ValueError, rf"\[0, 2\).*image={image}"
            ):
                method(image)

    @parameterized.parameters(-1, 2)
    def test_class_index_that_is_not_explained(self, index):
        with self.assertRaisesRegex(
            ValueError, rf"\[0, 2\).*class_index={index}"
        ):
            _explanation(_patch_logits()).top_patches(class_index=index)


class ContrastTest(parameterized.TestCase):
    def test_is_the_difference_of_the_patch_logits(self):
        patch_logits = _patch_logits()
        contrast = _explanation(patch_logits).contrast(1, 2, 0)
        expected = (
            np.float64(patch_logits[1, :, :, 2]) - patch_logits[1, ..., 0]
        )
        np.testing.assert_array_equal(contrast, expected)

    def test_mean_is_the_difference_of_the_logits(self):
        model, images = tiny_model(), random_images(21, 25, batch=2)
        explanation = bagnet_tf.explain(model, images, class_ids=[3, 0, 1])
        logits = np.float64(compute(model, images))
        np.testing.assert_allclose(
            explanation.contrast(1, class_a=1, class_b=3).mean(),
            logits[1, 1] - logits[1, 3],
            rtol=0,
            atol=1e-5 * np.abs(logits).max(),
        )

    def test_a_map_added_to_all_classes_changes_nothing(self):
        patch_logits = _patch_logits()
        gauge = 20 * _patch_logits((2, 5, 6, 1), seed=1)
        np.testing.assert_allclose(
            _explanation(patch_logits + gauge).contrast(0, 2, 0),
            _explanation(patch_logits).contrast(0, 2, 0),
            atol=1e-4,
        )

    @parameterized.parameters((1, 0, "class_a=1"), (2, 3, "class_b=3"))
    def test_a_class_that_was_not_explained(self, class_a, class_b, received):
        with self.assertRaisesRegex(
            ValueError, rf"one of 2, 0\. Received: {received}"
        ):
            _explanation(_patch_logits()).contrast(0, class_a, class_b)


class DecompositionTest(parameterized.TestCase):
    @parameterized.named_parameters(*VARIANTS)
    def test_rows_add_up_to_the_logits(self, variant):
        model, images = narrow_model(variant), random_images(50, 41, batch=2)
        explanation = bagnet_tf.explain(model, images, class_ids=[3, 0])
        logits = np.float64(compute(model, images))[1]
        table = explanation.decomposition(1)
        rows, cols = explanation.class_evidence.shape[1:3]
        self.assertLen(table, 2 * rows * cols)
        for class_id in (3, 0):
            entries = [e for e in table if e["class_id"] == class_id]
            for column, expected in (
                ("contribution", logits[class_id]),
                ("centred_contribution", logits[class_id] - logits.mean()),
            ):
                np.testing.assert_allclose(
                    np.sum([e[column] for e in entries], dtype=np.float64),
                    expected,
                    rtol=0,
                    atol=1e-5 * np.abs(logits).max(),
                )

    def test_a_row_tells_of_its_patch(self):
        model, images = tiny_model(), random_images(9, 13)
        explanation = bagnet_tf.explain(model, images, class_ids=[1])
        entry = explanation.decomposition()[5 + 2]  # Five patches a row.
        self.assertEqual((entry["row"], entry["col"]), (1, 2))
        self.assertEqual(
            [entry[side] for side in ("top", "left", "bottom", "right")],
            [2, 4, 7, 9],
        )
        alone = np.float64(compute(model, images[:, 2:7, 4:9]))[0]
        self.assertAlmostEqual(entry["evidence"], alone[1], places=4)
        probabilities = np.exp(alone) / np.exp(alone).sum()
        self.assertAlmostEqual(
            entry["patch_probability"], probabilities[1], places=5
        )

    def test_a_decomposition_does_without_them(self):
        entry = _explanation(_patch_logits()).decomposition()[0]
        self.assertNotIn("patch_probability", entry)


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
        weakest = explanation.top_patches(1, against=True)[0]
        self.assertEqual(
            content["patches_against"][0]["evidence"], weakest.evidence
        )

    def test_json_without_labels(self):
        content = _explanation(_patch_logits()).to_json()
        self.assertEqual(content["classes"][0]["label"], "class 2")


if __name__ == "__main__":
    absltest.main()
