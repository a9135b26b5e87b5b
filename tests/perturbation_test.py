import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import perturbation

# One image of 2 x 2 pixels and one channel, and the pixels' ranks.
_IMAGES = np.array([[[[8.0], [4.0]], [[2.0], [1.0]]]])
_MAPS = np.array([[[-1.0, 3.0], [0.0, np.nan]]])  # 2nd, 3rd, 1st, then 4th.
_CLASS = np.array([1])


def _sums(images):
    """`Probabilities`: the class 1 has the image's sum, others NaN."""
    sums = images.sum(axis=(1, 2, 3))
    return np.stack([np.full_like(sums, np.nan), sums], axis=1)


class CurvesTest(parameterized.TestCase):
    def test_deletion_removes_the_most_relevant_first(self):
        curves = perturbation.deletion_curves(
            _sums, _IMAGES, _MAPS, _CLASS, num_steps=4, baseline="zeros"
        )
        # Without 4, without 4 and 2, without 4, 2 and 8.
        np.testing.assert_array_equal(curves, [[15, 11, 9, 1, 0]])

    def test_insertion_adds_the_most_relevant_first(self):
        curves = perturbation.insertion_curves(
            _sums, _IMAGES, _MAPS, _CLASS, num_steps=4, baseline="zeros"
        )
        np.testing.assert_array_equal(curves, [[0, 4, 6, 14, 15]])

    def test_steps_of_several_pixels(self):
        curves = perturbation.deletion_curves(
            _sums, _IMAGES, _MAPS, _CLASS, num_steps=2, baseline="zeros"
        )
        np.testing.assert_array_equal(curves, [[15, 9, 0]])

    def test_baseline_of_ones_own(self):
        curves = perturbation.deletion_curves(
            _sums, _IMAGES, _MAPS, _CLASS, 4, baseline=np.array([10.0])
        )
        np.testing.assert_array_equal(curves, [[15, 21, 29, 31, 40]])

    def test_equal_values_go_in_reading_order(self):
        curves = perturbation.deletion_curves(
            _sums, _IMAGES, np.zeros((1, 2, 2)), _CLASS, 4, "zeros"
        )
        np.testing.assert_array_equal(curves, [[15, 7, 3, 1, 0]])

    def test_images_keep_their_maps_and_classes(self):
        rng = np.random.default_rng(3)
        images = rng.uniform(0, 255, (3, 4, 5, 3)).astype(np.float32)
        maps, weights = rng.normal(size=(3, 4, 5)), rng.normal(size=(60, 6))
        class_ids = np.array([5, 0, 2])

        def predict(batch):
            self.assertEqual(batch.dtype, np.float32)
            logits = batch.reshape(len(batch), -1) @ weights / 1000
            odds = np.exp(logits)
            return odds / odds.sum(axis=1, keepdims=True)

        for curves_of in (
            perturbation.deletion_curves,
            perturbation.insertion_curves,
        ):
            together = curves_of(predict, images, maps, class_ids, 7)
            alone = [
                curves_of(predict, *(a[i : i + 1] for a in arrays), 7)[0]
                for arrays in [(images, maps, class_ids)]
                for i in range(3)
            ]
            np.testing.assert_allclose(together, alone, rtol=1e-6)

    def test_defaults(self):
        images = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3))
        seen = []

        def predict(batch):
            seen.append(batch)
            return np.ones((1, 2))

        maps = np.arange(64.0).reshape(1, 8, 8)
        perturbation.deletion_curves(predict, images, maps, _CLASS)
        self.assertLen(seen, 33)
        np.testing.assert_array_equal(seen[-1], 127.5)
        seen.clear()
        perturbation.insertion_curves(predict, images, maps, _CLASS)
        blurred = perturbation.baseline_images(images, "blur")
        np.testing.assert_array_equal(seen[0], blurred)
        np.testing.assert_array_equal(seen[-1], images.astype(np.float32))

    @parameterized.named_parameters(
        ("maps", {"maps": np.zeros((1, 2, 3))}, "images, maps and class_ids"),
        ("classes", {"class_ids": [1, 2]}, "images, maps and class_ids"),
        ("no_step", {"num_steps": 0}, r"num_steps must be in \[1, 4\]"),
        ("many_steps", {"num_steps": 5}, r"num_steps must be in \[1, 4\]"),
        ("baseline", {"baseline": "black"}, "one of zeros, grey, mean, blur"),
        ("shape", {"baseline": np.zeros((3, 1))}, "must broadcast"),
    )
    def test_wrong_arguments(self, changes, message):
        arguments = {
            "images": _IMAGES,
            "maps": _MAPS,
            "class_ids": _CLASS,
            "num_steps": 4,
            **changes,
        }
        for curves_of in (
            perturbation.deletion_curves,
            perturbation.insertion_curves,
        ):
            with self.assertRaisesRegex(ValueError, message):
                curves_of(_sums, **arguments)


class AreasTest(absltest.TestCase):
    def test_hand_worked(self):
        # Trapezoids (1 + .5) / 2 and (.5 + .25) / 2, each half as wide as all.
        curves = np.array([[1.0, 0.5, 0.25], [1.0, 1.0, 1.0]])
        areas = perturbation.curve_areas(curves)
        np.testing.assert_allclose(areas, [(0.75 + 0.375) / 2, 1.0])


class BaselineTest(absltest.TestCase):
    def test_mean_is_each_images_own_colour(self):
        images = np.zeros((2, 2, 2, 3))
        images[0, 0, 0], images[1] = [4, 8, 0], [1, 2, 3]
        means = perturbation.baseline_images(images, "mean")
        self.assertEqual(means.shape, images.shape)
        np.testing.assert_array_equal(means[0, 1, 1], [1, 2, 0])
        np.testing.assert_array_equal(means[1], images[1])

    def test_blur_spreads_a_point_like_a_gaussian(self):
        images = np.zeros((1, 31, 31, 1))
        images[0, 15, 15] = 100
        blurred = perturbation.baseline_images(images, "blur")[0, :, :, 0]
        self.assertAlmostEqual(blurred.sum(), 100, places=3)
        self.assertAlmostEqual(
            blurred[15, 18] / blurred[15, 15], np.exp(-9 / 50), places=5
        )
        self.assertAlmostEqual(
            blurred[11, 15] / blurred[15, 15], np.exp(-16 / 50), places=5
        )
        self.assertGreater(blurred[15, 20], 0)
        self.assertEqual(blurred[15, 21], 0)

    def test_blur_has_no_frame(self):
        images = np.full((1, 12, 9, 3), 200.0)
        blurred = perturbation.baseline_images(images, "blur")
        np.testing.assert_allclose(blurred, 200, rtol=1e-5)

    def test_blur_does_not_reach_round_to_the_other_side(self):
        images = np.zeros((1, 12, 12, 1))
        images[0, 0, 0] = 100
        blurred = perturbation.baseline_images(images, "blur")[0, :, :, 0]
        self.assertGreater(blurred[5, 5], 0)
        np.testing.assert_array_equal(blurred[6:], 0)
        np.testing.assert_array_equal(blurred[:, 6:], 0)


if __name__ == "__main__":
    absltest.main()
