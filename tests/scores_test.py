import math

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.intervals import wilson_interval
from train.scores import ClassificationScores


def _scores(logits, labels, batch=2):
    scores = ClassificationScores(classes=np.shape(logits)[1])
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        scores.update(np.array(logits)[part], np.array(labels)[part])
    return scores.result()


class ClassificationScoresTest(parameterized.TestCase):
    def test_hand_worked(self):
        # Probabilities .75/.25, .75/.25, .25/.75: right, wrong, right.
        high = math.log(3.0)
        result = _scores([[high, 0], [high, 0], [0, high]], [0, 1, 1])
        self.assertEqual(result["count"], 3)
        self.assertAlmostEqual(result["top1"]["value"], 2 / 3)
        self.assertEqual(result["confusion"], [[1, 0], [1, 1]])
        self.assertEqual(result["per_class_accuracy"], [1.0, 0.5])
        loss = -(2 * math.log(0.75) + math.log(0.25)) / 3
        self.assertAlmostEqual(result["loss"], loss)
        # One bin of confidence .75, of which 2/3 are right.
        self.assertAlmostEqual(
            result["expected_calibration_error"], 0.75 - 2 / 3
        )
        self.assertNotIn("top5", result)

    def test_top5_counts_the_fifth_and_not_the_sixth(self):
        logits = [[6.0, 5, 4, 3, 2, 1, 0]] * 2
        self.assertEqual(_scores(logits, [4, 5])["top5"]["value"], 0.5)

    def test_calibration_separates_confidences(self):
        # Confidences .9 (right) and .6 (wrong): |.9 - 1| / 2 + .6 / 2.
        logits = np.log([[0.9, 0.1], [0.6, 0.4]])
        result = _scores(logits, [0, 1])
        self.assertAlmostEqual(result["expected_calibration_error"], 0.35)

    def test_batches_do_not_matter(self):
        rng = np.random.default_rng(0)
        logits, labels = rng.normal(size=(50, 7)), rng.integers(0, 7, 50)
        one, many = _scores(logits, labels, 50), _scores(logits, labels, 7)
        self.assertEqual(one["confusion"], many["confusion"])
        for key in ("loss", "expected_calibration_error"):
            self.assertAlmostEqual(one[key], many[key], places=12)

    def test_class_without_examples(self):
        result = _scores([[2.0, 1, 0]], [0])
        self.assertEqual(result["per_class_accuracy"], [1.0, None, None])

    def test_no_examples(self):
        with self.assertRaisesRegex(ValueError, "at least one example"):
            ClassificationScores(classes=2).result()

    @parameterized.named_parameters(
        # Newcombe 1998, table I, method 3 (Wilson): 81/263 and 0/20.
        ("newcombe_a", 81, 263, 0.2553, 0.3662),
        ("newcombe_c", 0, 20, 0.0000, 0.1611),
    )
    def test_wilson_interval(self, successes, count, low, high):
        interval = wilson_interval(successes, count)
        np.testing.assert_allclose(interval, (low, high), atol=5e-5)


if __name__ == "__main__":
    absltest.main()
