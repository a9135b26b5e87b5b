"""Are regions of strong evidence found, and written as others read them?"""

import json

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.geometry import Box, PatchGeometry
from bagnet_tf.layout import dense_extent, map_extent
from bagnet_tf.photo_maps import map_on_photo
from bagnet_tf.photo_report import Photo
from bagnet_tf.preprocessing import CropTransform
from bagnet_tf.regions import (
    Region,
    find_regions,
    fit_threshold,
    region_table,
    to_coco,
)

_GEOMETRY = PatchGeometry(receptive_field=17, stride=8)
_EVIDENCE = np.array(
    [
        [5, 4, 0, 0, 2],
        [0, 6, 0, 9, 0],
        [-7, 0, 1, 0, 0],
    ],
    np.float32,
)


class FindRegionsTest(parameterized.TestCase):
    def test_cells_that_touch_by_their_sides_are_one_region(self):
        regions = find_regions(_EVIDENCE, _GEOMETRY, threshold=1.5)
        self.assertEqual([r.num_patches for r in regions], [3, 1, 1])
        self.assertEqual([r.peak_evidence for r in regions], [6, 9, 2])
        np.testing.assert_allclose(
            [r.contribution for r in regions], np.array([15, 9, 2]) / 15
        )

    def test_a_box_surrounds_the_middles_of_its_patches(self):
        first, second, _ = find_regions(_EVIDENCE, _GEOMETRY, threshold=1.5)
        # Centres at 8 + 8 * cell; 4 pixels before and 4 from there on.
        self.assertEqual(first.box, Box(4, 4, 20, 20))
        self.assertEqual(second.box, Box(12, 28, 20, 36))

    def test_the_threshold_itself_is_not_above_it(self):
        regions = find_regions(_EVIDENCE, _GEOMETRY, threshold=6)
        self.assertEqual([r.peak_evidence for r in regions], [9])

    @parameterized.parameters(0, 1, 2, 3)
    def test_all_cells_above_are_in_exactly_one_region(self, seed):
        evidence = np.random.default_rng(seed).normal(size=(12, 15))
        regions = find_regions(evidence, _GEOMETRY, threshold=0)
        self.assertEqual(
            sum(r.num_patches for r in regions), (evidence > 0).sum()
        )
        self.assertAlmostEqual(
            sum(r.contribution for r in regions),
            evidence.clip(0).sum() / evidence.size,
        )

    def test_nothing_above(self):
        self.assertEmpty(find_regions(_EVIDENCE, _GEOMETRY, threshold=10))

    def test_a_wrong_rank_is_refused(self):
        with self.assertRaisesRegex(ValueError, r"evidence must .*\(3, 5, 1\)"):
            find_regions(_EVIDENCE[..., None], _GEOMETRY, threshold=0)

    def test_nan_is_refused(self):
        with self.assertRaisesRegex(ValueError, "threshold must .*=nan"):
            find_regions(_EVIDENCE, _GEOMETRY, threshold=np.nan)


class FitThresholdTest(parameterized.TestCase):
    def test_that_part_of_the_patches_is_above(self):
        rng = np.random.default_rng(0)
        maps = [rng.normal(size=(20, 30)), rng.normal(size=(40, 10))]
        threshold = fit_threshold(maps, quantile=0.9)
        above = sum((values > threshold).sum() for values in maps)
        self.assertEqual(above, 100)

    @parameterized.parameters(-0.1, 1.1, np.nan)
    def test_a_wrong_quantile_is_refused(self, quantile):
        with self.assertRaisesRegex(ValueError, f"quantile={quantile}"):
            fit_threshold([_EVIDENCE], quantile)

    def test_no_map_is_refused(self):
        with self.assertRaisesRegex(ValueError, "maps must hold"):
            fit_threshold([])


def _photo(name, photo_shape=(64, 128), resized_shape=(32, 64), corner=(0, 16)):
    transform = CropTransform(photo_shape, resized_shape, *corner)
    return Photo(name, np.zeros((32, 32, 3), np.uint8), transform)


