"""Pictures show every number at the right place, and nothing is cut off."""

import itertools

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.layout import Layout, map_extent
from bagnet_tf.rendering import colour_limit, render_explanation
from tests.rendering_helpers import (
    GEOMETRY,
    bounds,
    cut,
    explanation_of,
    names,
    noise,
    one_hot,
    pixels_of,
)


class PlaceTest(parameterized.TestCase):
    @parameterized.parameters(9, 17, 33)
    def test_cells_are_drawn_about_the_middle_of_their_patches(self, field):
        geometry = PatchGeometry(field, stride=8)
        left, right, bottom, top = map_extent(geometry, (5, 7))
        for row, col in itertools.product(range(5), range(7)):
            box = geometry.box(row, col)
            self.assertEqual(
                top + (row + 0.5) * (bottom - top) / 5,
                (box.top + box.bottom) / 2,
            )
            self.assertEqual(
                left + (col + 0.5) * (right - left) / 7,
                (box.left + box.right) / 2,
            )

    @parameterized.named_parameters(
        ("corner", (64, 64), (0, 0)),
        ("inside", (64, 64), (4, 1)),
        ("not_square", (48, 80), (1, 6)),
        ("with_unseen_margin", (71, 71), (6, 6)),
    )
    def test_a_hot_cell_is_drawn_in_the_middle_of_its_patch(self, shape, cell):
        image = np.full((*shape, 3), 255, np.uint8)
        grid_shape = GEOMETRY.grid_shape(*shape)
        explanation = explanation_of(one_hot(grid_shape, cell))
        pixels = pixels_of(render_explanation(image, explanation, names(1)))
        place = Layout(shape, num_panels=2, num_tiles=1).panel(1)
        panel = cut(pixels, place).astype(int)
        # Dark red, as the end of the colour scale; else white or grey.
        drawn = bounds(panel[..., 0] - panel[..., 2] > 50)
        scale = (place.bottom - place.top) / shape[0]
        middle = np.add(GEOMETRY.centre(*cell), 0.5)
        expected = scale * np.concatenate([middle - 4, middle + 4])
        np.testing.assert_allclose(drawn, expected, atol=1)

    @parameterized.named_parameters(("photo", 0), ("map", 1))
    def test_a_pixel_of_the_photo_is_drawn_at_its_place(self, panel):
        image = np.full((64, 64, 3), 255, np.uint8)
        image[50, 20] = 0
        # The one box, of the strongest patch, lies elsewhere.
        maps = one_hot(GEOMETRY.grid_shape(64, 64), (0, 5))
        explanation = explanation_of(maps, top_k=1)
        pixels = pixels_of(render_explanation(image, explanation, names(1)))
        place = Layout((64, 64), num_panels=2, num_tiles=1).panel(panel)
        # Short of the hatched rim.
        part = cut(pixels, place)[35 * 7 : 52 * 7, 10 * 7 : 40 * 7].max(-1)
        drawn = bounds(part < 200)
        np.testing.assert_allclose(
            drawn, (15 * 7, 10 * 7, 16 * 7, 11 * 7), atol=1
        )

    def test_boxes_surround_the_top_patches(self):
        image = noise(64, 64)
        maps = one_hot(GEOMETRY.grid_shape(64, 64), (2, 3))
        explanation = explanation_of(maps, top_k=1)
        figure = render_explanation(image, explanation, names(1))
        (box,) = figure.axes[0].patches
        corners = box.get_xy()
        np.testing.assert_array_equal(corners.min(0), (24, 16))
        np.testing.assert_array_equal(corners.max(0), (24 + 17, 16 + 17))

    @parameterized.product(
        shape=[(64, 64), (96, 160), (224, 224), (300, 280), (1000, 700)],
        num_panels=[2, 4, 7],
        num_tiles=[1, 8, 40],
    )
    def test_places_lie_apart_and_inside(self, shape, num_panels, num_tiles):
        layout = Layout(shape, num_panels, num_tiles)
        places = [layout.panel(i) for i in range(num_panels)]
        places += [layout.tile(i) for i in range(num_tiles)]
        places.append(layout.colour_bar)
        taken = np.zeros((layout.height, layout.width), int)
        for top, left, bottom, right in places:
            self.assertGreaterEqual(min(top, left), 0)
            self.assertLess(bottom, layout.footer_top)
            self.assertLess(right, layout.width)
            taken[top:bottom, left:right] += 1
        self.assertEqual(taken.max(), 1)

    @parameterized.parameters(64, 96, 160, 224, 288, 448)
    def test_each_pixel_of_the_image_becomes_whole_pixels(self, size):
        height, width = Layout((size, size), 4, 5).panel_shape
        self.assertEqual((height % size, width % size), (0, 0))


