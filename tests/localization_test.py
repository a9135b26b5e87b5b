import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import PatchGeometry
from bagnet_tf.layout import map_extent
from bagnet_tf.localization import (
    centre_prior,
    mask_at_centres,
    spread_to_pixels,
    strongest_patch_hits,
)

_GEOMETRY = PatchGeometry(receptive_field=9, stride=8)
# On 24 x 24 pixels: 2 x 2 patches, centred at pixels 4 and 12.


def _mask(*pixels):
    mask = np.zeros((1, 24, 24), bool)
    for row, col in pixels:
        mask[0, row, col] = True
    return mask


class LocalizationTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("on_the_centre", (4, 12), True),
        ("one_pixel_above", (3, 12), False),
        ("one_pixel_left", (4, 11), False),
        ("centre_of_another_patch", (12, 4), False),
    )
    def test_hits_are_counted_at_the_centre(self, pixel, hit):
        evidence = np.array([[[0.0, 3.0], [1.0, -9.0]]])
        hits = strongest_patch_hits(evidence, _mask(pixel), _GEOMETRY)
        self.assertEqual(hits.tolist(), [hit])

    def test_mask_at_centres(self):
        inside = mask_at_centres(_mask((4, 12), (12, 4)), (2, 2), _GEOMETRY)
        self.assertEqual(inside.tolist(), [[[False, True], [True, False]]])

    def test_masks_of_another_size(self):
        masks = np.zeros((1, 40, 40), bool)
        with self.assertRaisesRegex(ValueError, "masks must have the size"):
            strongest_patch_hits(np.zeros((1, 2, 2)), masks, _GEOMETRY)

    def test_cells_cover_squares_about_their_centres(self):
        # Centres 4 and 12: pixels 0-7 and 8-15; none is centred on 16-23.
        evidence = np.array([[[1.0, 2.0], [3.0, 4.0]]])
        spread = spread_to_pixels(evidence, (24, 24), _GEOMETRY)
        expected = np.full((1, 24, 24), np.nan)
        expected[0, :8, :8], expected[0, :8, 8:16] = 1, 2
        expected[0, 8:16, :8], expected[0, 8:16, 8:16] = 3, 4
        np.testing.assert_array_equal(spread, expected)

    def test_rim_on_all_sides(self):
        # Receptive field 5, stride 2: cells on pixels 1-2, 3-4; centres 2, 4.
        geometry = PatchGeometry(receptive_field=5, stride=2)
        evidence = np.array([[[1.0, 2.0]]])
        spread = spread_to_pixels(evidence, (5, 8), geometry)
        row = [np.nan, 1, 1, 2, 2, np.nan, np.nan, np.nan]
        nothing = [np.nan] * 8
        np.testing.assert_array_equal(
            spread[0], [nothing, row, row, nothing, nothing]
        )

    @parameterized.parameters((9, 8), (17, 8), (33, 8), (5, 2), (7, 1), (9, 3))
    def test_squares_lie_where_pictures_draw_them(self, field, stride):
        geometry = PatchGeometry(field, stride)
        shape = (50, 71)
        grid = geometry.grid_shape(*shape)
        cells = np.arange(np.prod(grid), dtype=np.float64).reshape(1, *grid)
        spread = spread_to_pixels(cells, shape, geometry)[0]
        left, right, bottom, top = map_extent(geometry, grid)
        for row, col in np.ndindex(shape):
            # In the map's coordinates, where a cell has side 1.
            y = (row + 0.5 - top) / (bottom - top) * grid[0]
            x = (col + 0.5 - left) / (right - left) * grid[1]
            if 0 <= y < grid[0] and 0 <= x < grid[1]:
                cell = cells[0, int(y + 1e-9), int(x + 1e-9)]
                self.assertEqual(spread[row, col], cell)
            else:
                self.assertTrue(np.isnan(spread[row, col]))

    def test_grid_of_another_image(self):
        with self.assertRaisesRegex(ValueError, r"must be \(batch, 2, 2\)"):
            spread_to_pixels(np.zeros((1, 2, 3)), (24, 24), _GEOMETRY)

    def test_centre_prior(self):
        prior = centre_prior((5, 4))
        self.assertEqual(prior.shape, (5, 4))
        np.testing.assert_allclose(prior, prior[::-1, ::-1])
        self.assertTrue((np.diff(prior[:3], axis=0) > 0).all())
        # One deviation, a quarter of eight cells, from the middle.
        prior = centre_prior((1, 9))
        self.assertAlmostEqual(prior[0, 4], 1.0)
        self.assertAlmostEqual(prior[0, 1], np.exp(-0.5 * (3 / 2.25) ** 2))


if __name__ == "__main__":
    absltest.main()
