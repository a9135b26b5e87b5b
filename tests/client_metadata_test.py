"""Does a client refuse what is not the export that it was given?"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from export.client.metadata import check_file, read_metadata
from tests.client_helpers import (
    GRID,
    LABELS,
    SIZE,
    metadata_content,
    write_export,
)

_MODULES = ("canvas", "decision", "fonts", "maps", "metadata", "photos")


class ImportTest(absltest.TestCase):
    def test_neither_tensorflow_nor_matplotlib_is_needed(self):
        imports = ", ".join(f"export.client.{name}" for name in _MODULES)
        program = (
            f"import sys, export.client.picture, {imports}\n"
            "heavy = {'tensorflow', 'keras', 'matplotlib', 'absl'}\n"
            "print(sorted(heavy & sys.modules.keys()))"
        )
        root = pathlib.Path(__file__).resolve().parents[1]
        found = subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(found.stdout.strip(), "[]")


class MetadataTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "metadata.json"

    def _write(self, content):
        self.path.write_text(json.dumps(content), encoding="utf-8")

    def test_what_is_read(self):
        formats = {
            "saved_model": {"path": "saved_model/1"},
            "litert_int8": {
                "path": "litert/model_int8.tflite",
                "input_size": [33, 37],
                "input_dtype": "uint8",
            },
        }
        metrics = {"operating_points": [{"class_id": 2, "threshold": 0.25}]}
        for path in (self.folder, self.path):
            write_export(
                self.folder,
                {"a/b.txt": b"ab"},
                formats=formats,
                metrics=metrics,
            )
            found = read_metadata(path)
            self.assertEqual(found.folder, self.folder)
            self.assertEqual(found.labels, LABELS)
            self.assertEqual((found.input_size, found.channels), (SIZE, 3))
            self.assertTrue(found.any_size)
            self.assertEqual((found.receptive_field, found.stride), (5, 4))
            self.assertEqual(found.grid_shape(), GRID)
            self.assertEqual(found.grid_shape((9, 13)), (2, 3))
            self.assertEqual(found.thresholds, {2: 0.25})
            saved_model = found.format_of("saved_model/1")
            self.assertEqual(saved_model.input_size, SIZE)
            self.assertEqual(saved_model.input_dtype, "float32")
            int8 = found.formats["litert_int8"]
            self.assertEqual(int8, found.format_of("litert/model_int8.tflite"))
            self.assertEqual(int8.input_size, (33, 37))
            self.assertEqual(int8.input_dtype, "uint8")
            self.assertEqual(found.files["a/b.txt"].size, 2)

    def test_a_path_of_no_format(self):
        formats = {"litert": {"path": "litert/model.tflite"}}
        metadata = write_export(self.folder, formats=formats)
        with self.assertRaisesRegex(
            ValueError, "lists: litert/model.tflite. Received: file='x.tflite'"
        ):
            metadata.format_of("x.tflite")

    def test_missing(self):
        with self.assertRaisesRegex(
            ValueError, "metadata must be an existing.*Received: metadata='.*'"
        ):
            read_metadata(self.folder)

    @parameterized.named_parameters(
        ("empty", b""),
        ("truncated", json.dumps(metadata_content()).encode()[:200]),
        ("binary", b"\xff\xfe\x00TFL3"),
        ("page", b"<!DOCTYPE html><html></html>"),
    )
    def test_no_json(self, content):
        self.path.write_bytes(content)
        with self.assertRaisesRegex(
            ValueError, "whole JSON file.*Received: metadata='.*metadata.json'"
        ):
            read_metadata(self.folder)

    @parameterized.named_parameters(
        ("a_list", [1, 2]),
        ("of_another_program", {"name": "model"}),
        ("words", metadata_content(format_version="2")),
    )
    def test_other_json(self, content):
        self._write(content)
        with self.assertRaisesRegex(ValueError, "without a format_version"):
            read_metadata(self.folder)

    @parameterized.parameters((1, "export the model again"), (3, "newer"))
    def test_of_another_version(self, version, advice):
        self._write(metadata_content(format_version=version))
        with self.assertRaisesRegex(
            ValueError, f"{advice}.*of format_version {version}"
        ):
            read_metadata(self.folder)

    # fmt: off
    @parameterized.named_parameters(
        ("no_labels", {"labels": []}, "labels are no list of names"),
        ("labels_in_one_word", {"labels": "bee"}, "labels are no list"),
        ("labels_of_numbers", {"labels": [1, 2]}, "labels are no list"),
        ("head", {"head": "relu"}, "head must be one of"),
        ("no_size", {"input": {"channels": 3, "any_size": True}},
         "it lacks 'size'"),
        ("size", {"input": {"size": [21, 0], "channels": 3, "any_size": True}},
         "0 is no positive whole number"),
        ("geometry", {"geometry": None}, ""),
        ("grid", {"geometry": {"receptive_field": 5, "stride": 4,
                               "grid_shape": [6, 5]}},
         r"a grid of \(5, 6\) patches lies in its images, not \(6, 5\)"),
        ("smaller_than_a_patch",
         {"geometry": {"receptive_field": 50, "stride": 4,
                       "grid_shape": [6, 5]}}, "receptive field"),
        ("formats_of_version_1", {"formats": {"litert": "model.tflite"}}, ""),
        ("file", {"files": {"a": {"bytes": 3}}}, "it lacks 'sha256'"),
        ("infinite_file", {"files": {"a": {"bytes": np.inf, "sha256": ""}}},
         "infinity"),
    )
    # fmt: on
    def test_garbled(self, changes, reason):
        self._write(metadata_content(**changes))
        with self.assertRaisesRegex(
            ValueError,
            f"what an export wrote .*{reason}.*Received: metadata='.*json'",
        ):
            read_metadata(self.folder)

    def test_quotes_no_more_than_is_read(self):
        geometry = metadata_content()["geometry"] | {"grid_shape": "x" * 10**5}
        self._write(metadata_content(geometry=geometry))
        with self.assertRaises(ValueError) as caught:
            read_metadata(self.folder)
        self.assertLess(len(str(caught.exception)), 1_000)


class CheckFileTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.metadata = write_export(self.folder, {"litert/a.bin": b"content"})
        self.path = self.folder / "litert" / "a.bin"

    def test_the_file_itself(self):
        self.assertEqual(check_file(self.metadata, "litert/a.bin"), self.path)

    def test_truncated(self):
        self.path.write_bytes(b"conten")
        with self.assertRaisesRegex(
            ValueError, "7 bytes.*not whole.*a.bin' of 6 bytes"
        ):
            check_file(self.metadata, "litert/a.bin")

    def test_one_bit_differs(self):
        self.path.write_bytes(b"contenu")
        expected = hashlib.sha256(b"content").hexdigest()
        found = hashlib.sha256(b"contenu").hexdigest()
        with self.assertRaisesRegex(
            ValueError, f"says, {expected}.*a.bin' with {found}"
        ):
            check_file(self.metadata, "litert/a.bin")

    def test_missing(self):
        self.path.unlink()
        with self.assertRaisesRegex(ValueError, "must exist.*a.bin"):
            check_file(self.metadata, "litert/a.bin")

    def test_not_listed(self):
        (self.folder / "b.bin").write_bytes(b"content")
        with self.assertRaisesRegex(ValueError, "whose hash.*'b.bin'"):
            check_file(self.metadata, "b.bin")


if __name__ == "__main__":
    absltest.main()
