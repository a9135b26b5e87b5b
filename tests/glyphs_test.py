"""Do the built-in glyphs show what they promise, and nothing else?"""

from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import glyph_shapes, glyphs, image_source

# Independent of the library: BagNet patches at 64 px, stride 8.
PATCH_CENTRES = {
    9: [4, 12, 20, 28, 36, 44, 52],
    17: [8, 16, 24, 32, 40, 48],
}


def _squares(mask):
    """Returns (top, left) of the 12-pixel squares that tile a mask."""
    mask = mask.copy()
    found = []
    while mask.any():
        top, left = np.argwhere(mask)[0]
        square = mask[top : top + 12, left : left + 12]
        assert square.shape == (12, 12) and square.all()
        square[:] = False
        found.append((int(top), int(left)))
    return found


class GenerateTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images, cls.labels, cls.masks = glyphs.generate("train", range(600))

    def test_shapes_and_types(self):
        self.assertEqual(self.images.shape, (600, 64, 64, 3))
        self.assertEqual(self.images.dtype, np.uint8)
        self.assertEqual(self.labels.dtype, np.int64)
        self.assertEqual(self.masks.shape, (600, 64, 64))
        self.assertEqual(self.masks.dtype, bool)

    def test_example_depends_on_its_index_only(self):
        images, labels, masks = glyphs.generate("train", [599, 7])
        np.testing.assert_array_equal(images, self.images[[599, 7]])
        np.testing.assert_array_equal(labels, self.labels[[599, 7]])
        np.testing.assert_array_equal(masks, self.masks[[599, 7]])

    @parameterized.named_parameters(
        ("split", "validation", 0), ("seed", "train", 1)
    )
    def test_other_examples_for_another(self, split, seed):
        images, labels, _ = glyphs.generate(split, range(600), seed)
        same = (images == self.images).all(axis=(1, 2, 3))
        self.assertFalse(same.any())
        self.assertBetween(np.mean(labels == self.labels), 0.0, 0.2)

    def test_labels_are_balanced_in_every_ten(self):
        blocks = np.sort(self.labels.reshape(-1, 10), axis=1)
        np.testing.assert_array_equal(blocks, np.tile(np.arange(10), (60, 1)))

    def test_mask_is_three_separate_squares_with_patch_centres(self):
        for mask in self.masks:
            squares = _squares(mask)
            self.assertLen(squares, 3)
            for centres in PATCH_CENTRES.values():
                for start in np.ravel(squares):
                    inside = [c for c in centres if start <= c < start + 12]
                    self.assertNotEmpty(inside)

    def test_masks_are_no_likelier_in_one_quarter(self):
        quarters = self.masks[:, 2:58, 2:58].mean(axis=0)
        quarters = quarters.reshape(2, 28, 2, 28).mean(axis=(1, 3))
        expected = 3 * 144 / 56**2
        np.testing.assert_allclose(quarters, expected, rtol=0.08)

    def test_masked_squares_show_the_shape_of_the_class(self):
        # Correlate what lies in each square with unturned drawings.
        names = [*glyph_shapes.CLASS_SHAPES, *glyph_shapes.DISTRACTOR_SHAPES]
        templates = np.stack([glyph_shapes.drawings(n, 12) for n in names])
        templates = templates.reshape(len(names), -1, 144)
        templates -= templates.mean(axis=-1, keepdims=True)
        templates /= np.linalg.norm(templates, axis=-1, keepdims=True)
        hits = []
        for image, label, mask in zip(
            self.images[:200], self.labels, self.masks, strict=False
        ):
            for top, left in _squares(mask):
                square = image[top : top + 12, left : left + 12].mean(axis=-1)
                square = (square - square.mean()).ravel()
                score = np.abs(templates @ square).max(axis=1)
                hits.append(score.argmax() == label)
        self.assertGreater(np.mean(hits), 0.98)

    def test_colours_hardly_tell_the_class(self):
        # A linear readout of the mean and spread of each colour channel.
        pixels = self.images.reshape(600, -1, 3) / 255.0
        features = np.concatenate(
            [pixels.mean(axis=1), pixels.std(axis=1), np.ones((600, 1))], axis=1
        )
        targets = np.eye(10)[self.labels]
        weights = np.linalg.lstsq(features[:400], targets[:400])[0]
        predicted = (features[400:] @ weights).argmax(axis=1)
        self.assertLess(np.mean(predicted == self.labels[400:]), 0.22)

    def test_unknown_split_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "one of train, validation"):
            glyphs.generate("test", [0])

    def test_negative_index_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "indices must be 0 or greater"):
            glyphs.generate("train", [3, -1])


class GlyphsSourceTest(parameterized.TestCase):
    def test_examples_are_those_that_generate_draws(self):
        source = image_source("glyphs")
        images, labels, masks = glyphs.generate("validation", range(990, 1000))
        examples = list(source.dataset("validation[-1%:]").as_numpy_iterator())
        self.assertLen(examples, 10)
        for i, example in enumerate(examples):
            np.testing.assert_array_equal(example["image"], images[i])
            np.testing.assert_array_equal(example["mask"], masks[i])
            self.assertEqual(example["label"], labels[i])
            self.assertEqual(
                example["id"].decode(), f"glyphs/validation/{990 + i}"
            )

    def test_grey(self):
        source = image_source("glyphs", channels=1)
        images, _, _ = glyphs.generate("train", range(3))
        examples = source.dataset("train[:3]")
        self.assertEqual(examples.element_spec["image"].shape, (64, 64, 1))
        for image, example in zip(images, examples, strict=True):
            expected = np.asarray(Image.fromarray(image).convert("L"))
            np.testing.assert_array_equal(example["image"][..., 0], expected)

    def test_label_counts_draw_nothing(self):
        source = image_source("glyphs")
        _, labels, _ = glyphs.generate("validation", range(5, 42))
        with mock.patch.object(glyphs, "generate", side_effect=ValueError):
            counts = source.label_counts("validation[5:42]")
            whole = source.label_counts("train+validation")
        np.testing.assert_array_equal(counts, np.bincount(labels, minlength=10))
        self.assertEqual(whole.tolist(), [700] * 10)

    def test_description(self):
        source = image_source("glyphs")
        self.assertTrue(source.has_masks)
        self.assertEqual(source.splits(), ("train", "validation"))
        self.assertEqual(source.num_examples("train"), 6000)
        self.assertEqual(source.num_examples("validation"), 1000)
        self.assertLen(set(source.labels), 10)

    def test_specs_are_fully_defined(self):
        specs = image_source("glyphs").dataset("train[:10]").element_spec
        self.assertEqual(specs["image"].shape, (64, 64, 3))
        self.assertEqual(specs["mask"].shape, (64, 64))
        self.assertEqual(
            {key: spec.dtype.name for key, spec in specs.items()},
            {
                "image": "uint8",
                "label": "int64",
                "id": "string",
                "mask": "bool",
            },
        )


if __name__ == "__main__":
    absltest.main()
