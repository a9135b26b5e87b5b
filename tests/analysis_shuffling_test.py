"""Shuffled tiles: what moves, which patches are cut, what a BagNet says."""

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.analysis import shuffling, texturised
from tests.analysis_helpers import classifier_of, noise_source, request_of
from tests.small_models import compute, random_images, tiny_model

# Its receptive field, 3 pixels, does not exceed its stride, 4.
_SPARSE = bagnet_tf.Architecture(
    "sparse", (bagnet_tf.Stage((1,), channels=4, stride=4),), stem_channels=4
)


def _rng():
    return np.random.default_rng(1)


class ShufflingTest(parameterized.TestCase):
    def test_tiles_move_as_a_whole(self):
        image = np.arange(14 * 18 * 3).reshape(14, 18, 3)
        shuffled = shuffling.shuffled_tiles(image, 4, _rng())
        before = [
            image[r : r + 4, c : c + 4].tobytes()
            for r in range(0, 12, 4)
            for c in range(0, 16, 4)
        ]
        after = [
            shuffled[r : r + 4, c : c + 4].tobytes()
            for r in range(0, 12, 4)
            for c in range(0, 16, 4)
        ]
        self.assertCountEqual(before, after)
        self.assertNotEqual(before, after)
        np.testing.assert_array_equal(shuffled[12:], image[12:])
        np.testing.assert_array_equal(shuffled[:, 16:], image[:, 16:])

    def test_one_tile_is_too_few(self):
        with self.assertRaisesRegex(ValueError, "tile_sizes.*tile_size=8"):
            shuffling.shuffled_tiles(np.zeros((15, 8, 3)), 8, _rng())

    @parameterized.parameters(4, 8, 12)
    def test_without_cut_patches_nothing_changes(self, tile):
        model = bagnet_tf.BagNet(_SPARSE, classes=4)
        geometry = bagnet_tf.geometry_of(model)
        self.assertLessEqual(geometry.receptive_field, geometry.stride)
        self.assertFalse(shuffling.cut_cells(geometry, (24, 36), tile).any())
        image = random_images(24, 36)[0]
        shuffled = shuffling.shuffled_tiles(image, tile, _rng())
        self.assertGreater(np.abs(shuffled - image).max(), 1)
        logits = compute(model, np.stack([image, shuffled]))
        np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)

    @parameterized.parameters(6, 8, 10)
    def test_patches_that_are_not_cut_add_the_same(self, tile):
        model = tiny_model()  # Receptive field 5, stride 2.
        geometry = bagnet_tf.geometry_of(model)
        image = random_images(31, 40)[0]
        shuffled = shuffling.shuffled_tiles(image, tile, _rng())
        network = bagnet_tf.patch_logits_model(model)
        before, after = compute(network, np.stack([image, shuffled]))[
            "patch_logits"
        ]
        cut = shuffling.cut_cells(geometry, (31, 40), tile)
        np.testing.assert_allclose(
            before[~cut].sum(axis=0), after[~cut].sum(axis=0), atol=1e-4
        )
        self.assertGreater(
            np.abs(before[cut].sum(axis=0) - after[cut].sum(axis=0)).max(), 1e-2
        )

    def test_cut_patches_counted_by_hand(self):
        geometry = bagnet_tf.PatchGeometry(receptive_field=3, stride=2)
        # Starts 0, 2, 4, 6 of a side of 9; tiles end at 4 and 8.
        whole = np.array([True, False, True, False])
        expected = ~np.outer(whole, whole)
        found = shuffling.cut_cells(geometry, (9, 9), 4)
        np.testing.assert_array_equal(found, expected)

    def test_what_is_left_beside_tiles_is_no_tile(self):
        geometry = bagnet_tf.PatchGeometry(receptive_field=3, stride=2)
        # Two tiles, one above the other; columns 4 to 6 and row 8 are left.
        cut = shuffling.cut_cells(geometry, (9, 7), 4)
        expected = [[0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 1, 0]]
        np.testing.assert_array_equal(cut, np.array(expected, bool))

    def test_intact_rows_and_cut_patches_in_the_table(self):
        sparse = classifier_of(bagnet_tf.BagNet(_SPARSE, classes=4))
        other = classifier_of(tiny_model())
        request = request_of(
            self,
            [sparse, other],
            noise_source(6),
            "texturised",
            tile_sizes=[4, 8],
        )
        rows = texturised.run(request).rows
        by_name = {(row["model"], row["images"]): row for row in rows}
        self.assertLen(by_name, 6)
        for tile in (4, 8):
            row = by_name["sparse", f"tiles of {tile}"]
            self.assertEqual(row["cut_patches"], 0)
            self.assertEqual(row["same_decision"], 1)
            self.assertLess(row["rms_change"], 1e-5)
            row = by_name["tiny", f"tiles of {tile}"]
            self.assertGreater(row["cut_patches"], 0)
            self.assertGreater(row["rms_change"], 1e-3)
        logits = compute(other.model, request.source._arrays["image"])
        labels = request.source._arrays["label"]
        right = np.mean(logits.argmax(axis=-1) == labels)
        self.assertAlmostEqual(by_name["tiny", "intact"]["accuracy"], right)

    def test_layers_without_a_network(self):
        request = request_of(
            self,
            [classifier_of(tiny_model())],
            noise_source(2),
            "texturised",
            tile_sizes=[4],
            feature_layers=["conv"],
        )
        with self.assertRaisesRegex(ValueError, "needs feature_network"):
            texturised.run(request)


if __name__ == "__main__":
    absltest.main()
