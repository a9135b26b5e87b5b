"""Scores of one logit, against loops over pairs and thresholds."""

import json
import math

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import ranking
from bagnet_tf.intervals import auroc_interval, wilson_interval
from train.binary_scores import (
    binary_scores,
    fit_operating_points,
    fit_threshold,
)


def _photos(count=200, seed=0):
    """Logits with many ties, and which photos are a yes."""
    rng = np.random.default_rng(seed)
    positive = rng.uniform(size=count) < 0.3
    logits = np.round(rng.normal(positive * 1.5, 1) * 4) / 4
    return logits, positive


def _pairs(values, positive):
    """The share of pairs in the right order, one pair after the other."""
    total = 0.0
    for yes in values[positive]:
        for no in values[~positive]:
            total += 1.0 if yes > no else 0.5 if yes == no else 0.0
    return total / (positive.sum() * (~positive).sum())


def _sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


class RankingTest(parameterized.TestCase):
    @parameterized.parameters(range(4))
    def test_auroc_counts_pairs(self, seed):
        logits, positive = _photos(80, seed)
        self.assertAlmostEqual(
            ranking.auroc(logits, positive), _pairs(logits, positive), places=12
        )

    def test_average_precision_adds_up_over_thresholds(self):
        logits, positive = _photos(80)
        expected, before = 0.0, 0.0
        for threshold in sorted(set(logits), reverse=True):
            called = logits >= threshold
            recall = (called & positive).sum() / positive.sum()
            precision = (called & positive).sum() / called.sum()
            expected += (recall - before) * precision
            before = recall
        self.assertAlmostEqual(
            ranking.average_precision(logits, positive), expected, places=12
        )

    @parameterized.parameters(True, False)
    def test_nothing_to_tell_apart(self, value):
        positive = np.full(3, value)
        self.assertTrue(np.isnan(ranking.auroc(np.arange(3.0), positive)))
        self.assertTrue(
            np.isnan(ranking.average_precision(np.arange(3.0), positive))
        )


class BinaryScoresTest(parameterized.TestCase):
    def test_loss_and_brier_score(self):
        scores = binary_scores([0.0, math.log(3)], [True, False])
        expected = -(math.log(0.5) + math.log(0.25)) / 2
        self.assertAlmostEqual(scores["loss"], expected)
        self.assertAlmostEqual(scores["brier_score"], (0.25 + 0.5625) / 2)
        # Two bins: .5 came true, .75 did not.
        self.assertAlmostEqual(
            scores["expected_calibration_error"], (0.5 + 0.75) / 2
        )

    def test_loss_of_large_logits(self):
        scores = binary_scores([1000.0, -1000.0], [False, True])
        self.assertAlmostEqual(scores["loss"], 1000)

    def test_ranks_where_probabilities_round_to_one(self):
        scores = binary_scores([100.0, 50.0], [True, False])
        self.assertEqual(scores["auroc"]["value"], 1.0)

    def test_areas(self):
        logits, positive = _photos()
        scores = binary_scores(logits, positive)
        self.assertAlmostEqual(
            scores["auroc"]["value"], _pairs(logits, positive), places=12
        )
        self.assertEqual(
            (scores["positives"], scores["negatives"]),
            (positive.sum(), (~positive).sum()),
        )
        low, high = scores["auroc"]["interval95"]
        self.assertLess(low, scores["auroc"]["value"])
        self.assertGreater(high, scores["auroc"]["value"])

    def test_sensitivity_at_fixed_specificity(self):
        logits, positive = _photos()
        found = binary_scores(logits, positive)["at_fixed_specificity"]
        # The best sensitivity of all thresholds that call 90 % of no a no.
        best = max(
            np.mean(logits[positive] >= threshold)
            for threshold in [*logits, np.inf]
            if np.mean(logits[~positive] < threshold) >= 0.9
        )
        self.assertEqual(found["sensitivity"]["value"], best)
        self.assertEqual(
            found["sensitivity"]["interval95"],
            list(wilson_interval(round(best * positive.sum()), positive.sum())),
        )
        probabilities = np.array([_sigmoid(x) for x in logits])
        below = np.mean(probabilities[~positive] < found["threshold"])
        self.assertGreaterEqual(below, found["specificity"])

    def test_at_a_threshold_from_elsewhere(self):
        # The probability one half is at least one half.
        logits, positive = np.array([-1.0, 0, 2, -2]), [True, True, False, 0]
        scores = binary_scores(logits, positive, threshold=0.5)
        found = scores["at_operating_threshold"]
        self.assertEqual(found["threshold"], 0.5)
        self.assertEqual(found["sensitivity"]["value"], 0.5)
        self.assertEqual(found["specificity"]["value"], 0.5)
        self.assertEqual(
            found["specificity"]["interval95"], list(wilson_interval(1, 2))
        )

    @parameterized.parameters(True, False)
    def test_one_kind_only(self, value):
        scores = binary_scores([1.0, 2.0], [value] * 2, threshold=0.5)
        for key in ("auroc", "average_precision", "at_fixed_specificity"):
            self.assertIsNone(scores[key])
        found = scores["at_operating_threshold"]
        known, unknown = ("sensitivity", "specificity")[:: 1 if value else -1]
        self.assertIsNone(found[unknown])
        self.assertEqual(found[known]["value"], float(value))
        json.dumps(scores, allow_nan=False)


