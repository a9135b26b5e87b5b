"""Heatmaps, overlays and contact sheets, as drawn."""

import io
import itertools
import tempfile
import xml.etree.ElementTree

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.layout import SheetLayout, map_extent
from bagnet_tf.rendering import (
    SheetEntry,
    colour_limit,
    overlay_on_photo,
    render_contact_sheet,
    render_explanation,
    save_picture,
)
from bagnet_tf.rendering.edges import photo_edges
from tests.rendering_helpers import (
    GEOMETRY,
    explanation_of,
    names,
    noise,
    pixels_of,
)


def _words(figure):
    return [text.get_text() for text in figure.texts]


def _redness(pixels):
    return pixels[..., 0].astype(int) - pixels[..., 2]


class PlotHeatmapTest(parameterized.TestCase):
    def test_colours_are_symmetric_up_to_the_percentile(self):
        heatmap = np.arange(64.0 * 64).reshape(64, 64)
        axes = bagnet_tf.plot_heatmap(heatmap, noise(64, 64), percentile=90)
        norm = axes.images[0].norm
        limit = np.percentile(heatmap, 90)
        self.assertEqual((norm.vmin, norm.vmax), (-limit, limit))
        self.assertEqual(axes.images[0].get_cmap().name, "RdBu_r")

    def test_dark_lines_are_the_photos_edges(self):
        image = np.zeros((64, 96, 3), np.uint8)
        image[20:40, 30:60] = 200
        figure = bagnet_tf.plot_heatmap(np.zeros((64, 96)), image).figure
        pixels = pixels_of(figure)[..., 0]
        scale = pixels.shape[0] / 64
        self.assertEqual(scale, pixels.shape[1] / 96)
        middles = (np.arange(96) * scale + scale / 2).astype(int)
        dark = pixels[middles[:64]][:, middles] < 200
        np.testing.assert_array_equal(dark, photo_edges(image))

    def test_without_edges(self):
        image = noise(64, 64)
        axes = bagnet_tf.plot_heatmap(np.zeros((64, 64)), image, edge_opacity=0)
        self.assertGreater(pixels_of(axes.figure)[9:-9, 9:-9].min(), 240)

    def test_a_grid_lies_about_the_centres_of_its_patches(self):
        axes = bagnet_tf.plot_heatmap(
            np.zeros((6, 6)), noise(64, 64), geometry=GEOMETRY
        )
        self.assertEqual(
            tuple(axes.images[0].get_extent()), map_extent(GEOMETRY, (6, 6))
        )

    def test_draws_on_given_axes(self):
        given = bagnet_tf.plot_heatmap(np.zeros((8, 8)), noise(8, 8))
        axes = bagnet_tf.plot_heatmap(
            np.ones((4, 4)), noise(8, 8), stride=2, axes=given
        )
        self.assertIs(axes, given)
        self.assertLen(axes.images, 4)

    @parameterized.named_parameters(
        ("dense", (63, 64), None, 1),
        ("stride", (64, 64), None, 2),
        ("grid", (7, 6), GEOMETRY, 1),
        ("classes", (64, 64, 1), None, 1),
    )
    def test_another_size_is_refused(self, shape, geometry, stride):
        with self.assertRaisesRegex(ValueError, "heatmap must be .*Received"):
            bagnet_tf.plot_heatmap(
                np.zeros(shape), noise(64, 64), geometry, stride
            )


class OverlayTest(parameterized.TestCase):
    def test_colours_where_there_is_evidence_and_fades_where_none_is(self):
        photo = np.full((4, 5, 3), (200, 40, 40), np.uint8)
        evidence = np.zeros((4, 5), np.float32)
        evidence[0, 0], evidence[0, 1], evidence[0, 2] = 8, -8, np.nan
        drawn_photo = overlay_on_photo(photo, evidence, limit=8.0).astype(int)
        speaks_for, against, unseen, grey = drawn_photo[[0] * 4, range(4)]
        self.assertGreater(speaks_for[0], speaks_for[2] + 50)
        self.assertGreater(against[2], against[0] + 50)
        np.testing.assert_allclose(grey, 0.299 * 200 + 0.701 * 40, atol=1)
        np.testing.assert_array_equal(
            unseen, np.round(255 - 0.35 * (255 - photo[0, 2].astype(float)))
        )

    def test_stronger_evidence_covers_more(self):
        photo = np.full((1, 3, 3), 250, np.uint8)
        evidence = np.array([[2.0, 5.0, 10.0]])
        shown = overlay_on_photo(photo, evidence, limit=10.0)
        covered = np.abs(shown.astype(int) - 250).sum(axis=-1)[0]
        self.assertTrue((np.diff(covered) > 20).all(), covered)

    def test_another_size_is_refused(self):
        with self.assertRaisesRegex(ValueError, r"evidence must .*\(5, 4\)"):
            overlay_on_photo(noise(4, 5), np.zeros((5, 4)), 1.0)


