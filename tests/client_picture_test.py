"""Does the picture drawn with Pillow alone show what the model said?"""

import pathlib
import tempfile
from unittest import mock

import matplotlib
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.colours import BOX_COLOUR
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.layout import Layout
from bagnet_tf.patch_evidence import explanation_of
from bagnet_tf.rendering import colour_limit, render_explanation
from export.client import fonts
from export.client.maps import colours_of
from export.client.picture import draw_evidence
from tests.client_helpers import GRID, LABELS, SIZE, answer, write_export

_CLASS_IDS = [2, 0]


def _image(channels=3, size=SIZE):
    generator = np.random.default_rng(3)
    return generator.integers(0, 256, (*size, channels), dtype=np.uint8)


def _cut(picture, box):
    return np.asarray(picture)[box.top : box.bottom, box.left : box.right]


class PictureTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.metadata = write_export(self.folder)
        self.logits, self.patch_logits = answer()

    def _draw(self, image=None, metadata=None, **kwargs):
        kwargs = {"class_ids": _CLASS_IDS, **kwargs}
        image = _image() if image is None else image
        return draw_evidence(
            image, self.patch_logits, metadata or self.metadata, **kwargs
        )

    def _layout(self, num_tiles):
        return Layout(SIZE, 3, num_tiles)

    @parameterized.parameters(1, 3)
    def test_shows_the_image_in_whole_pixels(self, channels):
        image = _image(channels)
        panel = self._layout(5).panel(0)
        scale = self._layout(5).panel_shape[0] // SIZE[0]
        expected = np.kron(
            np.broadcast_to(image, (*SIZE, 3)),
            np.ones((scale, scale, 1), np.uint8),
        )
        shown = _cut(self._draw(image, top_k=0), panel)
        # But for the frame.
        np.testing.assert_array_equal(shown[1:-1, 1:-1], expected[1:-1, 1:-1])

    @parameterized.parameters("softmax", "sigmoid")
    def test_cells_have_the_colours_of_their_evidence(self, head):
        metadata = write_export(self.folder, head=head)
        evidence = self.patch_logits.astype(np.float64)
        if head == "softmax":
            evidence = evidence - evidence.mean(axis=-1, keepdims=True)
        evidence = evidence[..., _CLASS_IDS]
        limit = colour_limit(evidence)
        grey = np.full((*SIZE, 3), 200, np.uint8)  # Shades nothing.
        picture = self._draw(grey, metadata, top_k=0)
        scale = self._layout(0).panel_shape[0] // SIZE[0]
        colours = matplotlib.colormaps["RdBu_r"]
        for place in range(2):
            shown = _cut(picture, self._layout(0).panel(place + 1))
            for row, col in np.ndindex(*GRID):
                # The middle of the patch: 5 pixels, 4 apart.
                y, x = ((4 * cell + 2.5) * scale for cell in (row, col))
                value = evidence[row, col, place] / limit / 2 + 0.5
                expected = np.array(colours(value, bytes=True)[:3], int)
                found = shown[int(y), int(x)].astype(int)
                self.assertLessEqual(np.abs(found - expected).max(), 2)

    def test_dark_pixels_darken_the_map(self):
        image = np.zeros((*SIZE, 3), np.uint8)
        image[:, 13:] = 255
        flat = self._draw(np.full((*SIZE, 3), 7, np.uint8), top_k=0)
        panel = self._layout(0).panel(1)
        flat, shaded = (
            _cut(p, panel).astype(float)
            for p in (flat, self._draw(image, top_k=0))
        )
        half = flat.shape[1] // 2
        inside = np.s_[40:-40, 40 : half - 5]
        np.testing.assert_allclose(shaded[inside], flat[inside] * 0.6, atol=1)
        inside = np.s_[40:-40, half + 5 : -60]
        np.testing.assert_array_equal(shaded[inside], flat[inside])

    def test_where_no_patch_is_centred_there_is_no_colour(self):
        shown = _cut(self._draw(top_k=0), self._layout(0).panel(1))
        scale = self._layout(0).panel_shape[0] // SIZE[0]
        rim = scale // 2  # (5 - 4) / 2 pixels, and one column more: 26 - 25.
        last = (0.5 + 6 * 4) * scale
        for part in (shown[:rim], shown[:, :rim], shown[:, int(last) + 1 :]):
            self.assertEqual(np.ptp(part.astype(int), axis=-1).max(), 0)
        inner = shown[rim + 1 : -rim - 1, rim + 1 : int(last) - 1].astype(int)
        self.assertGreater(np.ptp(inner, axis=-1).max(), 100)

    def test_the_strongest_patches_are_outlined(self):
        patch_logits = np.zeros((*GRID, 5), np.float32)
        patch_logits[3, 2, 2] = 9
        patch_logits[1, 4, 2] = 5
        picture = draw_evidence(
            _image(), patch_logits, self.metadata, class_ids=[2, 0]
        )
        layout = self._layout(2)
        panel, scale = layout.panel(0), layout.panel_shape[0] // SIZE[0]
        colour = tuple(bytes.fromhex(BOX_COLOUR[1:]))
        yellow = (np.asarray(picture) == colour).all(axis=-1)
        for row, col in ((3, 2), (1, 4)):
            left, right = ((4 * col + side) * scale for side in (0, 5))
            y = int(panel.top + (4 * row + 2.5) * scale)
            for x in (panel.left + left, panel.left + right - 1):
                self.assertTrue(yellow[y, x], (row, col))
            self.assertFalse(yellow[y, panel.left + (left + right) // 2])
        # The tile shows the patch and nothing else.
        tile = _cut(picture, layout.tile(0))
        patch = Image.fromarray(_image()[12:17, 8:13])
        expected = np.asarray(
            patch.resize((200, 200), Image.Resampling.NEAREST)
        )
        np.testing.assert_array_equal(tile[2:-2, 2:-2], expected[2:-2, 2:-2])

    def test_looks_like_matplotlibs_picture(self):
        image = _image()
        explanation = explanation_of(
            self.logits[None],
            self.patch_logits[None],
            np.array([_CLASS_IDS]),
            PatchGeometry(5, 4),
            "softmax",
            5,
        )
        path = self.folder / "figure.png"
        render_explanation(image, explanation, LABELS).savefig(path)
        expected = Image.open(path).convert("RGB")
        found = self._draw(image)
        self.assertEqual(found.size, expected.size)
        difference = np.abs(
            np.asarray(found, int) - np.asarray(expected, int)
        ).max(axis=-1)
        patches = [p for p in explanation.top_patches() if p.evidence > 0]
        for place in range(3):
            panel = self._layout(len(patches)).panel(place)
            # Letters, lines and the edges of cells are drawn otherwise.
            shown = difference[
                panel.top : panel.bottom, panel.left : panel.right
            ]
            self.assertLess(np.median(shown), 3)
            self.assertLess(np.mean(shown > 40), 0.15)

    def test_an_image_larger_than_its_panel(self):
        metadata = write_export(
            self.folder,
            input={"size": [805, 905], "channels": 3, "any_size": True},
            geometry={
                "receptive_field": 5,
                "stride": 100,
                "grid_shape": [9, 10],
            },
        )
        generator = np.random.default_rng(0)
        patch_logits = generator.normal(0, 1, (9, 10, 5))
        image = _image(size=(805, 905))
        picture = draw_evidence(image, patch_logits, metadata, [1])
        self.assertLess(picture.width, 1300)

    def test_many_classes_and_long_names(self):
        labels = [f"{name}, {'very ' * 60}long" for name in LABELS]
        metadata = write_export(self.folder, labels=labels)
        picture = self._draw(metadata=metadata, class_ids=[0, 1, 2, 3, 4])
        # Nothing is written beyond the margin.
        self.assertEqual(np.asarray(picture)[:, -8:].min(), 255)

    def test_no_evidence_at_all(self):
        self.patch_logits[:] = 0
        self._draw()

    def test_by_default_three_most_probable_classes(self):
        ranked = np.argsort(-self.logits)[:3].tolist()
        np.testing.assert_array_equal(
            np.asarray(self._draw(class_ids=None)),
            np.asarray(self._draw(class_ids=ranked)),
        )

    def test_without_a_font_of_the_system(self):
        metadata = write_export(self.folder, labels=["é", "日本", *LABELS[2:]])
        with mock.patch.object(fonts, "_system_font", lambda bold: None):
            self.assertEqual(fonts.spelled("é ≥ −3 × ß…"), "e >= -3 x ss…")
            self.assertEqual(fonts.spelled("日本"), "??")
            self._draw(metadata=metadata)

    def test_an_answer_for_another_image(self):
        with self.assertRaisesRegex(ValueError, "patch_logits must be"):
            self._draw(_image(size=(33, 33)))

    def test_logits_of_another_image(self):
        with self.assertRaisesRegex(ValueError, "logits must be the means"):
            self._draw(logits=answer(5)[0])

    @parameterized.parameters(([5],), ([-1],), ([],), (["dog"],))
    def test_classes_that_are_none(self, class_ids):
        with self.assertRaisesRegex(ValueError, "class_ids must be integers"):
            self._draw(class_ids=class_ids)

    @parameterized.parameters(
        (np.zeros((*SIZE, 3), np.float32),), (np.zeros(SIZE, np.uint8),)
    )
    def test_what_is_no_image(self, image):
        with self.assertRaisesRegex(ValueError, "image must be RGB or grey"):
            self._draw(image)


class ColoursTest(parameterized.TestCase):
    @parameterized.parameters(0.5, 3.0, 1000.0)
    def test_are_matplotlibs(self, limit):
        values = np.linspace(-1.2 * limit, 1.2 * limit, 997)
        position = (values / limit + 1) / 2
        expected = matplotlib.colormaps["RdBu_r"](position, bytes=True)
        found = colours_of(values, limit)
        self.assertLessEqual(np.abs(found - expected[:, :3]).max(), 1)

    def test_red_speaks_for_a_class(self):
        (red, _, blue) = colours_of(np.array(2.0), 2.0)
        self.assertGreater(red, blue)


if __name__ == "__main__":
    absltest.main()
