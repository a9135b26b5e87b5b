"""Ranks, correlations and kappa against counts by hand."""

import math

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.analysis import accuracy_vs_patch, error_agreement
from bagnet_tf.analysis.correlation import pearson, pearson_interval
from bagnet_tf.analysis.ranks import label_ranks, ranks_of
from tests.analysis_helpers import classifier_of, noise_source, request_of
from tests.small_models import TINY, compute, tiny_model


def _other_model():
    model = bagnet_tf.BagNet(TINY, classes=4, name="other")
    for layer in model.layers:
        rng = np.random.default_rng(3)
        layer.set_weights(
            [w + rng.normal(0, 0.2, w.shape) for w in layer.get_weights()]
        )
    return model


class RanksTest(absltest.TestCase):
    def test_equal_logits_count_against_the_label(self):
        logits = np.array([[3.0, 1, 2], [1, 1, 0], [5, 6, 7]])
        labels = np.array([0, 1, 0])
        self.assertEqual(ranks_of(logits, labels), [(0, 0), (1, 1), (0, 2)])

    def test_no_numbers(self):
        with self.assertRaisesRegex(ValueError, "finite logits"):
            ranks_of(np.array([[np.nan, 0]]), np.array([1]))

    def test_every_image_of_the_request(self):
        source, model = noise_source(7), tiny_model()
        request = request_of(self, [classifier_of(model)], source)
        labels, ranks = label_ranks(request, request.classifier)
        np.testing.assert_array_equal(labels, source._arrays["label"])
        logits = compute(model, source._arrays["image"].astype(np.float32))
        for label, rank, values in zip(labels, ranks, logits, strict=True):
            better = [v for v in values if v > values[label]]
            self.assertLen(better, rank)


class CorrelationTest(parameterized.TestCase):
    def test_equals_the_definition(self):
        rng = np.random.default_rng(0)
        one, other = rng.normal(size=(2, 9))
        mean_one, mean_other = sum(one) / 9, sum(other) / 9
        products = sum(
            (a - mean_one) * (b - mean_other)
            for a, b in zip(one, other, strict=True)
        )
        sizes = sum((a - mean_one) ** 2 for a in one) * sum(
            (b - mean_other) ** 2 for b in other
        )
        expected = products / math.sqrt(sizes)
        self.assertAlmostEqual(pearson(one, other), expected, places=12)
        with_gaps = [*one, None, 3.0], [*other, 1.0, None]
        self.assertAlmostEqual(pearson(*with_gaps), expected, places=12)

    def test_what_does_not_vary_has_none(self):
        self.assertIsNone(pearson([1, 1, 1], [1, 2, 3]))
        self.assertIsNone(pearson([1, None], [2, 3]))

    def test_interval_of_fisher(self):
        # r = 0.5, n = 28: atanh 0.5493 +- 1.96 / 5.
        low, high = pearson_interval(0.5, 28)
        self.assertAlmostEqual(low, math.tanh(0.549306 - 0.391993), places=5)
        self.assertAlmostEqual(high, math.tanh(0.549306 + 0.391993), places=5)
        self.assertEqual(pearson_interval(-1.0, 10), (-1, -1))
        self.assertIsNone(pearson_interval(0.5, 3))
        self.assertIsNone(pearson_interval(None, 30))


class ErrorAgreementTest(parameterized.TestCase):
    def test_kappa_by_hand(self):
        # Both right 40, both wrong 30, only one 20, only the other 10.
        one = np.repeat([True, False, True, False], [40, 30, 20, 10])
        other = np.repeat([True, False, False, True], [40, 30, 20, 10])
        # Observed 0.7; expected 0.6 * 0.5 + 0.4 * 0.5 = 0.5.
        kappa = error_agreement.error_consistency(one, other)
        self.assertAlmostEqual(kappa, (0.7 - 0.5) / (1 - 0.5))

    def test_kappa_at_its_ends(self):
        right = np.array([True, False, True, False])
        kappa = error_agreement.error_consistency
        self.assertAlmostEqual(kappa(right, right), 1)
        self.assertAlmostEqual(kappa(right, ~right), -1)
        self.assertIsNone(kappa(right | True, right | True))

    @parameterized.parameters(1, 2)
    def test_the_experiment_counts(self, top_k):
        source = noise_source(40)
        models = tiny_model(), _other_model()
        request = request_of(
            self,
            [classifier_of(model) for model in models],
            source,
            "error-agreement",
            top_k=top_k,
        )
        result = error_agreement.run(request)
        images = source._arrays["image"].astype(np.float32)
        labels = source._arrays["label"]
        right = []
        for model in models:
            best = np.argsort(-compute(model, images), axis=-1)[:, :top_k]
            right.append(
                [y in row for y, row in zip(labels, best, strict=True)]
            )
        right = np.array(right)
        found = result.summary["compared"]["other"]
        self.assertEqual(found["both_right"], np.sum(right.all(axis=0)))
        self.assertEqual(found["both_wrong"], np.sum(~right.any(axis=0)))
        self.assertEqual(found["only_the_model"], np.sum(right[0] & ~right[1]))
        self.assertEqual(found["only_the_other"], np.sum(right[1] & ~right[0]))
        low, high = found["kappa_interval95"]
        self.assertBetween(found["kappa"], low, high)
        for class_id, row in enumerate(result.rows):
            own = right[:, labels == class_id]
            self.assertEqual(row["photos"], own.shape[1])
            np.testing.assert_allclose(
                [row["tiny"], row["other"]], own.mean(axis=1)
            )

    def test_top_k_of_all_classes(self):
        request = request_of(
            self,
            [classifier_of(tiny_model())],
            noise_source(2),
            "error-agreement",
            top_k=4,
        )
        with self.assertRaisesRegex(ValueError, "less than the 4 classes"):
            error_agreement.run(request)


class AccuracyVsPatchTest(absltest.TestCase):
    def test_accuracy_and_receptive_field(self):
        source = noise_source(30)
        control = bagnet_tf.BagNet(
            bagnet_tf.Architecture("far", TINY.stages, 4, padding="same"),
            classes=4,
        )
        models = tiny_model(), control
        request = request_of(
            self, [classifier_of(model) for model in models], source
        )
        result = accuracy_vs_patch.run(request)
        images = source._arrays["image"].astype(np.float32)
        for model, row, field in zip(
            models, result.rows, (5, None), strict=True
        ):
            right = compute(model, images).argmax(-1) == source._arrays["label"]
            self.assertAlmostEqual(row["top1"], right.mean())
            self.assertEqual(row["receptive_field"], field)
            self.assertBetween(row["top1"], row["top1_low"], row["top1_high"])
            self.assertNotIn("top5", row)  # Of four classes.
        points, level = result.figures[""].panels[0].series
        self.assertEqual((points.x, points.names), ([5], ["tiny"]))
        self.assertEqual(level.kind, "level")

    def test_published_numbers(self):
        published = accuracy_vs_patch._published()
        mark = published["best"]["bagnet33-imagenet"]
        self.assertEqual(
            mark, {"receptive_field": 33, "top1": 0.7056, "top5": 0.8959}
        )
        official = published["official"].values()
        self.assertEqual([m["receptive_field"] for m in official], [9, 17, 33])


if __name__ == "__main__":
    absltest.main()