class ContactSheetTest(parameterized.TestCase):
    def _entries(self, count):
        rng = np.random.default_rng(0)
        return [
            SheetEntry(
                noise(64, 64) // (index + 1),
                rng.normal(size=(6, 6)).astype(np.float32),
                f"photo {index} " * 9,
                f"class  p = 0.{index}",
            )
            for index in range(count)
        ]

    @parameterized.parameters(1, 3, 4, 9)
    def test_places_lie_apart_and_inside(self, count):
        entries = self._entries(count)
        extent = map_extent(GEOMETRY, (6, 6))
        figure = render_contact_sheet(entries, extent, "my photos " * 20)
        renderer = figure.canvas.get_renderer()
        boxes = [axes.bbox for axes in figure.axes[:-1]]
        boxes += [text.get_window_extent(renderer) for text in figure.texts]
        boxes.append(figure.axes[-1].get_tightbbox(renderer))
        for box in boxes:
            self.assertGreaterEqual(min(box.x0, box.y0), 0)
            self.assertLessEqual(box.x1, figure.bbox.width)
            self.assertLessEqual(box.y1, figure.bbox.height)
        for one, other in itertools.combinations(boxes, 2):
            overlap = one.padded(-2).overlaps(other.padded(-2))
            self.assertFalse(overlap, (one, other))

    def test_each_image_stands_beside_its_map_on_one_scale(self):
        entries = self._entries(6)
        extent = map_extent(GEOMETRY, (6, 6))
        figure = render_contact_sheet(entries, extent, "title")
        limit = colour_limit(np.stack([entry.evidence for entry in entries]))
        layout = SheetLayout((64, 64), 6)
        for place, entry in enumerate(entries):
            image, colours = figure.axes[2 * place : 2 * place + 2]
            np.testing.assert_array_equal(
                image.images[0].get_array(), entry.image
            )
            np.testing.assert_array_equal(
                colours.images[0].get_array(), entry.evidence
            )
            norm = colours.images[0].norm
            self.assertEqual((norm.vmin, norm.vmax), (-limit, limit))
            self.assertAlmostEqual(image.bbox.x0, layout.image(place).left)
            self.assertAlmostEqual(colours.bbox.x0, layout.map(place).left)
            self.assertIn(entry.subtitle.replace("  ", " "), _words(figure))

    def test_another_colour_scale(self):
        extent = map_extent(GEOMETRY, (6, 6))
        figure = render_contact_sheet(self._entries(2), extent, "title", 7.5)
        for axes in (figure.axes[1], figure.axes[3]):
            norm = axes.images[0].norm
            self.assertEqual((norm.vmin, norm.vmax), (-7.5, 7.5))

    def test_what_cannot_be_one_sheet_is_refused(self):
        one, other = self._entries(1)[0], self._entries(1)[0]
        other = SheetEntry(noise(80, 64), other.evidence, "", "")
        extent = map_extent(PatchGeometry(17, 8), (6, 6))
        for entries in ([], [one] * 401, [one, other]):
            with self.assertRaisesRegex(ValueError, "entries must .*Received"):
                render_contact_sheet(entries, extent, "title")


class SavePictureTest(absltest.TestCase):
    def test_svg_is_xml_of_the_figures_size_and_always_the_same(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        contents = []
        for name in ("one.svg", "other.svg"):
            explanation = explanation_of(np.ones((6, 6, 2)))
            figure = render_explanation(noise(64, 64), explanation, names(2))
            save_picture(figure, f"{folder}/{name}")
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                contents.append(file.read())
        self.assertEqual(*contents)
        root = xml.etree.ElementTree.parse(io.StringIO(contents[0])).getroot()
        width, height = (72 * side for side in figure.get_size_inches())
        box = [float(part) for part in root.get("viewBox").split()]
        np.testing.assert_allclose(box, (0, 0, width, height), atol=0.01)


if __name__ == "__main__":
    absltest.main()
