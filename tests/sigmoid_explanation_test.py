"""Does the evidence of a sigmoid head's class decide as it is?"""

import json

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from tests.small_models import TINY, compute, random_images, tiny_model


def _sigmoid(logits):
    return 1 / (1 + np.exp(-np.float64(logits)))


def _explained(classes=3, **kwargs):
    """A sigmoid explanation of two images, their logits, patch by patch."""
    model = tiny_model(classes=classes)
    images = random_images(9, 13, batch=2)
    explanation = bagnet_tf.explain(model, images, head="sigmoid", **kwargs)
    # Three rows of five patches, five pixels wide, each seen alone.
    alone = [
        [
            compute(model, images[:, i : i + 5, j : j + 5])
            for j in range(0, 9, 2)
        ]
        for i in range(0, 5, 2)
    ]
    # (batch, rows, cols, classes)
    return explanation, np.moveaxis(np.float64(alone), 2, 0)


class SigmoidExplanationTest(parameterized.TestCase):
    @parameterized.parameters(1, 3)
    def test_probabilities_are_sigmoids(self, classes):
        explanation, alone = _explained(classes)
        np.testing.assert_allclose(
            explanation.probabilities,
            _sigmoid(alone.mean(axis=(1, 2))),
            atol=1e-5,
        )
        for image, class_ids in enumerate(explanation.class_ids):
            np.testing.assert_allclose(
                explanation.patch_probabilities[image],
                _sigmoid(alone[image][..., class_ids]),
                atol=1e-5,
            )

    @parameterized.parameters((1, 1), (2, 2), (4, 3))
    def test_explained_are_the_most_probable_classes(self, classes, count):
        explanation, alone = _explained(classes)
        expected = np.argsort(-alone.mean(axis=(1, 2)))[:, :count]
        np.testing.assert_array_equal(explanation.class_ids, expected)

    @parameterized.parameters(1, 3)
    def test_patches_are_ranked_by_their_own_logits(self, classes):
        explanation, alone = _explained(classes, class_ids=[classes - 1])
        evidence = alone[1, ..., classes - 1]
        order = np.argsort(-evidence, axis=None)
        patches = explanation.top_patches(1, top_k=15, overlapping=True)
        self.assertEqual([p.row * 5 + p.col for p in patches], order.tolist())
        for patch in patches:
            value = evidence[patch.row, patch.col]
            self.assertAlmostEqual(patch.evidence, value, places=4)
            self.assertAlmostEqual(patch.contribution, value / 15, places=5)
            np.testing.assert_allclose(
                patch.share, value / evidence.sum(), rtol=1e-3
            )

    @parameterized.parameters("softmax", "sigmoid")
    def test_decisive_evidence(self, head):
        model, images = tiny_model(), random_images(9, 13)
        explanation = bagnet_tf.explain(model, images, [2, 0], head=head)
        patch_logits = compute(bagnet_tf.patch_logits_model(model), images)
        expected = np.float64(patch_logits["patch_logits"])
        if head == "softmax":
            expected -= expected.mean(axis=-1, keepdims=True)
        np.testing.assert_allclose(
            explanation.decisive_evidence, expected[..., [2, 0]], atol=1e-5
        )

    def test_another_class_changes_nothing(self):
        # A second class whose maps the softmax would centre by.
        one, two = tiny_model(classes=1), tiny_model(classes=2)
        kernel, bias = one.get_layer("classifier").get_weights()
        images = random_images(9, 13)
        changed = bagnet_tf.BagNet(TINY, classes=2)
        changed.set_weights(one.get_weights()[:-2] + two.get_weights()[-2:])
        changed.get_layer("classifier").set_weights(
            [np.concatenate([kernel, 9 * kernel], 1), np.append(bias, 5)]
        )
        patches = [
            bagnet_tf.explain(m, images, [0], head="sigmoid").top_patches()
            for m in (one, changed)
        ]
        for first, second in zip(*patches, strict=True):
            self.assertEqual(first.box, second.box)
            self.assertAlmostEqual(first.evidence, second.evidence, places=5)

    def test_contrast_stays_the_difference(self):
        explanation, alone = _explained()
        np.testing.assert_allclose(
            explanation.contrast(1, 2, 0),
            alone[1, ..., 2] - alone[1, ..., 0],
            atol=1e-5,
        )

    def test_json_says_which_evidence_it_ranks(self):
        explanation, _ = _explained(1)
        content = json.loads(json.dumps(explanation.to_json()))
        self.assertEqual(content["head"], "sigmoid")
        self.assertEqual(content["patches_ranked_by"], "class evidence")
        self.assertNotIn("class_centred_evidence", content["classes"][0])
        explanation = bagnet_tf.explain(tiny_model(), random_images(9, 13))
        content = explanation.to_json()
        self.assertEqual(content["head"], "softmax")
        self.assertEqual(content["patches_ranked_by"], "class-centred evidence")

    def test_rows_have_no_centred_contribution(self):
        explanation, alone = _explained()
        table = explanation.decomposition(0)
        self.assertNotIn("centred_contribution", table[0])
        total = sum(r["contribution"] for r in table if r["class_id"] == 1)
        self.assertAlmostEqual(total, alone[0, ..., 1].mean(), places=5)

    def test_softmax_of_one_class_is_refused(self):
        with self.assertRaisesRegex(
            ValueError, "head must be 'sigmoid' .* Received: head='softmax'"
        ):
            bagnet_tf.explain(tiny_model(classes=1), random_images(9, 9))

    def test_an_unknown_head_is_refused(self):
        with self.assertRaisesRegex(ValueError, "head must be one of softmax"):
            bagnet_tf.explain(
                tiny_model(), random_images(9, 9), head="logistic"
            )


if __name__ == "__main__":
    absltest.main()
