import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import PatchGeometry
from bagnet_tf.localization import mask_at_centres, strongest_patch_hits

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


if __name__ == "__main__":
    absltest.main()
