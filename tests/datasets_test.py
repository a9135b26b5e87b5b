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


def _read(source, split):
    return list(source.dataset(split).as_numpy_iterator())


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

    @parameterized.named_parameters(
        ("mnist", "mnist"), ("imagenette", "imagenette/320px-v2")
    )
    def test_grey(self, name):
        data_dir = self._mock_builder(name, train=5)
        with tfds.testing.mock_data(num_examples=5, data_dir=data_dir):
            grey = image_source(name, data_dir, channels=1)
            examples = _read(grey, "train")
            others = _read(image_source(name, data_dir), "train")
        self.assertEqual(grey.channels, 1)
        for example, other in zip(examples, others, strict=True):
            with Image.open(io.BytesIO(other["image"])) as opened:
                expected = np.asarray(opened.convert("RGB").convert("L"))
            np.testing.assert_array_equal(example["image"][..., 0], expected)

    def test_other_channels(self):
        data_dir = self._mock_builder("mnist", train=5)
        for name in ("mnist", "glyphs"):
            with self.assertRaisesRegex(
                ValueError, f"channels must be 1 .*'{name}'.*channels=4"
            ):
                image_source(name, data_dir, channels=4)

    def test_label_counts_of_imagenette(self):
        data_dir = str(shared("tfds"))
        source = image_source("imagenette/320px-v2", data_dir)
        counts = source.label_counts("validation")
        spec = source.label_dataset("validation").element_spec
        self.assertCountEqual(spec, ["label", "id"])
        # Those of the files in each folder of the published archive.
        expected = [387, 395, 357, 386, 409, 394, 389, 419, 399, 390]
        self.assertEqual(counts.tolist(), expected)
        labels = [e["label"] for e in _read(source, "train[-1%:]")]
        np.testing.assert_array_equal(
            source.label_counts("train[-1%:]"),
            np.bincount(labels, minlength=10),
        )

    @parameterized.named_parameters(
        ("real", "imagenet2012_real", "real_label"),
        ("multilabel", "imagenet2012_multilabel", "correct_multi_labels"),
    )
    def test_sets_of_acceptable_classes(self, name, feature):
        data_dir = self._mock_builder(name, validation=4)
        sets = [[3], [], [0, 999, 17], [5, 5]]

        def examples(builder, *args, **kwargs):
            photo = tf.io.encode_jpeg(tf.zeros((4, 5, 3), tf.uint8))
            return tf.data.Dataset.from_generator(
                lambda: (
                    {
                        "image": photo.numpy(),
                        feature: classes,
                        "tfds_id": f"validation__{index}",
                    }
                    for index, classes in enumerate(sets)
                ),
                output_signature={
                    "image": tf.TensorSpec((), tf.string),
                    feature: tf.TensorSpec((None,), tf.int64),
                    "tfds_id": tf.TensorSpec((), tf.string),
                },
            )

        with tfds.testing.mock_data(
            num_examples=4, data_dir=data_dir, as_dataset_fn=examples
        ):
            source = image_source(name, data_dir)
            read = _read(source, "validation")
            counts = source.label_counts("validation")
        self.assertTrue(source.any_of)
        self.assertFalse(source.multi_label)
        self.assertEqual(
            source.labels, tuple(label_names.imagenet_labels().values())
        )
        for example, classes in zip(read, sets, strict=True):
            self.assertEqual(example["label"].dtype, np.float32)
            self.assertEqual(example["label"].shape, (1000,))
            found = np.flatnonzero(example["label"])
            self.assertEqual(found.tolist(), sorted(set(classes)))
            self.assertLessEqual(example["label"].max(), 1)
        self.assertEqual(np.flatnonzero(counts).tolist(), [0, 3, 5, 17, 999])

    def test_sets_that_tfds_itself_mocks(self):
        data_dir = self._mock_builder("imagenet2012_real", validation=4)
        with tfds.testing.mock_data(num_examples=4, data_dir=data_dir):
            source = image_source("imagenet2012_real", data_dir)
            read = _read(source, "validation")
        self.assertLen(read, 4)
        for example in read:
            self.assertEqual(example["label"].shape, (1000,))
            self.assertContainsSubset(np.unique(example["label"]), (0, 1))

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
            pixels = tf.io.decode_jpeg(example["image"], channels=3)
            np.testing.assert_array_equal(pixels, other["image"])
            self.assertEqual(example["label"], other["label"])
        self.assertEqual(
            [example["id"] for example in examples],
            _read_ids(source.dataset("validation"), 100, 4),
        )

    def test_unknown_dataset_lists_close_names(self):
        with self.assertRaisesRegex(
            ValueError, "imagenette.*Received: dataset='imagenete/320px-v2'"
        ):
            image_source("imagenete/320px-v2")

    @parameterized.parameters("glyph", "gliphs")
    def test_misspelt_glyphs(self, name):
        with self.assertRaisesRegex(ValueError, "Close names:.* glyphs"):
            image_source(name)

    @parameterized.parameters(
        *("", "../x", "a b", "imagenette/5px", "mnist:9.9.9", "x" * 10_000)
    )
    def test_wrong_name_is_one_line(self, name):
        with self.assertRaisesRegex(ValueError, "^dataset must .*$") as caught:
            image_source(name, self.enterContext(tempfile.TemporaryDirectory()))
        self.assertNotIn("\n", str(caught.exception))

    def test_unknown_configuration_lists_those_there_are(self):
        with self.assertRaisesRegex(
            ValueError, "full-size-v2, 320px-v2, 160px-v2"
        ):
            image_source("imagenette/5px")

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


if __name__ == "__main__":
    absltest.main()
