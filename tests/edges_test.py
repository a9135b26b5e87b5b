"""Are a photo's edges found where they are, and nowhere else?"""

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.rendering.edges import photo_edges


class PhotoEdgesTest(parameterized.TestCase):
    @parameterized.named_parameters(("rows", 0), ("columns", 1))
    def test_a_step_gives_one_thin_line_beside_it(self, axis):
        image = np.zeros((20, 30, 3), np.uint8)
        image[(slice(None),) * axis + (slice(12, None),)] = 200
        edges = np.moveaxis(photo_edges(image), axis, 0)
        np.testing.assert_array_equal(edges.sum(axis=0), 1)
        self.assertContainsSubset(edges.nonzero()[0].tolist(), (11, 12))

    def test_a_slanting_step_gives_a_closed_line(self):
        rows, cols = np.mgrid[:40, :40]
        image = np.where(rows > cols, 255, 0).astype(np.uint8)
        edges = photo_edges(image)
        found_rows, found_cols = edges[3:-3].nonzero()
        self.assertLessEqual(np.abs(found_rows + 3 - found_cols).max(), 2)
        self.assertTrue(edges[3:-3].any(axis=1).all())

    @parameterized.parameters(0, 0.1, 77.7, 255)
    def test_a_flat_photo_has_none(self, value):
        rounding = 1e-9 * np.random.default_rng(0).random((19, 23, 3))
        for photo in (np.full((19, 23, 3), value), value + rounding):
            self.assertFalse(photo_edges(photo).any())

    def test_weak_edges_count_only_beside_strong_ones(self):
        image = np.zeros((60, 40))
        image[:, 20:] = np.linspace(10, 100, 60)[:, None]  # Weak to strong.
        alone = np.zeros((60, 40))
        alone[:, 20:] = 13  # Between the two thresholds of the step beside.
        edges = photo_edges(np.hstack([image, 0 * image, alone]))
        self.assertTrue(edges[:, 18:22].any(axis=1).all())
        self.assertFalse(edges[5:-5, 98:102].any())

    def test_smoothing_removes_single_pixels_beside_a_step(self):
        image = np.zeros((40, 60))
        image[:, 30:] = 255
        image[20, 10] = 255
        self.assertTrue(photo_edges(image, sigma=0.5)[17:24, 7:14].any())
        self.assertFalse(photo_edges(image, sigma=3)[17:24, 7:14].any())

    def test_size_of_the_photo(self):
        edges = photo_edges(np.random.default_rng(0).random((3, 17)))
        self.assertEqual((edges.shape, edges.dtype), ((3, 17), bool))

    def test_a_wrong_rank_is_refused(self):
        with self.assertRaisesRegex(ValueError, r"image must .*=\(9,\)"):
            photo_edges(np.zeros(9))

    @parameterized.parameters(0, -1, np.nan)
    def test_a_wrong_width_is_refused(self, sigma):
        with self.assertRaisesRegex(ValueError, f"sigma must .*sigma={sigma}"):
            photo_edges(np.zeros((9, 9)), sigma)


if __name__ == "__main__":
    absltest.main()
