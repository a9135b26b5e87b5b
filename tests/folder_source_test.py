"""Is a folder of images read as it lies on disk?"""

import io
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import image_source


def _encoded(number):
    """Returns a PNG whose one pixel is the number."""
    stream = io.BytesIO()
    Image.new("RGB", (1, 1), (number, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def _write(root, *files):
    for number, file in enumerate(files):
        path = pathlib.Path(root, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_encoded(number))


def _read(source, split):
    return list(source.dataset(split).as_numpy_iterator())


def _ids(source, split):
    return [example["id"].decode() for example in _read(source, split)]


class FolderTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.enterContext(tempfile.TemporaryDirectory())
        self.name = f"folder:{self.root}"

    def _error(self, message):
        with self.assertRaisesRegex(ValueError, message) as caught:
            image_source(self.name)
        self.assertNotIn("\n", str(caught.exception))
        self.assertIn(f"Received: name={self.name!r}", str(caught.exception))

    @parameterized.parameters("val", "validation")
    def test_split_folders(self, validation):
        train = ["train/b/0.jpg", "train/a/deep/er/1.PNG", "train/b/2.jpeg"]
        others = [f"{validation}/b/x.gif", "test/a/y.bmp"]
        ignored = ["train/b/notes.txt", "train/a/._1.png", "train/.c/1.png"]
        _write(self.root, *train, *others, *ignored)
        source = image_source(self.name)
        self.assertEqual(source.name, self.name)
        self.assertEqual(source.labels, ("a", "b"))
        self.assertEqual(source.splits(), ("train", "validation", "test"))
        self.assertCountEqual(_ids(source, "train"), train)
        self.assertEqual(_ids(source, "validation+test"), others)
        for example in _read(source, "train"):
            file = example["id"].decode()
            self.assertEqual(example["image"], _encoded(train.index(file)))
            self.assertEqual(source.labels[example["label"]], file[6])

    def test_specs_are_fully_defined(self):
        _write(self.root, "train/a/1.png", "train/b/2.png")
        specs = image_source(self.name).dataset("train").element_spec
        self.assertEqual(
            {key: (spec.dtype, spec.shape) for key, spec in specs.items()},
            {
                "image": (tf.string, ()),
                "label": (tf.int64, ()),
                "id": (tf.string, ()),
            },
        )

    def test_wordnet_ids_become_words(self):
        _write(self.root, "train/n03888257/1.png", "train/n01440764/2.png")
        source = image_source(self.name)
        self.assertEqual(source.labels, ("tench", "parachute"))

    def test_one_folder_is_split_alike_wherever_it_lies(self):
        files = [f"{c}/{i}.png" for c in "abcd" for i in range(50)]
        _write(self.root, *files)
        source = image_source(self.name)
        elsewhere = self.enterContext(tempfile.TemporaryDirectory())
        _write(elsewhere, *reversed(files))
        other = image_source(f"folder:{elsewhere}")
        for split in ("train", "validation"):
            self.assertEqual(_ids(source, split), _ids(other, split))
        self.assertCountEqual(_ids(source, "train+validation"), files)
        self.assertBetween(source.num_examples("train"), 140, 180)

    def test_slices_mix_the_classes_and_keep_the_order(self):
        _write(
            self.root, *(f"train/{c}/{i}.png" for c in "ab" for i in range(40))
        )
        source = image_source(self.name)
        labels = [example["label"] for example in _read(source, "train[:20]")]
        self.assertBetween(sum(labels), 4, 16)
        self.assertEqual(
            _ids(source, "train"),
            _ids(source, "train[:25%]") + _ids(source, "train[25%:]"),
        )

    def test_missing_folder(self):
        self.name += "/nowhere"
        self._error("must be an existing folder")

    def test_no_class_folders(self):
        _write(self.root, "1.png")
        self._error("must have class folders")

    def test_only_one_class(self):
        _write(self.root, "train/a/1.png")
        self._error(r"at least two classes, not \['a'\]")

    def test_class_folder_without_images(self):
        _write(self.root, "train/a/1.png", "train/b/1.png", "train/c/1.txt")
        self._error("train/c' has none")

    def test_validation_class_unknown_to_train(self):
        _write(self.root, "train/a/1.png", "train/b/1.png", "val/c/1.png")
        self._error("only classes of train.*validation has 'c' too")

    def test_two_validation_folders(self):
        _write(self.root, "train/a/1.png", "val/a/1.png", "validation/a/1.png")
        self._error("one of the folders val and validation")

    def test_split_folders_without_train(self):
        _write(self.root, "val/a/1.png", "test/a/1.png")
        self._error("train folder beside test, val")


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
        examples = _read(source, split)
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
        _write(self.root, "train/a/1.png", "train/b/1.png", *masks)
        source = image_source(self.name)
        self.assertFalse(source.has_masks)
        self.assertNotIn("mask", source.dataset("train").element_spec)

    def test_class_named_masks(self):
        files = [f"{c}/{i}.png" for c in ("hats", "masks") for i in range(20)]
        nested = ("masks/venice/1.png", "masks/masks/1.png")
        _write(self.root, *files, *nested)
        source = image_source(self.name)
        self.assertEqual(source.labels, ("hats", "masks"))
        self.assertFalse(source.has_masks)
        self.assertLen(_ids(source, "train+validation"), 42)

    def test_masks_are_no_class_whatever_they_are(self):
        files = [f"{c}/{i}.png" for c in "ab" for i in range(20)]
        _write(self.root, *files, "masks/a/1.jpg")
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
        self.assertEqual(_ids(source, "train"), ["train/b/1.png"])


if __name__ == "__main__":
    absltest.main()