class FitThresholdTest(parameterized.TestCase):
    @parameterized.parameters(1, 9, 10, 11, 20, 30, 110)
    def test_no_smaller_one_is_specific_enough(self, count):
        negatives = np.random.default_rng(count).uniform(size=count)
        threshold = fit_threshold(negatives)
        self.assertGreaterEqual(np.mean(negatives < threshold), 0.9 - 1e-12)
        smaller = np.nextafter(threshold, 0)
        self.assertLess(np.mean(negatives < smaller), 0.9 - 1e-12)

    def test_ties_fall_on_one_side(self):
        threshold = fit_threshold(np.full(10, 0.25))
        self.assertTrue(0.25 < threshold < 0.25 + 1e-9)

    def test_a_probability_where_all_are_certain(self):
        self.assertEqual(fit_threshold(np.ones(3)), 1.0)

    def test_operating_points(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(size=(40, 3))
        positive = rng.uniform(size=(40, 3)) < 0.5
        positive[:, 1] = True  # No photo to fit a threshold on.
        points = fit_operating_points(logits, positive, (4, 5, 6), "abc")
        self.assertEqual(
            [(p["class_id"], p["label"], p["specificity"]) for p in points],
            [(4, "a", 0.9), (6, "c", 0.9)],
        )
        negatives = [_sigmoid(x) for x in logits[~positive[:, 2], 2]]
        self.assertAlmostEqual(
            points[1]["threshold"],
            sorted(negatives)[math.ceil(0.9 * len(negatives)) - 1],
        )


class AurocIntervalTest(parameterized.TestCase):
    def test_ends_are_as_far_as_the_standard_error_says(self):
        # Hanley & McNeil 1982: an area of .893, 51 ill and 58 well, has a
        # standard error of about .032.
        def error(area):
            both, above = area / (2 - area), 2 * area**2 / (1 + area)
            return math.sqrt(
                (
                    area * (1 - area)
                    + 50 * (both - area**2)
                    + 57 * (above - area**2)
                )
                / (51 * 58)
            )

        self.assertAlmostEqual(error(0.893), 0.032, delta=1e-3)
        grid = np.linspace(0.5, 1, 50_001)
        inside = [a for a in grid if abs(0.893 - a) <= 1.959964 * error(a)]
        low, high = auroc_interval(0.893, 51, 58)
        self.assertAlmostEqual(low, min(inside), places=4)
        self.assertAlmostEqual(high, max(inside), places=4)

    def test_where_all_pairs_are_right(self):
        low, high = auroc_interval(1.0, 10, 10)
        self.assertEqual(high, 1.0)
        self.assertTrue(0.6 < low < 0.95)

    def test_yes_and_no_may_change_places(self):
        low, high = auroc_interval(0.8, 20, 20)
        other = auroc_interval(0.2, 20, 20)
        np.testing.assert_allclose((1 - high, 1 - low), other, atol=1e-9)

    def test_covers_the_true_area_as_often_as_it_says(self):
        # Normal scores one standard deviation apart.
        true = 0.5 * (1 + math.erf(1 / math.sqrt(2) / math.sqrt(2)))
        rng = np.random.default_rng(0)
        positive = np.arange(60) < 25
        covered = 0
        for _ in range(1000):
            values = rng.normal(positive * 1.0)
            area = ranking.auroc(values, positive)
            low, high = auroc_interval(area, 25, 35)
            covered += low <= true <= high
        self.assertBetween(covered / 1000, 0.93, 0.98)


if __name__ == "__main__":
    absltest.main()
