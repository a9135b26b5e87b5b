"""A dataset of TFDS whose files are damaged is refused in words."""

import os
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.datasets import image_source
from bagnet_tf.datasets.batches import corrupt_images_named, evaluation_batches
from tests.tfds_helpers import (
    DATASET,
    LABELS,
    NUM_PHOTOS,
    RECORDS,
    read_records,
    with_label,
    write_records,
    write_tfds,
)

_NOT_WHOLE = (
    f"^dataset '{DATASET}' must have all its files, whole, with labels of its "
    "classes. Received: "
)


class TfdsFilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.data_dir = pathlib.Path(folder)
        self.folder = write_tfds(self.data_dir)

    def _source(self, **options):
        return image_source(DATASET, str(self.data_dir), **options)

    def _batches(self, **options):
        source = self._source(**options)
        with corrupt_images_named(source, "validation"):
            return list(
                evaluation_batches(source, "validation", (24, 24), batch_size=2)
            )

    def _replace(self, file, old, new):
        path = self.folder / file
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def _refused_everywhere(self, message):
        """By whoever reads images, labels, or looks for corrupt images."""
        for read in (
            self._batches,
            lambda: self._source().label_counts("validation"),
            lambda: self._batches(skip_corrupt=True),
        ):
            with self.assertRaisesRegex(ValueError, message) as caught:
                read()
            self.assertNotIn("\n", str(caught.exception))

    def test_whole(self):
        self.assertEqual(self._source().labels, LABELS)
        np.testing.assert_array_equal(
            self._source().label_counts("validation"), [2, 1]
        )
        self.assertEqual(sum(len(b["id"]) for b in self._batches()), NUM_PHOTOS)

    def test_records_that_are_cut_off(self):
        content = (self.folder / RECORDS).read_bytes()
        (self.folder / RECORDS).write_bytes(content[:-500])
        self._refused_everywhere(f"{_NOT_WHOLE}DataLossError: truncated")

    def test_records_with_a_wrong_byte(self):
        content = bytearray((self.folder / RECORDS).read_bytes())
        content[700] ^= 1
        (self.folder / RECORDS).write_bytes(content)
        self._refused_everywhere(f"{_NOT_WHOLE}DataLossError: corrupted")

    def test_records_that_are_gone(self):
        (self.folder / RECORDS).unlink()
        self._refused_everywhere(f"{_NOT_WHOLE}NotFoundError: .*{RECORDS}")

    def test_fewer_records_than_there_should_be(self):
        self._replace("dataset_info.json", f'"{NUM_PHOTOS}"', '"7"')
        self._refused_everywhere(f"{_NOT_WHOLE}.* contain 7 elements")

    @parameterized.parameters(
        (lambda example: example[:-100], "a record that is no example$"),
        (lambda example: b"\xde\xad", "a record that is no example$"),
        (lambda example: b"", "InvalidArgumentError: Feature: .* is required"),
    )
    def test_a_record_of_something_else(self, change, message):
        *examples, last = read_records(self.folder)
        write_records(self.folder, [*examples, change(last)])
        self._refused_everywhere(_NOT_WHOLE + message)

    @parameterized.parameters(2, -1, 2**40)
    def test_a_label_of_no_class(self, label):
        *examples, last = read_records(self.folder)
        write_records(self.folder, [*examples, with_label(last, label)])
        self._refused_everywhere(f"{_NOT_WHOLE}.*of no class:. .{label}")

    @parameterized.parameters(
        ("dataset_info.json", "{"),
        ("features.json", "{}"),
        ("features.json", ""),
    )
    def test_description_of_no_sense(self, file, content):
        (self.folder / file).write_text(content)
        message = f"^dataset '{DATASET}' must be whole in '.*', with .*Received"
        with self.assertRaisesRegex(ValueError, message):
            self._source()

    def test_name_of_a_file_of_no_sense(self):
        self._replace("dataset_info.json", "{SPLIT}", "{X}")
        with self.assertRaisesRegex(ValueError, _NOT_WHOLE):
            self._batches()


class KnownDatasetTest(absltest.TestCase):
    """One that TFDS has a builder of."""

    def test_description_of_no_sense(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder, "imagenette", "320px-v2", "1.0.0")
        path.mkdir(parents=True)
        (path / "dataset_info.json").write_text("{")
        message = "^dataset 'imagenette/320px-v2' must be whole in '.*imagenett"
        with self.assertRaisesRegex(ValueError, message):
            image_source("imagenette/320px-v2", folder)

    def test_folder_that_is_missing(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        data_dir = f"{folder}/mistyped"
        message = f"^data_dir must be an existing folder.*Received.*{data_dir}"
        with self.assertRaisesRegex(ValueError, message):
            image_source("imagenette/320px-v2", data_dir)
        self.assertEmpty(os.listdir(folder))


if __name__ == "__main__":
    absltest.main()
