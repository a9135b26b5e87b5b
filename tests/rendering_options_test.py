"""Strip, contrast and dense maps of an explanation's picture."""

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.layout import Layout
from bagnet_tf.photo_maps import to_the_rim
from bagnet_tf.rendering import (
    DenseMaps,
    render_explanation,
)
from tests.rendering_helpers import (
    bounds,
    cut,
    explanation_of,
    names,
    noise,
    pixels_of,
)


def _words(figure):
    return [text.get_text() for text in figure.texts]


def _redness(pixels):
    return pixels[..., 0].astype(int) - pixels[..., 2]


class StripTest(parameterized.TestCase):
    def test_only_patches_that_speak_for_the_class_are_shown(self):
        maps = np.full((6, 6, 1), -1.0)
        maps[0, 0] = maps[3, 3] = 5
        explanation = explanation_of(maps, top_k=5)
        self.assertLen(explanation.top_patches(), 4)
        figure = render_explanation(noise(64, 64), explanation, names(1))
        self.assertLen(figure.axes[0].patches, 2)
        numbers = [word for word in _words(figure) if word[:2] in ("1:", "2:")]
        self.assertEqual(numbers, ["1: +5", "2: +5"])
        self.assertNotIn("3: −1", _words(figure))

    def test_no_patch_speaks_for_the_class(self):
        explanation = explanation_of(np.full((6, 6, 1), -1.0))
        figure = render_explanation(noise(64, 64), explanation, ["cat"])
        self.assertIn("no patch speaks for cat", _words(figure))
        self.assertEmpty(figure.axes[0].patches)


class ContrastTest(parameterized.TestCase):
    def _figure(self, contrast, labels=("cat", "dog", "cow")):
        rng = np.random.default_rng(0)
        self.maps = rng.normal(size=(6, 6, 3)).astype(np.float32)
        explanation = explanation_of(self.maps)
        return render_explanation(
            noise(64, 64), explanation, labels, contrast=contrast
        )

    def test_last_map_is_the_difference(self):
        figure = self._figure((2, 0))
        np.testing.assert_array_equal(
            figure.axes[4].images[0].get_array(),
            self.maps[..., 2] - self.maps[..., 0],
        )
        logits = self.maps.mean((0, 1))
        difference = f"{logits[2] - logits[0]:+.3g}".replace("-", "−")
        self.assertIn("cow − cat", _words(figure))
        self.assertIn(f"logits differ by {difference}", _words(figure))
        self.assertIn(
            "In the last map red speaks for cow, not cat.", _words(figure)
        )

    def test_long_names_are_both_shown(self):
        figure = self._figure((0, 1), ["a" * 30, "b" * 30, "cow"])
        self.assertRegex(" ".join(_words(figure)), "a{11}… − b+…")

    def test_a_class_that_was_not_explained(self):
        with self.assertRaisesRegex(ValueError, "class_b must .*class_b=7"):
            self._figure((0, 7))


class DenseTest(parameterized.TestCase):
    def _figure(self, stride, cell, shape=(64, 48)):
        image = np.full((*shape, 3), 255, np.uint8)
        explanation = explanation_of(np.zeros((6, 4, 1)))
        sides = [-(-side // stride) for side in shape]
        values = np.zeros((*sides, 1), np.float32)
        values[cell] = 1
        return render_explanation(
            image, explanation, names(1), dense=DenseMaps(values, stride)
        )

    @parameterized.named_parameters(
        ("every_pixel", 1, (10, 40)),
        ("stride_4", 4, (5, 2)),
        ("at_the_rim", 1, (0, 0)),
        ("last_of_stride_2", 2, (31, 23)),
    )
    def test_a_cell_is_drawn_about_its_pixel(self, stride, cell):
        pixels = pixels_of(self._figure(stride, cell))
        place = Layout((64, 48), 2, 0).panel(1)
        # The frame has a colour of its own, but no red.
        found = bounds(_redness(cut(pixels, place)) > 50)
        scale = (place.bottom - place.top) / 64
        middle = np.multiply(cell, stride) + 0.5
        expected = np.concatenate([middle - stride / 2, middle + stride / 2])
        # The last cells reach to the rim.
        expected = expected.clip(0, (64, 48, 64, 48))
        if stride == 2:
            expected[2:] = (64, 48)
        np.testing.assert_allclose(found, scale * expected, atol=1)

    def test_what_the_padding_does_is_not_on_the_colour_scale(self):
        explanation = explanation_of(np.full((6, 6, 2), 3))
        values = np.full((64, 64, 2), 100, np.float32)
        figure = render_explanation(
            noise(64, 64),
            explanation,
            names(2),
            contrast=(0, 1),
            dense=DenseMaps(values, 1),
        )
        for axes in figure.axes[1:4]:
            norm = axes.images[0].norm
            self.assertEqual((norm.vmin, norm.vmax), (-3, 3))

    @parameterized.parameters(1, 2, 4)
    def test_every_pixel_of_the_image_has_a_colour(self, stride):
        values = np.zeros([-(-side // stride) for side in (64, 47)])
        _, (left, right, bottom, top) = to_the_rim(values, stride)
        self.assertLessEqual(max(left, top), 0)
        self.assertGreaterEqual(right, 47)
        self.assertGreaterEqual(bottom, 64)

    def test_the_footer_says_that_the_mean_is_not_the_logit(self):
        for stride, words in ((1, "one patch per pixel"), (4, "every 4 px")):
            text = " ".join(_words(self._figure(stride, (0, 0))))
            self.assertIn(words, text)
            self.assertIn("mean is not the logit", text)
            self.assertIn("Within 8 px of the rim", text)
            self.assertIn("whole patches 8 pixels apart", text)
            self.assertNotIn("Hatched", text)

    def test_another_size_is_refused(self):
        explanation = explanation_of(np.zeros((6, 6, 2)))
        for shape in ((64, 64, 1), (63, 64, 2), (16, 16, 2)):
            dense = DenseMaps(np.zeros(shape), 1)
            with self.assertRaisesRegex(
                ValueError, r"dense must .*\(64, 64, 2"
            ):
                render_explanation(
                    noise(64, 64), explanation, names(2), dense=dense
                )


if __name__ == "__main__":
    absltest.main()
