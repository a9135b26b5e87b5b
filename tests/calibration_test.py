"""Proper scores and calibration errors, on hand-worked predictions."""

import math

import numpy as np
from absl.testing import absltest, parameterized

from train.calibration import CalibrationScores, fit_temperature


def _scores(probabilities, labels, temperature=1.0, batch=2):
    scores = CalibrationScores(temperature)
    logits = np.log(np.asarray(probabilities))
    for first in range(0, len(labels), batch):
        part = slice(first, first + batch)
        scores.update(logits[part], np.asarray(labels)[part])
    return scores.result()


class CalibrationScoresTest(parameterized.TestCase):
    def test_brier_score(self):
        # (.3^2 + .2^2 + .1^2) and ((1 - .1)^2 + .6^2 + .3^2).
        result = _scores([[0.7, 0.2, 0.1], [0.6, 0.1, 0.3]], [0, 1])
        self.assertAlmostEqual(result["brier_score"], (0.14 + 1.26) / 2)

    def test_equal_mass_bins(self):
        # 30 predictions, two in each of 15 bins: (.6 right, .6 wrong) all
        # through is off by |.6 - .5|; one bin of equal width says the same.
        probabilities = [[0.6, 0.4]] * 30
        labels = [0, 1] * 15
        result = _scores(probabilities, labels)
        for key in ("equal_mass", "expected"):
            self.assertAlmostEqual(result[f"{key}_calibration_error"], 0.1)

    def test_equal_mass_finds_what_equal_width_averages_away(self):
        # Confidences .61 (never right) and .65 (always) share a bin of
        # equal width, whose mean of .63 is off by |.63 - .5|.
        probabilities = [[0.61, 0.39]] * 15 + [[0.65, 0.35]] * 15
        labels = [1] * 15 + [0] * 15
        result = _scores(probabilities, labels)
        self.assertAlmostEqual(result["expected_calibration_error"], 0.13)
        self.assertAlmostEqual(
            result["equal_mass_calibration_error"],
            # The middle bin has one of each.
            (14 * 0.61 + 14 * 0.35 + abs(0.61 + 0.65 - 1)) / 30,
        )

    def test_fewer_predictions_than_bins(self):
        result = _scores([[0.9, 0.1], [0.6, 0.4]], [0, 1])
        self.assertAlmostEqual(result["equal_mass_calibration_error"], 0.35)

    def test_temperature(self):
        # Odds of 3 to 1 become odds of sqrt(3) to 1.
        result = _scores([[0.75, 0.25]], [0], temperature=2.0)
        expected = -math.log(math.sqrt(3) / (1 + math.sqrt(3)))
        self.assertAlmostEqual(result["loss"], expected)


class FitTemperatureTest(parameterized.TestCase):
    @parameterized.parameters(0.5, 1.0, 3.0)
    def test_what_was_divided_by_is_found(self, temperature):
        rng = np.random.default_rng(0)
        logits = rng.normal(0, 2, (200_000, 4))
        odds = np.exp(logits)
        cumulative = (odds / odds.sum(1, keepdims=True)).cumsum(1)
        labels = (rng.uniform(size=(len(logits), 1)) > cumulative).sum(1)
        found = fit_temperature(logits * temperature, labels)
        self.assertAlmostEqual(found / temperature, 1, delta=0.02)

    def test_no_other_is_better(self):
        rng = np.random.default_rng(1)
        logits, labels = rng.normal(0, 3, (50, 5)), rng.integers(0, 5, 50)
        logits[np.arange(50), labels] += 1
        best = fit_temperature(logits, labels)

        def loss(temperature):
            # Mean over the photos as labelled 50 times and as each class.
            losses = []
            for classes in (labels, *np.tile(np.arange(5)[:, None], 50)):
                scores = CalibrationScores(temperature)
                scores.update(logits, classes)
                losses.append(scores.result()["loss"])
            return (50 * losses[0] + np.mean(losses[1:])) / 51

        others = [loss(best * factor) for factor in (0.5, 0.99, 1.01, 2)]
        self.assertLess(loss(best), min(others))

    def test_all_right(self):
        # Two photos, and two thirds of each truth are sure: five to one.
        found = fit_temperature([[3, 0], [0, 3]], [0, 1])
        self.assertAlmostEqual(found, 3 / math.log(5))

    def test_all_wrong(self):
        self.assertAlmostEqual(fit_temperature([[3, 0], [0, 2]], [1, 0]), 1e3)


if __name__ == "__main__":
    absltest.main()
