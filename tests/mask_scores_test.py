import itertools

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import mask_scores

_NAN = np.nan
_SCORES = (
    mask_scores.pointing_game,
    mask_scores.energy_pointing_game,
    mask_scores.relevance_mass_accuracy,
    mask_scores.relevance_rank_accuracy,
    mask_scores.pixel_auroc,
    mask_scores.pixel_average_precision,
)
_EACH = tuple((score.__name__, score) for score in _SCORES)


def _score(score, heatmap, mask, **kwargs):
    """The score of one image, given as nested lists."""
    maps = np.array([heatmap], np.float64)
    masks = np.array([mask], bool)
    return score(maps, masks, **kwargs)[0]


def _random_examples(count=40, ties=True):
    rng = np.random.default_rng(7)
    maps = rng.normal(size=(count, 5, 6))
    if ties:
        maps = rng.integers(-3, 4, maps.shape).astype(np.float64)
    maps[rng.random(maps.shape) < 0.2] = _NAN
    return maps, rng.random(maps.shape) < 0.4


class EveryScoreTest(parameterized.TestCase):
    @parameterized.named_parameters(*_EACH)
    def test_empty_or_full_masks(self, score):
        heatmap = [[3, 2], [1, _NAN]]
        for mask in ([[0, 0], [0, 0]], [[0, 0], [0, 1]], [[1, 1], [1, 0]]):
            self.assertTrue(np.isnan(_score(score, heatmap, mask)))

    @parameterized.named_parameters(*_EACH)
    def test_nan_pixels_are_as_if_the_image_ended_there(self, score):
        maps, masks = np.zeros((2, 3, 4)), np.zeros((2, 3, 4), bool)
        maps[:] = [[5, 1, 4, 9], [2, 5, 3, 9], [9, 9, 9, 9]]
        masks[:] = [[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]]
        whole = score(maps[:, :2, :3].copy(), masks[:, :2, :3])
        maps[:, 2], maps[:, :, 3] = _NAN, _NAN
        np.testing.assert_array_equal(score(maps, masks), whole)
        self.assertTrue(np.isfinite(whole).all())

    @parameterized.named_parameters(*_EACH)
    def test_images_do_not_mix(self, score):
        maps, masks = _random_examples()
        alone = [
            score(maps[i : i + 1], masks[i : i + 1])[0]
            for i in range(len(maps))
        ]
        np.testing.assert_array_equal(score(maps, masks), alone)

    @parameterized.named_parameters(*_EACH)
    def test_wrong_arguments(self, score):
        maps, masks = np.zeros((1, 2, 3)), np.zeros((1, 2, 3), bool)
        for wrong in (masks[:, :1], masks.astype(int), masks[0]):
            with self.assertRaisesRegex(ValueError, "maps and masks must both"):
                score(maps, wrong)

    @parameterized.named_parameters(
        ("pointing_game", mask_scores.pointing_game, 2 / 6),
        ("mass", mask_scores.relevance_mass_accuracy, 2 / 6),
        ("rank", mask_scores.relevance_rank_accuracy, 2 / 6),
        ("auroc", mask_scores.pixel_auroc, 0.5),
        ("average_precision", mask_scores.pixel_average_precision, 2 / 6),
        # The box of the two pixels has four.
        ("energy", mask_scores.energy_pointing_game, 4 / 6),
    )
    def test_same_everywhere_is_chance(self, score, chance):
        mask = [[1, 0, 0], [0, 1, 0]]
        kwargs = {"tolerance": 0} if score.__name__ == "pointing_game" else {}
        heatmap = np.full((2, 3), 0.7)
        self.assertAlmostEqual(_score(score, heatmap, mask, **kwargs), chance)


class PointingGameTest(parameterized.TestCase):
    @parameterized.named_parameters(
        # The mask is pixel (0, 0); the maximum is 3 down and 4 right.
        ("in_reach", 5, 1.0),
        ("out_of_reach", 4, 0.0),
        ("far_in_reach", 15, 1.0),
        ("none", 0, 0.0),
    )
    def test_tolerance_is_a_euclidean_distance(self, tolerance, expected):
        heatmap, mask = np.zeros((6, 7)), np.zeros((6, 7))
        heatmap[3, 4], mask[0, 0] = 1, 1
        for flip in (np.s_[:, :], np.s_[::-1, :], np.s_[:, ::-1]):
            score = _score(
                mask_scores.pointing_game,
                heatmap[flip],
                mask[flip],
                tolerance=tolerance,
            )
            self.assertEqual(score, expected)

    def test_the_default_is_that_of_the_paper(self):
        heatmap, mask = np.zeros((1, 20)), np.zeros((1, 20))
        heatmap[0, 0], mask[0, 15] = 1, 1
        self.assertEqual(_score(mask_scores.pointing_game, heatmap, mask), 1)
        self.assertEqual(
            _score(mask_scores.pointing_game, heatmap[:, ::-1], mask), 1
        )
        mask = np.roll(mask, 1)
        self.assertEqual(_score(mask_scores.pointing_game, heatmap, mask), 0)

    def test_a_mask_in_the_rim_is_not_close(self):
        heatmap, mask = [[9, _NAN, 1, 2]], [[0, 1, 0, 1]]
        score = _score(mask_scores.pointing_game, heatmap, mask, tolerance=1)
        self.assertEqual(score, 0)

    def test_equal_maxima_count_by_their_share(self):
        # Three maxima, of which one lies in the mask.
        heatmap, mask = [[2, 2], [1, 2]], [[1, 0], [1, 0]]
        score = _score(mask_scores.pointing_game, heatmap, mask, tolerance=0)
        self.assertAlmostEqual(score, 1 / 3)

    def test_the_sign_matters(self):
        heatmap, mask = [[-9, -1], [-2, -3]], [[1, 0], [0, 0]]
        score = _score(mask_scores.pointing_game, heatmap, mask, tolerance=0)
        self.assertEqual(score, 0)

    @parameterized.parameters(-1, 1.5)
    def test_wrong_tolerance(self, tolerance):
        with self.assertRaisesRegex(ValueError, "tolerance must be a whole"):
            _score(
                mask_scores.pointing_game,
                [[1, 2]],
                [[1, 0]],
                tolerance=tolerance,
            )


