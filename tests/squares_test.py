"""Are squares of a map added up, ordered and masked as promised?"""

import numpy as np
from absl.testing import absltest
from scipy import stats

from bagnet_tf.analysis.rank_correlation import mean_interval, spearman
from bagnet_tf.analysis.squares import (
    ranks,
    square_sums,
    without_squares,
)


class SquaresTest(absltest.TestCase):
    def test_sums_leave_out_the_rest_and_nan(self):
        maps = np.arange(7 * 9, dtype=float).reshape(1, 7, 9)
        maps[0, 0, 0] = np.nan
        sums = square_sums(maps, 3)
        self.assertEqual(sums.shape, (1, 2, 3))
        self.assertEqual(sums[0, 0, 0], 1 + 2 + 9 + 10 + 11 + 18 + 19 + 20)
        self.assertEqual(sums[0, 1, 2], maps[0, 3:6, 6:9].sum())

    def test_a_square_fits(self):
        with self.assertRaisesRegex(ValueError, "Received: patch_size=8"):
            square_sums(np.zeros((1, 7, 9)), 8)

    def test_the_largest_sum_is_first_and_equal_ones_are_in_order(self):
        sums = np.array([[[3.0, 5.0], [5.0, 9.0]]])
        self.assertEqual(ranks(sums).tolist(), [[[3, 1], [2, 0]]])

    def test_masked_squares_have_the_mean_colour_and_nothing_else_changes(self):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (2, 7, 9, 3)).astype(np.uint8)
        removed = np.zeros((2, 2, 3), bool)
        removed[1, 1, 2] = True
        masked = without_squares(images, removed, 3)
        np.testing.assert_array_equal(masked[0], images[0])
        mean = images[1].reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(
            masked[1, 3:6, 6:9],
            np.broadcast_to(mean, (3, 3, 3)),
            rtol=1e-6,
        )
        rest = np.ones((7, 9), bool)
        rest[3:6, 6:9] = False
        np.testing.assert_array_equal(masked[1][rest], images[1][rest])


class RankCorrelationTest(absltest.TestCase):
    def test_equals_scipy_with_ties(self):
        rng = np.random.default_rng(1)
        for _ in range(5):
            first = rng.integers(0, 6, 12)
            second = first + rng.integers(0, 5, 12)
            expected = stats.spearmanr(first, second).statistic
            self.assertAlmostEqual(spearman(first, second), expected, 12)

    def test_a_constant_has_no_order(self):
        self.assertTrue(np.isnan(spearman(np.ones(4), np.arange(4))))

    def test_interval_of_four_values(self):
        # Student's t with 3 degrees of freedom: 3.182446.
        mean, low, high = mean_interval([1.0, 2.0, np.nan, 3.0, 4.0])
        self.assertEqual(mean, 2.5)
        reach = 3.182446 * np.sqrt(5 / 3) / 2
        self.assertAlmostEqual(high - mean, reach, 6)
        self.assertAlmostEqual(mean - low, reach, 6)

    def test_one_value_has_no_interval(self):
        mean, low, high = mean_interval([2.0])
        self.assertEqual(mean, 2.0)
        self.assertTrue(np.isnan(low) and np.isnan(high))
        self.assertTrue(np.isnan(mean_interval([])[0]))


if __name__ == "__main__":
    absltest.main()