class ScaleTest(absltest.TestCase):
    def test_the_limit_is_the_99th_percentile_of_magnitudes(self):
        maps = np.arange(-100, 101).reshape(3, 67, 1)
        self.assertEqual(colour_limit(maps), np.sort(np.abs(maps).ravel())[198])

    def test_a_single_hot_cell_still_gets_a_scale(self):
        self.assertEqual(colour_limit(-3 * one_hot((20, 20), (3, 4))), 3)

    def test_maps_of_zeros_get_a_scale(self):
        self.assertEqual(colour_limit(np.zeros((4, 4, 2))), 1)

    def test_all_maps_and_the_colour_bar_share_one_symmetric_scale(self):
        maps = np.random.default_rng(1).normal(size=(6, 6, 3)) * (1, 5, 0.1)
        figure = render_explanation(
            noise(64, 64), explanation_of(maps), names(3)
        )
        limit = colour_limit(maps.astype(np.float32))
        norms = [axes.images[0].norm for axes in figure.axes[1:4]]
        limits = [(norm.vmin, norm.vmax) for norm in norms]
        self.assertEqual(limits, [(-limit, limit)] * 3)
        ticks = figure.axes[4].get_ylim()
        np.testing.assert_allclose(ticks, (-limit, limit))
        self.assertEqual(
            figure.axes[4].get_ylabel(),
            "class-centred evidence (logits per patch)",
        )

    def test_each_class_has_its_own_map(self):
        maps = np.random.default_rng(2).normal(size=(6, 6, 3))
        explanation = explanation_of(maps)
        figure = render_explanation(noise(64, 64), explanation, names(3))
        for index, axes in enumerate(figure.axes[1:4]):
            np.testing.assert_array_equal(
                axes.images[0].get_array(), maps[..., index].astype(np.float32)
            )

    def test_red_speaks_for_and_blue_against(self):
        maps = np.zeros((6, 6, 1))
        maps[0, 0], maps[5, 5] = 2, -2
        image = np.full((64, 64, 3), 255, np.uint8)
        pixels = pixels_of(
            render_explanation(image, explanation_of(maps), names(1))
        )
        place = Layout((64, 64), num_panels=2, num_tiles=5).panel(1)
        panel = cut(pixels, place).astype(int)
        speaks_for, against = panel[8 * 7, 8 * 7], panel[48 * 7, 48 * 7]
        self.assertGreater(speaks_for[0], speaks_for[2] + 50)
        self.assertGreater(against[2], against[0] + 50)


class TextTest(parameterized.TestCase):
    def _figure(self, labels, scale=1.0, top_k=5, shape=(64, 64)):
        rng = np.random.default_rng(0)
        grid_shape = GEOMETRY.grid_shape(*shape)
        maps = rng.normal(size=(*grid_shape, len(labels))) * scale
        explanation = explanation_of(maps, top_k=top_k)
        image = noise(*shape)
        return render_explanation(image, explanation, labels, source="cat.jpg")

    @parameterized.named_parameters(
        ("short", names(3), 1, 5),
        ("long_labels", ["W" * 200, "a rather long name " * 9], 1, 8),
        ("two_classes", ["yes", "no"], 1, 1),
        ("small_numbers", names(3), 1e-5, 5),
        ("large_numbers", names(5), 1e5, 20),
        ("mathematics", ["$x_1", r"\frac$ $1"], 1, 3),
    )
    def test_no_text_is_cut_off_or_overlaps(self, labels, scale, top_k):
        figure = self._figure(labels, scale, top_k, shape=(96, 96))
        renderer = figure.canvas.get_renderer()
        bar = figure.axes[1 + len(labels)]
        box = bar.get_tightbbox(renderer)
        boxes = [text.get_window_extent(renderer) for text in figure.texts]
        for extent in (*boxes, box):
            self.assertGreaterEqual(min(extent.x0, extent.y0), 0)
            self.assertLessEqual(extent.x1, figure.bbox.width)
            self.assertLessEqual(extent.y1, figure.bbox.height)
        boxes += [axes.bbox for axes in figure.axes]
        for one, other in itertools.combinations(boxes, 2):
            overlap = one.padded(-2).overlaps(other.padded(-2))
            self.assertFalse(overlap, (one, other))

    def test_title_names_prediction_probability_and_source(self):
        maps = np.zeros((6, 6, 2))
        maps[..., 1] = 3
        figure = render_explanation(
            noise(64, 64),
            explanation_of(maps),
            ["cat", "dog"],
            source="a.jpg",
        )
        title, subtitle = (text.get_text() for text in figure.texts[:2])
        self.assertEqual(title, "prediction: dog")
        self.assertEqual(subtitle, "p = 0.953 · a.jpg")

    def test_patches_are_shown_as_they_are_with_evidence_and_share(self):
        maps = np.full((6, 6, 1), -0.25)
        maps[1, 2], maps[5, 0] = 16, 4
        image = noise(64, 64)
        explanation = explanation_of(maps, top_k=2)
        figure = render_explanation(image, explanation, names(1))
        first, second = (axes.images[0] for axes in figure.axes[3:])
        np.testing.assert_array_equal(first.get_array(), image[8:25, 16:33])
        np.testing.assert_array_equal(second.get_array(), image[40:57, 0:17])
        words = [text.get_text() for text in figure.texts]
        # All evidence: 16 + 4 - 34 / 4 = 11.5.
        for expected in ("1: +16", "139 %", "2: +4", "34.8 %"):
            self.assertIn(expected, words)

    def test_the_footer_says_how_well_the_map_adds_up(self):
        explanation = explanation_of(np.ones((6, 6, 2)))
        explanation.class_evidence[..., 0] += 0.02
        figure = render_explanation(noise(64, 64), explanation, names(2))
        self.assertIn("within 2e-02 of", figure.texts[-1].get_text())


class ErrorTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("other_size", np.zeros((80, 80, 3), np.uint8)),
        ("float", np.zeros((64, 64, 3), np.float32)),
        ("grey", np.zeros((64, 64), np.uint8)),
    )
    def test_a_wrong_image_is_refused(self, image):
        explanation = explanation_of(np.ones((6, 6, 2)))
        with self.assertRaisesRegex(ValueError, r"image must .* Received: im"):
            render_explanation(image, explanation, names(2))


if __name__ == "__main__":
    absltest.main()
