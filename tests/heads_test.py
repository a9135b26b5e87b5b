"""What do logits mean under each head?"""

import math

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.heads import check_head, probabilities_of


class ProbabilitiesTest(parameterized.TestCase):
    @parameterized.parameters("softmax", "sigmoid")
    def test_by_hand(self, head):
        logits = np.float32([[1.5, -2, 0.25], [8, 0, -30]])
        for row, found in zip(
            logits.tolist(), probabilities_of(logits, head), strict=True
        ):
            total = sum(map(math.exp, row))
            expected = {
                "softmax": [math.exp(x) / total for x in row],
                "sigmoid": [1 / (1 + math.exp(-x)) for x in row],
            }
            np.testing.assert_allclose(found, expected[head], rtol=1e-5)

    @parameterized.parameters("softmax", "sigmoid")
    def test_of_maps(self, head):
        logits = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
        maps = probabilities_of(logits, head)
        one = probabilities_of(logits[1, 2, 3], head)
        np.testing.assert_allclose(maps[1, 2, 3], one)

    def test_sigmoid_of_a_class_heeds_no_other(self):
        logits = np.float32([[2, 1], [2, -9]])
        found = probabilities_of(logits, "sigmoid")[:, 0]
        self.assertEqual(found[0], found[1])

    @parameterized.parameters("softmax", "sigmoid")
    def test_extreme_logits_without_warning(self, head):
        with np.errstate(all="raise", under="ignore"):
            found = probabilities_of(np.float32([1e4, -1e4]), head)
        np.testing.assert_array_equal(found, [1, 0])
        self.assertEqual(found.dtype, np.float32)

    def test_unknown_head(self):
        message = "head must be one of softmax, sigmoid. Received: head='relu'"
        with self.assertRaisesRegex(ValueError, message):
            check_head("relu")
        with self.assertRaisesRegex(ValueError, message):
            probabilities_of(np.zeros(2), "relu")


if __name__ == "__main__":
    absltest.main()
