"""Is what a person would notice in rounded maps measured as it is defined?"""

import numpy as np
from absl.testing import absltest

from export.fidelity import (
    contrast_maps,
    decisions,
    map_correlations,
    patch_agreement,
)


def _maps(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


class ContrastMapsTest(absltest.TestCase):
    def test_best_class_minus_second_of_the_models_logits(self):
        maps = _maps(2, 3, 4, 5)
        logits = np.array([[0, 3, 1, 2, -1], [5, 1, 1, 7, 0]], np.float32)
        expected = [
            maps[0, ..., 1] - maps[0, ..., 3],
            maps[1, ..., 3] - maps[1, ..., 0],
        ]
        np.testing.assert_array_equal(contrast_maps(maps, logits), expected)

    def test_a_single_class_against_its_absence(self):
        maps = _maps(2, 3, 4, 1)
        found = contrast_maps(maps, maps.mean(axis=(1, 2)))
        np.testing.assert_array_equal(found, maps[..., 0])


class MapCorrelationsTest(absltest.TestCase):
    def test_equals_numpys(self):
        first, second = _maps(2, 3, 4, 5)
        found = map_correlations(first, second)
        for index in range(3):
            expected = np.corrcoef(first[index].flat, second[index].flat)[0, 1]
            self.assertAlmostEqual(found[index], expected, places=6)

    def test_offset_and_scale_do_not_count(self):
        maps = _maps(3, 4, 5)
        np.testing.assert_allclose(map_correlations(maps, 3 * maps + 7), 1)
        np.testing.assert_allclose(map_correlations(maps, -maps), -1)

    def test_constant_maps_have_none(self):
        found = map_correlations(np.ones((1, 4, 5)), _maps(1, 4, 5))
        self.assertTrue(np.isnan(found[0]))


class PatchAgreementTest(absltest.TestCase):
    def test_share_of_patches_with_the_same_best_class(self):
        wanted = np.zeros((1, 2, 2, 3), np.float32)
        wanted[..., 1] = 1
        maps = wanted.copy()
        maps[0, 0, 0, 2] = 2
        self.assertEqual(patch_agreement(maps, wanted, "softmax"), [0.75])

    def test_every_class_counts_of_a_sigmoid_head(self):
        wanted = np.full((1, 2, 2, 3), -1.0, np.float32)
        maps = wanted.copy()
        maps[0, 0, 0, 2] = 1
        maps[0, 1, 1, 0] = 1
        self.assertEqual(patch_agreement(maps, wanted, "sigmoid"), [0.5])

    def test_decisions(self):
        logits = np.array([[1.0, 3.0, -1.0]])
        self.assertEqual(decisions(logits, "softmax").tolist(), [[1]])
        self.assertEqual(
            decisions(logits, "sigmoid").tolist(), [[True, True, False]]
        )


if __name__ == "__main__":
    absltest.main()