class MassTest(parameterized.TestCase):
    def test_hand_worked(self):
        # Positive: 4 + 1 + 3 = 8, of which 4 + 1 in the mask.
        heatmap, mask = [[4, 3], [1, -6]], [[1, 0], [1, 1]]
        self.assertEqual(
            _score(mask_scores.relevance_mass_accuracy, heatmap, mask), 5 / 8
        )

    def test_energy_is_counted_in_the_box(self):
        # Mask at (0, 1) and (1, 0): the box is rows 0-1 and columns 0-1.
        heatmap = [[1, 2, 8], [3, 4, 0], [-5, 6, 0]]
        mask = [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
        score = _score(mask_scores.energy_pointing_game, heatmap, mask)
        self.assertEqual(score, 10 / 24)
        mass = _score(mask_scores.relevance_mass_accuracy, heatmap, mask)
        self.assertEqual(mass, 5 / 24)

    @parameterized.named_parameters(*_EACH[1:3])
    def test_nothing_positive(self, score):
        heatmap, mask = [[0, -1, -2]], [[1, 0, 0]]
        self.assertTrue(np.isnan(_score(score, heatmap, mask)))


class RankTest(absltest.TestCase):
    def test_hand_worked(self):
        # K = 3: the values 9, 8, 7, of which 9 and 7 are in the mask.
        heatmap, mask = [[9, 8, 7], [6, 5, 4]], [[1, 0, 1], [0, 0, 1]]
        score = _score(mask_scores.relevance_rank_accuracy, heatmap, mask)
        self.assertAlmostEqual(score, 2 / 3)

    def test_ties_equal_the_mean_over_all_orders(self):
        values = [5, 3, 3, 3, 1]
        mask = [0, 1, 1, 0, 0]
        found = []
        for order in itertools.permutations(range(5)):
            ranked = sorted(order, key=lambda pixel: -values[pixel])
            # Stable: equal values stay in the permuted order.
            found.append(sum(mask[pixel] for pixel in ranked[:2]) / 2)
        score = _score(mask_scores.relevance_rank_accuracy, [values], [mask])
        self.assertAlmostEqual(score, np.mean(found))
        self.assertAlmostEqual(score, 1 / 3)


class CurveScoresTest(parameterized.TestCase):
    def test_auroc_hand_worked(self):
        # Pairs (in, out): 4>3, 4>2, 2<3, 2=2: 1 + 1 + 0 + 1/2 of 4.
        heatmap, mask = [[4, 3], [2, 2]], [[1, 0], [1, 0]]
        score = _score(mask_scores.pixel_auroc, heatmap, mask)
        self.assertAlmostEqual(score, 2.5 / 4)

    def test_average_precision_hand_worked(self):
        # 9 in: 1/1. 7 twice, one in: 2/3. 5 out. 4 in: 3/5. Each adds 1/3.
        heatmap, mask = [[9, 7, 7, 5, 4]], [[1, 1, 0, 0, 1]]
        score = _score(mask_scores.pixel_average_precision, heatmap, mask)
        self.assertAlmostEqual(score, (1 + 2 / 3 + 3 / 5) / 3)

    @parameterized.named_parameters(("ties", True), ("no_ties", False))
    def test_auroc_equals_all_pairs(self, ties):
        maps, masks = _random_examples(ties=ties)
        expected = []
        for heatmap, mask in zip(maps, masks, strict=True):
            known = ~np.isnan(heatmap)
            pairs = [
                0.5 if a == b else float(a > b)
                for a in heatmap[known & mask]
                for b in heatmap[known & ~mask]
            ]
            expected.append(np.mean(pairs))
        np.testing.assert_allclose(
            mask_scores.pixel_auroc(maps, masks), expected, rtol=1e-12
        )

    @parameterized.named_parameters(("ties", True), ("no_ties", False))
    def test_average_precision_equals_all_thresholds(self, ties):
        maps, masks = _random_examples(ties=ties)
        expected = []
        for heatmap, mask in zip(maps, masks, strict=True):
            known = ~np.isnan(heatmap)
            values, inside = heatmap[known], mask[known]
            total, recall_before = 0.0, 0.0
            for threshold in sorted(set(values), reverse=True):
                passed = values >= threshold
                recall = inside[passed].sum() / inside.sum()
                total += (recall - recall_before) * inside[passed].mean()
                recall_before = recall
            expected.append(total)
        np.testing.assert_allclose(
            mask_scores.pixel_average_precision(maps, masks),
            expected,
            rtol=1e-12,
        )


if __name__ == "__main__":
    absltest.main()
