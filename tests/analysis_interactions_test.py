"""Effects of distant patches on a BagNet add up exactly, in theory and here."""

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.analysis import interactions
from tests.analysis_helpers import classifier_of, noise_source, request_of
from tests.small_models import TINY, compute, random_images, tiny_model

_FIELD = 5  # The receptive field of the tiny model.
# Sees everything: every output depends on every pixel.
_GLOBAL = bagnet_tf.Architecture(
    "global",
    (bagnet_tf.Stage((3, 3, 3, 3), channels=4, stride=2),),
    stem_channels=4,
    padding="same",
)


class InteractionsTest(parameterized.TestCase):
    @parameterized.parameters(4, 5, 6)
    def test_correlation_is_1_if_no_patch_sees_two_masked_ones(self, size):
        self.assertEqual(TINY.geometry.receptive_field, _FIELD)
        (score,) = self._scores(tiny_model(), [size])
        self.assertTrue(score["must_be_1"])
        self.assertAlmostEqual(score["correlation"], 1, delta=1e-6)
        self.assertLess(score["relative_difference"], 1e-4)

    @parameterized.parameters(1, 2, 3)
    def test_not_additive_if_patches_see_two_masked_ones(self, size):
        (score,) = self._scores(tiny_model(), [size])
        self.assertFalse(score["must_be_1"])
        self.assertGreater(score["relative_difference"], 1e-2)

    def test_not_additive_for_a_network_that_sees_far(self):
        model = bagnet_tf.BagNet(_GLOBAL, classes=4)
        (score,) = self._scores(model, [6])
        self.assertFalse(score["must_be_1"])
        self.assertGreater(score["relative_difference"], 1e-3)

    def test_effects_equal_those_of_masking_one_by_one(self):
        model = tiny_model()
        image = random_images(13, 17)[0]
        found = interactions.image_effects(classifier_of(model), image, [3])
        before = compute(model, image[None])[0]
        leading = before.argmax()
        colour = image.mean(axis=(0, 1))
        together, single = image.copy(), 0.0
        for row in range(13):  # Pixel by pixel, by another rule.
            for col in range(17):
                if row // 3 % 2 == col // 3 % 2 == 0 and row < 12 and col < 15:
                    together[row, col] = colour
        for top in (0, 6):
            for left in (0, 6, 12):
                masked = image.copy()
                masked[top : top + 3, left : left + 3] = colour
                after = compute(model, masked[None])[0]
                single += float(before[leading] - after[leading])
        joint = before[leading] - compute(model, together[None])[0][leading]
        np.testing.assert_allclose(found["joint"], [joint], atol=1e-5)
        np.testing.assert_allclose(found["single"], [single], atol=1e-5)

    def test_masks_a_quarter_of_the_image(self):
        squares = interactions.masked_squares((32, 48), 4)
        self.assertLen(squares, 4 * 6)
        self.assertEqual(squares[:2], [(0, 0), (0, 8)])
        self.assertEqual(squares[-1], (24, 40))

    def _scores(self, model, sizes):
        request = request_of(
            self,
            [classifier_of(model)],
            noise_source(8),
            "interactions",
            patch_sizes=sizes,
        )
        summary = interactions.run(request).summary
        return summary["measured"][model.name]


if __name__ == "__main__":
    absltest.main()