class TableTest(parameterized.TestCase):
    def test_boxes_are_in_pixels_of_the_photo(self):
        region = Region(Box(4, 8, 12, 24), 2, 5.0, 0.5)
        (entry,) = region_table(_photo("a"), {1: [region]}, ["cat", "dog"])
        self.assertEqual((entry["class_id"], entry["label"]), (1, "dog"))
        # Twice as large, after 16 columns of the resized photo.
        keys = ("left", "top", "width", "height")
        self.assertEqual([entry[key] for key in keys], [48, 8, 32, 16])

    @parameterized.named_parameters(
        ("narrow", Box(16, 16, 20, 20)), ("at_the_rim", Box(26, 26, 34, 34))
    )
    def test_a_box_has_a_pixel_even_in_a_tiny_photo(self, box):
        photo = _photo("a", (2, 2), (36, 36), (2, 2))
        regions = {0: [Region(box, 1, 5.0, 0.5)]}
        (entry,) = region_table(photo, regions, ["cat"])
        keys = ("left", "top", "width", "height")
        self.assertEqual([entry[key] for key in keys], [1, 1, 1, 1])

    def test_coco(self):
        photos = [_photo("a.jpg"), _photo("b.jpg"), _photo("c.jpg")]
        one, other = (
            Region(Box(4, 8, 12, 24), 2, 5.0, 0.5),
            Region(Box(0, 0, 8, 8), 1, 4.0, 0.25),
        )
        found = [{1: [one, other]}, {}, {0: [other]}]
        labels = ["cat", "dog", "bird"]
        tables = [
            region_table(photo, regions, labels)
            for photo, regions in zip(photos, found, strict=True)
        ]
        coco = json.loads(json.dumps(to_coco(photos, tables, labels)))
        self.assertEqual(
            coco["images"][2],
            {"id": 3, "file_name": "c.jpg", "width": 128, "height": 64},
        )
        self.assertEqual(coco["categories"][2], {"id": 2, "name": "bird"})
        first, *_, last = coco["annotations"]
        self.assertEqual(
            first,
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [48, 8, 32, 16],
                "area": 32 * 16,
                "iscrowd": 0,
                "score": 0.5,
            },
        )
        self.assertEqual((last["id"], last["image_id"]), (3, 3))
        self.assertEqual(last["category_id"], 0)


class MapOnPhotoTest(parameterized.TestCase):
    @parameterized.parameters((0, 0), (2, 4), (1, 3))
    def test_a_cell_lies_about_the_centre_of_its_patch(self, row, col):
        # The photo is the input, twice as large, with a frame of 6 and 10.
        transform = CropTransform((80, 120), (40, 60), 3, 5)
        evidence = np.zeros((3, 5), np.float32)
        evidence[row, col] = 1
        extent = map_extent(_GEOMETRY, evidence.shape)
        values = map_on_photo(evidence, extent, transform, (33, 49))
        self.assertEqual(values.shape, (80, 120))
        rows, cols = (values == 1).nonzero()
        middle = np.add(_GEOMETRY.centre(row, col), 0.5)
        centre = 2 * (middle + (3, 5))
        np.testing.assert_allclose((rows.mean(), cols.mean()), centre - 0.5)
        self.assertLen(rows, 16 * 16)

    def test_what_no_patch_is_centred_at_is_nan(self):
        transform = CropTransform((33, 49), (33, 49), 0, 0)
        extent = (4, 44, 28, 4)  # A geometry of 16 pixels, stride 8.
        values = map_on_photo(np.ones((3, 5)), extent, transform, (33, 49))
        expected = np.full((33, 49), np.nan)
        expected[4:28, 4:44] = 1
        np.testing.assert_array_equal(values, expected)

    def test_a_dense_map_ends_where_the_model_sees_no_more(self):
        transform = CropTransform((20, 30), (20, 30), 4, 5)
        extent = dense_extent(4, (3, 5))  # Reaches beyond the 10 x 18 pixels.
        values = map_on_photo(np.ones((3, 5)), extent, transform, (10, 18))
        expected = np.full((20, 30), np.nan)
        expected[4:14, 5:23] = 1
        np.testing.assert_array_equal(values, expected)

    @parameterized.parameters(1, 2, 4, 8)
    def test_a_dense_cell_lies_about_its_pixel(self, stride):
        left, right, bottom, top = dense_extent(stride, (6, 7))
        self.assertEqual((bottom - top, right - left), (6 * stride, 7 * stride))
        # The middle of the first cell is the middle of the first pixel.
        self.assertEqual((left + stride / 2, top + stride / 2), (0.5, 0.5))


if __name__ == "__main__":
    absltest.main()
