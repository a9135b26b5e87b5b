"""Do all image sources speak the same language?"""

import io
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import base, image_source
from bagnet_tf.datasets import labels as label_names
from tests.shared_data import shared

IMAGENETTE_WORDS = (
    "tench",
    "English springer",
    "cassette player",
    "chain saw",
    "church",
    "French horn",
    "garbage truck",
    "gas pump",
    "golf ball",
    "parachute",
)


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


class SplitTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("whole", "train", range(0, 200)),
        ("percent", "train[:90%]", range(0, 180)),
        ("numbers", "train[100:150]", range(100, 150)),
        ("from_the_end", "train[-5%:]", range(190, 200)),
        ("open", "train[150:]", range(150, 200)),
    )
    def test_slice_is_that_of_python(self, split, expected):
        (part,) = base.read_ranges(split, {"train": 200})
        self.assertEqual(part, ("train", expected.start, expected.stop))

    def test_sum_of_splits(self):
        parts = base.read_ranges("b[:1]+a", {"a": 3, "b": 2})
        self.assertEqual(parts, [("b", 0, 1), ("a", 0, 3)])

    @parameterized.parameters(
        "test",
        "train[",
        "",
        "train[:110%]",
        "train[:201]",
        "train[:1shard]",
        "train[7]",
    )
    def test_wrong_split_is_an_error(self, split):
        with self.assertRaisesRegex(ValueError, "^split must be one of train"):
            base.read_ranges(split, {"train": 200})

    @parameterized.parameters("train[5:5]", "train[:0%]", "train[9:3]")
    def test_empty_slice_is_an_error(self, split):
        with self.assertRaisesRegex(ValueError, "at least one example"):
            base.read_ranges(split, {"train": 200})


class LabelsTest(parameterized.TestCase):
    def test_wordnet_ids_are_those_of_tfds_in_its_order(self):
        names = (
            tfds.builder(
                "imagenet2012",
                data_dir=self.enterContext(tempfile.TemporaryDirectory()),
            )
            .info.features["label"]
            .names
        )
        self.assertEqual(list(label_names.imagenet_labels()), names)

    def test_names_differ(self):
        names = [n.lower() for n in label_names.imagenet_labels().values()]
        self.assertLen(set(names), 1000)

    def test_only_known_wordnet_ids_are_replaced(self):
        words = label_names.in_words(["n03000684", "n99999999", "cat"])
        self.assertEqual(words, ("chain saw", "n99999999", "cat"))


class TfdsTest(parameterized.TestCase):
    def _mock_builder(self, name, **splits):
        """Writes a description as of a prepared dataset; no examples."""
        data_dir = self.enterContext(tempfile.TemporaryDirectory())
        builder = tfds.builder(name, data_dir=data_dir)
        infos = [
            tfds.core.SplitInfo(name=split, shard_lengths=[size], num_bytes=0)
            for split, size in splits.items()
        ]
        builder.info.set_splits(tfds.core.splits.SplitDict(infos))
        pathlib.Path(builder.data_path).mkdir(parents=True)
        builder.info.write_to_directory(builder.data_path)
        return data_dir

    @parameterized.named_parameters(
        ("imagenette", "imagenette/320px-v2", IMAGENETTE_WORDS, 3),
        ("mnist", "mnist", tuple("0123456789"), 1),
    )
    def test_examples_of_mocked_data(self, name, words, channels):
        data_dir = self._mock_builder(name, train=5, validation=3)
        with tfds.testing.mock_data(num_examples=5, data_dir=data_dir):
            source = image_source(name, data_dir)
            examples = _read(source, "train")
        self.assertEqual(source.labels, words)
        self.assertEqual(source.splits(), ("train", "validation"))
        self.assertFalse(source.has_masks)
        self.assertLen({example["id"] for example in examples}, 5)
        for example in examples:
            pixels = tf.io.decode_image(example["image"]).numpy()
            self.assertEqual(pixels.shape[-1], channels)
            self.assertEqual(example["label"].dtype, np.int64)
            self.assertIn(example["label"], range(10))

    def test_specs_are_fully_defined(self):
        data_dir = self._mock_builder("imagenette/320px-v2", train=5)
        with tfds.testing.mock_data(num_examples=5, data_dir=data_dir):
            source = image_source("imagenette/320px-v2", data_dir)
            specs = source.dataset("train").element_spec
        self.assertEqual(
            {key: (spec.dtype, spec.shape) for key, spec in specs.items()},
            {
                "image": (tf.string, ()),
                "label": (tf.int64, ()),
                "id": (tf.string, ()),
            },
        )

    def test_photos_of_imagenette(self):
        data_dir = str(shared("tfds"))
        source = image_source("imagenette/320px-v2", data_dir)
        self.assertEqual(source.labels, IMAGENETTE_WORDS)
        self.assertEqual(source.num_examples("train"), 9469)
        self.assertEqual(source.num_examples("validation[:10%]"), 392)
        examples = _read(source, "validation[100:104]")
        expected = tfds.load(
            "imagenette/320px-v2", data_dir=data_dir, split="validation"
        )
        for example, other in zip(
            examples, expected.skip(100).take(4), strict=True
        ):
            pixels = tf.io.decode_jpeg(example["image"])
            np.testing.assert_array_equal(pixels, other["image"])
            self.assertEqual(example["label"], other["label"])
        self.assertEqual(
            [example["id"] for example in examples],
            _read_ids(source.dataset("validation"), 100, 4),
        )

    def test_unknown_dataset_lists_close_names(self):
        with self.assertRaisesRegex(
            ValueError, "imagenette.*Received: name='imagenete/320px-v2'"
        ):
            image_source("imagenete/320px-v2")

    @parameterized.parameters("glyph", "gliphs")
    def test_misspelt_glyphs(self, name):
        with self.assertRaisesRegex(ValueError, "Close names:.* glyphs"):
            image_source(name)

    @parameterized.parameters(
        "", "../x", "a b", "imagenette/5px", "mnist:9.9.9"
    )
    def test_wrong_name_is_one_line(self, name):
        with self.assertRaisesRegex(ValueError, "^name must .*$") as caught:
            image_source(name, self.enterContext(tempfile.TemporaryDirectory()))
        self.assertNotIn("\n", str(caught.exception))

    def test_dataset_that_needs_a_manual_download(self):
        data_dir = self.enterContext(tempfile.TemporaryDirectory())
        with self.assertRaisesRegex(
            FileNotFoundError, f"'imagenet2012' is not in '{data_dir}.*Manual"
        ):
            image_source("imagenet2012", data_dir)

    @parameterized.named_parameters(
        ("no_image", "iris", "one uint8 image feature.*features"),
        ("no_label", "div2k", "one class label feature.*hr"),
    )
    def test_dataset_of_another_kind(self, name, message):
        data_dir = self.enterContext(tempfile.TemporaryDirectory())
        with self.assertRaisesRegex(ValueError, message):
            image_source(name, data_dir)


def _read_ids(dataset, start, count):
    return [e["id"].numpy() for e in dataset.skip(start).take(count)]


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


if __name__ == "__main__":
    absltest.main()
