import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import PatchGeometry
from bagnet_tf.certification import windows
from bagnet_tf.certification.windows import (
    box_sums,
    largest_outside,
    side_by_side,
    window_shape,
)
from tests.certification_helpers import windows_of

_BAGNETS = [(9, 8), (17, 8), (33, 8), (5, 2), (7, 3)]


class WindowShapeTest(parameterized.TestCase):
    @parameterized.parameters((9, 5), (17, 6), (33, 8))
    def test_published_sizes(self, field, expected):
        geometry = PatchGeometry(field, 8)
        grid = geometry.grid_shape(224, 224)
        self.assertEqual(window_shape(32, geometry, grid), (expected,) * 2)

    @parameterized.parameters(*_BAGNETS)
    def test_holds_all_cells_that_any_patch_reaches(self, field, stride):
        geometry = PatchGeometry(field, stride)
        image = field + 6 * stride + 1, field + 4 * stride
        grid = geometry.grid_shape(*image)
        for patch in ((1, 1), (stride, 3), (field, 2 * stride + 1)):
            window = window_shape(patch, geometry, grid)
            for top in range(image[0] - patch[0] + 1):
                for left in range(image[1] - patch[1] + 1):
                    cells = geometry.cells_touching(top, left, *patch, grid)
                    self.assertLessEqual(cells.bottom - cells.top, window[0])
                    self.assertLessEqual(cells.right - cells.left, window[1])

    @parameterized.parameters(*_BAGNETS)
    def test_every_window_is_reached(self, field, stride):
        # So that no window is tested in vain, and nothing is given away.
        geometry = PatchGeometry(field, stride)
        image = field + 7 * stride, field + 6 * stride + 1
        grid = geometry.grid_shape(*image)
        for patch in ((1, 1), (stride + 1, 3), (3, 2 * stride)):
            window = window_shape(patch, geometry, grid)
            reached = {
                tuple(geometry.cells_touching(top, left, *patch, grid))
                for top in range(image[0] - patch[0] + 1)
                for left in range(image[1] - patch[1] + 1)
            }
            for row in range(grid[0] - window[0] + 1):
                for col in range(grid[1] - window[1] + 1):
                    box = row, col, row + window[0], col + window[1]
                    self.assertIn(box, reached)

    def test_a_large_patch_reaches_all_cells(self):
        geometry = PatchGeometry(9, 8)
        self.assertEqual(window_shape((80, 8), geometry, (10, 12)), (10, 2))

    def test_patch_as_large_as_the_image(self):
        geometry = PatchGeometry(9, 8)
        # 25 to 32 pixels have 3 cells.
        self.assertEqual(window_shape(32, geometry, (3, 3)), (3, 3))
        with self.assertRaisesRegex(ValueError, "at most 32x40 pixels"):
            window_shape((32, 41), geometry, (3, 4))

    @parameterized.parameters(
        0, -3, 2.5, "8", None, ((3, 4, 5),), ((0, 4),), ((5,),)
    )
    def test_no_size(self, size):
        with self.assertRaisesRegex(ValueError, "patch_size must be"):
            window_shape(size, PatchGeometry(9, 8), (9, 9))


class SumsTest(parameterized.TestCase):
    @parameterized.parameters((1, 1), (2, 3), (5, 1), (5, 7))
    def test_box_sums(self, *window):
        values = np.random.default_rng(3).normal(size=(2, 5, 7, 4))
        sums = box_sums(values.astype(np.float32), window).numpy()
        for row, col in np.ndindex(*sums.shape[1:3]):
            box = values[:, row : row + window[0], col : col + window[1]]
            expected = box.sum(axis=(1, 2))
            np.testing.assert_allclose(sums[:, row, col], expected, atol=1e-5)
        # Of them, those that begin where the one before ends.
        some = side_by_side(values.astype(np.float32), window).numpy()
        every = sums[:, :: window[0], :: window[1]]
        np.testing.assert_allclose(some, every, atol=1e-5)

    @parameterized.product(
        window=((1, 1), (2, 3), (4, 2), (5, 7)), overlapping=(False, True)
    )
    def test_largest_outside(self, window, overlapping):
        maps = np.random.default_rng(4).normal(size=(3, 5, 7))
        found = largest_outside(np.float32(maps), window, overlapping).numpy()
        expected = self._largest_outside(maps, window, overlapping)
        np.testing.assert_allclose(found.reshape(3, -1), expected, atol=1e-5)

    def test_in_blocks(self):
        maps = np.float32(np.random.default_rng(5).normal(size=(5, 6, 7)))
        whole = largest_outside(maps, (2, 3)).numpy()
        for most in (1, 300, 700):
            with absltest.mock.patch.object(windows, "_MOST_VALUES", most):
                found = largest_outside(maps, (2, 3)).numpy()
            np.testing.assert_allclose(found, whole, atol=1e-6)

    def test_no_maps(self):
        found = largest_outside(np.zeros((0, 4, 5), np.float32), (2, 2))
        self.assertEqual(found.shape, (0, 3, 4))

    def _largest_outside(self, maps, window, overlapping):
        masks = list(windows_of(maps.shape[1:], window))
        return [
            [
                max(
                    one[second & ~first].sum()
                    for second in masks
                    if (first & second).any() or not overlapping
                )
                for first in masks
            ]
            for one in maps
        ]


if __name__ == "__main__":
    absltest.main()
