"""Scores of heads and labels that are more than one class a photo."""

import json

import numpy as np
from absl.testing import absltest, parameterized

from train.binary_scores import binary_scores
from train.label_scores import LabelScores
from train.scores import ClassificationScores
from train.set_scores import SetScores


def _fed(scores, logits, labels, batch=7):
    for first in range(0, len(logits), batch):
        part = slice(first, first + batch)
        scores.update(logits[part], labels[part])
    return scores.result()


class LabelScoresTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(0)
        self.logits = rng.normal(size=(50, 3)).astype("float32")
        self.labels = (rng.uniform(size=(50, 3)) < 0.4).astype("float32")

    def test_each_class_by_itself(self):
        result = _fed(LabelScores(3, {2: 0.3}), self.logits, self.labels)
        self.assertEqual(result["count"], 50)
        for index in range(3):
            self.assertEqual(
                result["per_class"][index],
                binary_scores(
                    self.logits[:, index],
                    self.labels[:, index] == 1,
                    0.3 if index == 2 else None,
                ),
            )
        for key in ("loss", "brier_score", "equal_mass_calibration_error"):
            mean = np.mean([s[key] for s in result["per_class"]])
            self.assertAlmostEqual(result[key], mean)

    def test_means_are_over_classes_of_both_kinds(self):
        self.labels[:, 1] = 0
        result = _fed(LabelScores(3), self.logits, self.labels)
        self.assertEqual(result["mean_auroc"]["num_classes"], 2)
        scores = result["per_class"]
        self.assertAlmostEqual(
            result["mean_auroc"]["value"],
            (scores[0]["auroc"]["value"] + scores[2]["auroc"]["value"]) / 2,
        )
        self.assertAlmostEqual(
            result["mean_average_precision"]["value"],
            (scores[0]["average_precision"] + scores[2]["average_precision"])
            / 2,
        )

    def test_a_mean_over_nothing_is_none(self):
        result = _fed(LabelScores(3), self.logits, np.zeros((50, 3)))
        self.assertIsNone(result["mean_auroc"]["value"])
        json.dumps(result, allow_nan=False)

    def test_class_ids_are_labels_too(self):
        ids = self.labels.argmax(axis=1)
        one_hot = np.eye(3)[ids]
        self.assertEqual(
            _fed(LabelScores(3), self.logits, ids),
            _fed(LabelScores(3), self.logits, one_hot),
        )

    def test_no_examples(self):
        with self.assertRaisesRegex(ValueError, "at least one example"):
            LabelScores(classes=2).result()


class TwoClassesTest(parameterized.TestCase):
    def test_class_one_is_the_yes(self):
        rng = np.random.default_rng(0)
        logits, labels = rng.normal(size=(40, 2)), rng.integers(0, 2, 40)
        odds = np.exp(logits)
        chance = odds[:, 1] / odds.sum(axis=1)
        result = _fed(ClassificationScores(2, threshold=0.6), logits, labels)
        found = result["binary"]["at_operating_threshold"]
        self.assertEqual(
            found["sensitivity"]["value"], np.mean(chance[labels == 1] >= 0.6)
        )
        self.assertEqual(
            found["specificity"]["value"], np.mean(chance[labels == 0] < 0.6)
        )
        pairs = chance[labels == 1][:, None] > chance[labels == 0]
        self.assertAlmostEqual(result["binary"]["auroc"]["value"], pairs.mean())
        # The same two numbers of a photo: the loss is the same, the squared
        # distance counts both.
        self.assertAlmostEqual(result["binary"]["loss"], result["loss"])
        self.assertAlmostEqual(
            2 * result["binary"]["brier_score"], result["brier_score"]
        )

    def test_of_two_classes_only(self):
        result = _fed(ClassificationScores(3), np.eye(3), np.arange(3))
        self.assertNotIn("binary", result)


class SetScoresTest(parameterized.TestCase):
    def test_right_if_in_the_set(self):
        logits = np.log([[0.7, 0.2, 0.1]] * 4)
        sets = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 1]])
        result = _fed(SetScores(), logits, sets, batch=2)
        self.assertEqual((result["count"], result["num_without_label"]), (3, 1))
        self.assertAlmostEqual(result["top1"]["value"], 2 / 3)
        self.assertAlmostEqual(
            result["expected_calibration_error"], 0.7 - 2 / 3
        )

    def test_temperature(self):
        # Odds of 9 to 1 become odds of 3 to 1; both are right.
        result = _fed(SetScores(2.0), np.log([[0.9, 0.1]]), np.array([[1, 1]]))
        self.assertAlmostEqual(result["expected_calibration_error"], 0.1)
        self.assertAlmostEqual(
            result["with_temperature"]["expected_calibration_error"], 0.25
        )

    def test_no_photo_with_a_label(self):
        with self.assertRaisesRegex(ValueError, "at least one photo .*: 2"):
            _fed(SetScores(), np.zeros((2, 3)), np.zeros((2, 3)))


if __name__ == "__main__":
    absltest.main()
