"""Are the masks of a folder of images those of its images?"""

import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import image_source
from tests.dataset_helpers import read, read_ids, write_images


def _save(root, file, pixels, **kwargs):
    path = pathlib.Path(root, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels, np.uint8), **kwargs)
    image.save(path)
    return path


class FolderMasksTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.enterContext(tempfile.TemporaryDirectory())
        self.name = f"folder:{self.root}"

    def _masks(self, split):
        source = image_source(self.name)
        self.assertTrue(source.has_masks)
        examples = read(source, split)
        return {e["id"].decode(): e["mask"].tolist() for e in examples}

    def test_split_folders(self):
        for file in ("train/a/1.png", "train/b/1.png", "val/a/deep/2.PNG"):
            _save(self.root, file, np.zeros((2, 3, 3)))
        _save(self.root, "masks/val/a/deep/2.png", [[0, 1, 0], [255, 0, 0]])
        self.assertEqual(
            self._masks("validation"),
            {"val/a/deep/2.PNG": [[False, True, False], [True, False, False]]},
        )
        # Images without a mask stay, so that their decisions count.
        self.assertEqual(
            self._masks("train"),
            {"train/a/1.png": [[False]], "train/b/1.png": [[False]]},
        )

    def test_one_folder(self):
        files = [f"{c}/{i}.png" for c in "ab" for i in range(20)]
        for number, file in enumerate(files):
            _save(self.root, file, np.zeros((1, 40, 3)))
            mask = np.arange(40)[None] == number
            _save(self.root, f"masks/{file}", mask * 7)
        self.assertEqual(image_source(self.name).labels, ("a", "b"))
        masks = self._masks("train+validation")
        self.assertCountEqual(masks, files)
        for number, file in enumerate(files):
            self.assertEqual(np.flatnonzero(masks[file]).tolist(), [number])

    def test_specs_are_fully_defined(self):
        for file in ("train/a/1.png", "train/b/1.png", "masks/train/b/1.png"):
            _save(self.root, file, np.zeros((2, 3)))
        specs = image_source(self.name).dataset("train").element_spec
        self.assertEqual(specs["mask"].dtype, tf.bool)
        self.assertEqual(specs["mask"].shape.as_list(), [None, None])

    @parameterized.named_parameters(
        ("none", ()),
        ("of_no_image", ("masks/train/a/2.png",)),
        ("hidden", ("masks/train/a/.1.png",)),
        ("no_png", ("masks/train/a/1.jpg",)),
        ("of_no_split", ("masks/a/1.png",)),
    )
    def test_folders_without_masks(self, masks):
        write_images(self.root, "train/a/1.png", "train/b/1.png", *masks)
        source = image_source(self.name)
        self.assertFalse(source.has_masks)
        self.assertNotIn("mask", source.dataset("train").element_spec)

    def test_class_named_masks(self):
        files = [f"{c}/{i}.png" for c in ("hats", "masks") for i in range(20)]
        nested = ("masks/venice/1.png", "masks/masks/1.png")
        write_images(self.root, *files, *nested)
        source = image_source(self.name)
        self.assertEqual(source.labels, ("hats", "masks"))
        self.assertFalse(source.has_masks)
        self.assertLen(read_ids(source, "train+validation"), 42)

    def test_masks_are_no_class_whatever_they_are(self):
        files = [f"{c}/{i}.png" for c in "ab" for i in range(20)]
        write_images(self.root, *files, "masks/a/1.jpg")
        source = image_source(self.name)
        self.assertEqual(source.labels, ("a", "b"))
        self.assertFalse(source.has_masks)

    def _write_pair(self):
        for file in ("train/a/1.png", "train/b/1.png"):
            _save(self.root, file, np.zeros((2, 3, 3)))
        return _save(self.root, "masks/train/a/1.png", np.eye(2, 3))

    @parameterized.named_parameters(
        ("bits", lambda image: image.point(lambda v: v * 255).convert("1")),
        ("colours", lambda image: image.convert("RGB")),
        ("transparent", lambda image: image.convert("LA")),
        (
            "clear",
            lambda image: Image.merge("LA", [image, image.point([0] * 256)]),
        ),
        ("16_bits", lambda image: Image.fromarray(np.eye(2, 3).astype("u2"))),
    )
    def test_any_colour_but_black_is_evidence(self, convert):
        path = self._write_pair()
        with Image.open(path) as image:
            converted = convert(image)
        converted.save(path)
        masks = self._masks("train")
        self.assertEqual(
            masks["train/a/1.png"], np.eye(2, 3, dtype=bool).tolist()
        )

    def test_palette(self):
        path = self._write_pair()
        image = Image.fromarray(np.eye(2, 3, dtype=np.uint8), "P")
        image.putpalette([0, 0, 0, 0, 0, 90])
        image.save(path)
        masks = self._masks("train")
        self.assertEqual(
            masks["train/a/1.png"], np.eye(2, 3, dtype=bool).tolist()
        )

    def test_mask_of_another_size(self):
        path = self._write_pair()
        _save(self.root, "masks/train/a/1.png", np.zeros((3, 2)))
        source = image_source(self.name)
        with self.assertRaisesRegex(ValueError, "3 x 2 pixels .*of 2 x 3") as e:
            source.dataset("train")
        self.assertIn(f"mask={str(path)!r}", str(e.exception))

    def test_truncated_mask(self):
        path = self._write_pair()
        path.write_bytes(path.read_bytes()[:-20])
        source = image_source(self.name)
        with self.assertRaisesRegex(ValueError, "whole PNG file") as caught:
            source.dataset("train")
        self.assertIn(f"mask={str(path)!r}", str(caught.exception))

    def test_corrupt_images_are_found_by_others(self):
        self._write_pair()
        pathlib.Path(self.root, "train/a/1.png").write_bytes(b"no image")
        source = image_source(self.name, skip_corrupt=True)
        self.assertTrue(source.has_masks)
        self.assertEqual(read_ids(source, "train"), ["train/b/1.png"])


if __name__ == "__main__":
    absltest.main()
