import math

from absl.testing import absltest, parameterized

from bagnet_tf.paired_comparison import mcnemar


class McNemarTest(parameterized.TestCase):
    @parameterized.parameters((0, 0), (1, 0), (3, 3), (5, 12), (40, 21))
    def test_tosses_of_a_coin(self, first, second):
        count = first + second
        as_uneven = sum(
            math.comb(count, k)
            for k in range(count + 1)
            if abs(2 * k - count) >= abs(first - second)
        )
        self.assertAlmostEqual(mcnemar(first, second), as_uneven / 2**count)
        self.assertEqual(mcnemar(first, second), mcnemar(second, first))

    def test_thousands_of_images(self):
        self.assertGreater(mcnemar(5000, 5000), 0.99)
        self.assertLess(mcnemar(6000, 4000), 1e-80)
        # Two standard deviations of 50: 2.3 % on each side, as binomials do.
        self.assertAlmostEqual(mcnemar(5100, 4900), 0.0466, places=3)


if __name__ == "__main__":
    absltest.main()
