"""Is a folder of images read as it lies on disk?"""

import os
import pathlib
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from bagnet_tf.datasets import image_source
from tests.dataset_helpers import encoded_png, read, read_ids, write_images


class FolderTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.enterContext(tempfile.TemporaryDirectory())
        self.name = f"folder:{self.root}"

    def _error(self, message):
        with self.assertRaisesRegex(ValueError, message) as caught:
            image_source(self.name)
        self.assertNotIn("\n", str(caught.exception))
        self.assertIn(f"Received: dataset={self.name!r}", str(caught.exception))

    @parameterized.parameters("val", "validation")
    def test_split_folders(self, validation):
        train = ["train/b/0.jpg", "train/a/deep/er/1.PNG", "train/b/2.jpeg"]
        others = [f"{validation}/b/x.gif", "test/a/y.bmp"]
        ignored = ["train/b/notes.txt", "train/a/._1.png", "train/.c/1.png"]
        ignored += ["train/b/.thumbnails/0.jpg"]
        write_images(self.root, *train, *others, *ignored)
        source = image_source(self.name)
        self.assertEqual(source.name, self.name)
        self.assertEqual(source.labels, ("a", "b"))
        self.assertEqual(source.splits(), ("train", "validation", "test"))
        self.assertCountEqual(read_ids(source, "train"), train)
        self.assertEqual(read_ids(source, "validation+test"), others)
        for example in read(source, "train"):
            file = example["id"].decode()
            self.assertEqual(example["image"], encoded_png(train.index(file)))
            self.assertEqual(source.labels[example["label"]], file[6])

    def test_how_folders_are_called(self):
        folder = pathlib.Path(self.root, "photos.csv")
        write_images(folder, "train/a/1.png", "train/b/1.png")
        source = image_source(f"folder:{folder}")
        self.assertEqual(source.labels, ("a", "b"))
        with mock.patch.dict(os.environ, {"HOME": self.root}):
            source = image_source("folder:~/photos.csv")
        self.assertLen(read_ids(source, "train"), 2)

    def test_specs_are_fully_defined(self):
        write_images(self.root, "train/a/1.png", "train/b/2.png")
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
        write_images(
            self.root, "train/n03888257/1.png", "train/n01440764/2.png"
        )
        source = image_source(self.name)
        self.assertEqual(source.labels, ("tench", "parachute"))

    def test_one_folder_is_split_alike_wherever_it_lies(self):
        files = [f"{c}/{i}.png" for c in "abcd" for i in range(50)]
        write_images(self.root, *files)
        source = image_source(self.name)
        elsewhere = self.enterContext(tempfile.TemporaryDirectory())
        write_images(elsewhere, *reversed(files))
        other = image_source(f"folder:{elsewhere}")
        for split in ("train", "validation"):
            self.assertEqual(read_ids(source, split), read_ids(other, split))
        self.assertCountEqual(read_ids(source, "train+validation"), files)
        self.assertBetween(source.num_examples("train"), 140, 180)

    def test_slices_mix_the_classes_and_keep_the_order(self):
        write_images(
            self.root, *(f"train/{c}/{i}.png" for c in "ab" for i in range(40))
        )
        source = image_source(self.name)
        labels = [example["label"] for example in read(source, "train[:20]")]
        self.assertBetween(sum(labels), 4, 16)
        self.assertEqual(
            read_ids(source, "train"),
            read_ids(source, "train[:25%]") + read_ids(source, "train[25%:]"),
        )

    def test_missing_folder(self):
        self.name += "/nowhere"
        self._error("must be an existing folder")

    def test_no_class_folders(self):
        write_images(self.root, "1.png")
        self._error("must have class folders")

    def test_only_one_class(self):
        write_images(self.root, "train/a/1.png")
        self._error(r"at least two classes; it has a\. ")

    def test_class_folder_without_images(self):
        write_images(
            self.root, "train/a/1.png", "train/b/1.png", "train/c/1.txt"
        )
        self._error(r"train/c' has none \(--skip_corrupt goes without")

    def test_skipping_class_folders_without_images(self):
        write_images(self.root, "train/a/1.png", "train/b/1.png", "val/a/1.png")
        for folder in ("train/c", "val/b", "val/c", "val/d"):
            pathlib.Path(self.root, folder).mkdir()
        with self.assertLogs(level="WARNING") as logs:
            source = image_source(self.name, skip_corrupt=True)
        for folder in ("train/c", "val/b", "val/c", "val/d"):
            self.assertIn(f"{folder}: no images", "\n".join(logs.output))
        self.assertEqual(source.labels, ("a", "b"))
        # Class b has images, though none in this split.
        self.assertEqual(source.skipped, {"empty_classes": ["c", "d"]})
        self.assertEqual(read_ids(source, "validation"), ["val/a/1.png"])
        self.assertEqual(source.label_counts("validation").tolist(), [1, 0])

    def test_class_of_which_train_has_no_images(self):
        write_images(self.root, "train/a/1.png", "train/b/1.png", "val/c/1.png")
        pathlib.Path(self.root, "train/c").mkdir()
        with self.assertRaisesRegex(ValueError, "validation has 'c' too"):
            image_source(self.name, skip_corrupt=True)

    def test_skipped_images_and_classes(self):
        write_images(
            self.root, *(f"train/{c}/{i}.png" for c in "ab" for i in "123")
        )
        pathlib.Path(self.root, "train/c").mkdir()
        pathlib.Path(self.root, "train/a/2.png").write_bytes(b"no image")
        source = image_source(self.name, skip_corrupt=True)
        self.assertEqual(source.skipped, {"empty_classes": ["c"]})
        for split in ("train", "train[:100%]"):
            self.assertEqual(source.num_examples(split), 5)
            self.assertEqual(source.label_counts(split).tolist(), [2, 3])
            self.assertEqual(
                source.skipped,
                {"empty_classes": ["c"], "corrupt_images": ["train/a/2.png"]},
            )

    def test_label_counts_read_no_image(self):
        files = [f"train/{c}/{i}.png" for c in "aab" for i in range(9)]
        write_images(self.root, *files, "train/c/0.png", "val/c/0.png")
        source = image_source(self.name)
        expected = {
            split: np.bincount(
                [int(e["label"]) for e in read(source, split)], minlength=3
            )
            for split in ("train", "train[3:7]", "validation+train[:50%]")
        }
        for path in pathlib.Path(self.root).rglob("*.png"):
            path.unlink()
        for split, counts in expected.items():
            np.testing.assert_array_equal(source.label_counts(split), counts)
        self.assertEqual(expected["train"].tolist(), [9, 9, 1])

    def test_validation_class_unknown_to_train(self):
        write_images(self.root, "train/a/1.png", "train/b/1.png", "val/c/1.png")
        self._error("only classes of train.*validation has 'c' too")

    def test_class_that_did_not_fall_to_train(self):
        write_images(self.root, *(f"{i}/1.png" for i in range(20)))
        self._error("have more images of '[0-9]+', of which none fell to train")

    def test_two_validation_folders(self):
        write_images(
            self.root, "train/a/1.png", "val/a/1.png", "validation/a/1.png"
        )
        self._error("one of the folders val and validation")

    def test_split_folders_without_train(self):
        write_images(self.root, "val/a/1.png", "test/a/1.png")
        self._error("train folder beside test, val")


if __name__ == "__main__":
    absltest.main()
