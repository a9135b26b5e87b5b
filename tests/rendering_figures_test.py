"""Charts have every number, galleries every pixel."""

import io

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.colours import colour_limit
from bagnet_tf.figures import Chart, Gallery, Panel, Series, Tile
from bagnet_tf.layout import GalleryLayout
from bagnet_tf.rendering import render_figure


def _pixels(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return np.asarray(Image.open(stream).convert("RGB"))


def _panel(*series, **changes):
    return Panel("title", "x", "y", series, **changes)


class ChartTest(parameterized.TestCase):
    def _axes(self, *series, **changes):
        chart = Chart("heading", [_panel(*series, **changes)], note="note")
        figure = render_figure(chart)
        figure.draw_without_rendering()
        return figure.axes[0]

    def test_lines_and_points(self):
        axes = self._axes(
            Series([1, 2, 4], [3, None, 5], "a"),
            Series([1, None], [2, 6], kind="points", names=["one", "two"]),
        )
        line, points = axes.lines
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 4])
        np.testing.assert_array_equal(line.get_ydata(), [3, np.nan, 5])
        np.testing.assert_array_equal(points.get_xdata(), [1, np.nan])
        self.assertEqual(points.get_linestyle(), "None")
        self.assertEqual([text.get_text() for text in axes.texts], ["one"])
        self.assertEqual(axes.get_legend().get_texts()[0].get_text(), "a")

    def test_error_bars_end_where_they_should(self):
        axes = self._axes(Series([1, 2], [3, 4], low=[2.5, 3], high=[4, 4.5]))
        (bars,) = axes.collections
        ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
        np.testing.assert_allclose(ends, [[2.5, 4], [3, 4.5]])

    def test_bars_side_by_side(self):
        axes = self._axes(
            Series(["a", "b"], [1, 2], kind="bars"),
            Series(["a", "b"], [3, 4], kind="bars", low=[2, 3], high=[4, 5]),
        )
        heights = [patch.get_height() for patch in axes.patches]
        self.assertEqual(heights, [1, 2, 3, 4])
        lefts = sorted(patch.get_x() for patch in axes.patches)
        self.assertEqual(len(set(lefts)), 4)
        names = [text.get_text() for text in axes.get_xticklabels()]
        self.assertEqual(names, ["a", "b"])

    def test_steps_and_levels(self):
        axes = self._axes(
            Series([0, 1, 2], [5, 6], kind="steps"),
            Series([], [0.3], kind="level"),
            log_y=True,
        )
        (steps,) = axes.patches
        np.testing.assert_array_equal(steps.get_data().values, [5, 6])
        self.assertEqual(list(axes.lines[0].get_ydata()), [0.3, 0.3])
        self.assertEqual(axes.get_yscale(), "log")

    def test_a_diagonal_does_not_change_what_is_shown(self):
        points = Series([50, 60], [70, 90], kind="points")
        alone = self._axes(points)
        both = self._axes(points, Series([], [], kind="diagonal"))
        self.assertEqual(alone.get_xlim(), both.get_xlim())
        self.assertEqual(alone.get_ylim(), both.get_ylim())

    def test_percent_and_limits(self):
        axes = self._axes(
            Series([1], [0.5]), percent="y", y_limits=(0, 1), x_ticks=[1]
        )
        labels = [text.get_text() for text in axes.get_yticklabels()]
        self.assertIn("100%", labels)
        self.assertEqual(axes.get_ylim(), (0, 1))

    def test_nothing_to_draw(self):
        with self.assertRaisesRegex(ValueError, "a panel"):
            render_figure(Chart("heading", []))
        with self.assertRaisesRegex(ValueError, "an image"):
            render_figure(Gallery("heading", [("row", [])]))


class GalleryTest(parameterized.TestCase):
    def test_images_are_enlarged_exactly(self):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (3, 10, 12, 3), np.uint8)
        tiles = [Tile(image, "title", "more") for image in images]
        gallery = Gallery(
            "heading", [("", tiles[:2]), ("row", tiles[2:])], tile_size=48
        )
        drawn = _pixels(render_figure(gallery))
        layout = GalleryLayout((10, 12), (2, 1), (False, True), 48, 2, False, 0)
        self.assertEqual(drawn.shape[:2], (layout.height, layout.width))
        for image, place in zip(images, ((0, 0), (0, 1), (1, 0)), strict=True):
            box = layout.tile(*place)
            self.assertEqual(box.bottom - box.top, 40)
            found = drawn[box.top : box.bottom, box.left : box.right]
            # In the middle of each pixel; the frame covers the rim.
            np.testing.assert_array_equal(found[2::4, 2::4], image)

    def test_maps_share_one_scale(self):
        image = np.full((8, 8, 3), 255, np.uint8)
        maps = np.zeros((2, 2, 2))
        maps[0, 0, 0], maps[1, 1, 1] = 3, -1
        tiles = [Tile(image, evidence=m, extent=(0, 8, 8, 0)) for m in maps]
        figure = render_figure(Gallery("heading", [("row", tiles)]))
        limit = colour_limit(maps)
        scales = [
            axes.images[0].norm.vmax
            for axes in figure.axes
            if axes.images and axes.images[0].get_array().shape == (2, 2)
        ]
        self.assertEqual(scales, [limit, limit])

    @parameterized.parameters(False, True)
    def test_nothing_overlaps(self, has_scale):
        layout = GalleryLayout(
            (20, 30), (3, 2, 4), (True, False, True), 100, 2, has_scale, 2
        )
        boxes = [
            layout.tile(row, place)
            for row, count in enumerate(layout.row_lengths)
            for place in range(count)
        ]
        boxes += [layout.colour_bar] * has_scale
        for i, one in enumerate(boxes):
            self.assertGreaterEqual(min(one.top, one.left), 0)
            self.assertLessEqual(one.bottom, layout.height)
            self.assertLessEqual(one.right, layout.width)
            for other in boxes[:i]:
                apart = (
                    one.top >= other.bottom
                    or other.top >= one.bottom
                    or one.left >= other.right
                    or other.left >= one.right
                )
                self.assertTrue(apart, (one, other))


if __name__ == "__main__":
    absltest.main()
