"""Does a verdict follow from probabilities and thresholds alone?"""

import math

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.decisions import verdict_of

_LABELS = ("scratch", "dent", "stain")


def _logit(probability):
    return math.log(probability / (1 - probability))


class SigmoidTest(parameterized.TestCase):
    def _verdict(self, probabilities, thresholds=None):
        logits = np.array([_logit(p) for p in probabilities])
        labels = _LABELS[: len(logits)]
        return verdict_of(logits, "sigmoid", labels, thresholds or {})

    @parameterized.named_parameters(
        ("several", (0.6, 0.2, 0.9), {}, (2, 0), "stain, scratch"),
        ("one", (0.6, 0.2, 0.1), {}, (0,), "scratch"),
        ("none", (0.4, 0.2, 0.1), {}, (), "none of the 3 classes"),
        ("lower", (0.4, 0.2, 0.1), {1: 0.15}, (1,), "dent"),
        ("higher", (0.6, 0.2, 0.9), {2: 0.95}, (0,), "scratch"),
    )
    def test_names_all_classes_above(self, values, thresholds, ids, title):
        verdict = self._verdict(values, thresholds)
        self.assertEqual(verdict.class_ids, ids)
        self.assertEqual(verdict.title, title)
        for class_id, probability in enumerate(values):
            decision = verdict.decisions[class_id]
            self.assertAlmostEqual(decision.probability, probability)
            self.assertEqual(decision.operating, class_id in thresholds)
            self.assertEqual(decision.threshold, thresholds.get(class_id, 0.5))

    @parameterized.named_parameters(
        ("above", 0.93, {0: 0.37}, "scratch", "above the operating", "0.37"),
        (
            "below",
            0.21,
            {0: 0.37},
            "not scratch",
            "below the operating",
            "0.37",
        ),
        ("by_default", 0.51, {}, "scratch", "above the threshold", "0.5"),
        ("not_even", 0.49, {}, "not scratch", "below the threshold", "0.5"),
    )
    def test_a_single_class(self, value, thresholds, title, side, threshold):
        verdict = self._verdict([value], thresholds)
        self.assertEqual(verdict.title, title)
        self.assertStartsWith(verdict.detail, f"p = {value:.3f}, {side}")
        self.assertEndsWith(verdict.detail, f"threshold {threshold}")

    @parameterized.parameters(
        (0.39123, 0.38, "0.391 ≥ 0.38"), (0.0004, 0.5, "0.000 < 0.5")
    )
    def test_comparison(self, value, threshold, expected):
        decision = self._verdict([value], {0: threshold}).decisions[0]
        self.assertEqual(decision.compared, expected)

    def test_at_the_threshold_is_above(self):
        verdict = verdict_of(np.zeros(2), "sigmoid", ("a", "b"), {1: 0.5})
        self.assertEqual(verdict.class_ids, (0, 1))

    def test_words_of_several_and_of_none(self):
        several = self._verdict([0.75, 0.2, 0.9])
        self.assertEqual(
            several.detail, "p = 0.900, 0.750, above the threshold of the class"
        )
        none = self._verdict([0.25, 0.1, 0.2])
        self.assertEqual(
            none.detail,
            "most probable scratch: p = 0.250, below the threshold 0.5",
        )

    def test_certain_classes_are_in_the_order_of_their_logits(self):
        verdict = verdict_of(np.array([50.0, 900, 70]), "sigmoid", _LABELS, {})
        self.assertEqual(verdict.class_ids, (1, 2, 0))


class SoftmaxTest(parameterized.TestCase):
    def _verdict(self, probabilities, thresholds):
        logits = np.log(probabilities) + 3  # The gauge is free.
        labels = _LABELS[: len(logits)]
        return verdict_of(logits, "softmax", labels, thresholds)

    def test_without_thresholds_the_most_probable_class(self):
        verdict = self._verdict([0.2, 0.7, 0.1], {})
        self.assertEqual(verdict.class_ids, (1,))
        self.assertEqual((verdict.title, verdict.detail), ("dent", "p = 0.700"))
        self.assertEmpty(verdict.decisions)

    @parameterized.named_parameters(
        ("less_probable", 0.4, 0.37, 1, "p = 0.400, above the operating "
         "threshold 0.37"),
        ("more_probable", 0.6, 0.9, 0, "p = 0.400  ·  dent: p = 0.600, below "
         "the operating threshold 0.9"),
        ("agreeing", 0.8, 0.7, 1, "p = 0.800, above the operating "
         "threshold 0.7"),
    )  # fmt: skip
    def test_of_two_classes_the_operating_threshold_decides(
        self, probability, threshold, named, detail
    ):
        verdict = self._verdict([1 - probability, probability], {1: threshold})
        self.assertEqual(verdict.class_ids, (named,))
        self.assertEqual(verdict.title, _LABELS[named])
        self.assertEqual(verdict.detail, detail)
        self.assertEqual(list(verdict.decisions), [1])

    def test_all_below_their_thresholds(self):
        verdict = self._verdict([0.6, 0.4], {0: 0.9, 1: 0.9})
        self.assertEqual(verdict.class_ids, (0,))
        self.assertIn("below", verdict.detail)


if __name__ == "__main__":
    absltest.main()
