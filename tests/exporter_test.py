"""An export is whole, and equal to the model, or it is not there."""

import dataclasses
import errno
import hashlib
import json
import os
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from ai_edge_litert.interpreter import Interpreter

from bagnet_tf.model_info import ModelInfo
from export import exporter
from export.exporter import export_model
from export.formats import FORMATS, KITS, check_formats
from export.report import format_table
from tests.export_helpers import (
    CLASSES,
    SIZE,
    TemporaryFolderTest,
    batches,
    request,
    tiny_model,
    tiny_tflite,
    writes_instead,
)

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_LABELS = ("ant", "bee", "cat", "dog", "élan")
_INFO = ModelInfo(SIZE, _LABELS, {"top1": 0.5})


class ExportModelTest(TemporaryFolderTest):
    def _export(self, content, overwrite=False):
        """Exports the model where the LiteRT writer writes `content`."""
        with writes_instead(content):
            return export_model(
                request(info=_INFO),
                self.output,
                ["litert"],
                batches,
                overwrite=overwrite,
            )

    def test_whole_export(self):
        result = export_model(
            request(info=_INFO),
            self.output,
            ["saved_model", "litert"],
            batches,
        )
        self.assertTrue(result.passed)
        self.assertEqual(self.names(), ["exported"])
        files = {
            path.relative_to(self.output).as_posix(): path
            for path in self.output.rglob("*")
            if path.is_file()
        }
        self.assertIn("saved_model/1/saved_model.pb", files)
        self.assertIn("litert/model.tflite", files)
        labels = files["labels.txt"].read_text("utf-8").splitlines()
        self.assertEqual(labels, list(_LABELS))

        metadata = json.loads(files.pop("metadata.json").read_text("utf-8"))
        self.assertEqual(metadata["labels"], list(_LABELS))
        self.assertEqual(metadata["metrics"], {"top1": 0.5})
        self.assertEqual(metadata["input"]["size"], list(SIZE))
        self.assertEqual(
            metadata["geometry"],
            {
                "receptive_field": 5,
                "stride": 4,
                "grid_shape": [5, 6],
                "unseen_margin": [0, 1],
            },
        )
        hashes = {k: v["sha256"] for k, v in metadata["files"].items()}
        self.assertEqual(
            hashes,
            {
                name: hashlib.sha256(path.read_bytes()).hexdigest()
                for name, path in files.items()
            },
        )
        for verification in metadata["verification"]:
            self.assertTrue(verification["passed"])
            self.assertEqual(verification["num_images"], 5)
            self.assertEqual(verification["decision_agreement"], 1)

    def test_further_sizes(self):
        result = export_model(
            request(info=_INFO),
            self.output,
            ["litert"],
            batches,
            [(33, 17), (9, 9)],
        )
        self.assertTrue(result.passed)
        metadata = json.loads((self.output / "metadata.json").read_text())
        self.assertEqual(
            metadata["formats"]["litert_33x17"],
            {
                "path": "litert/model_33x17.tflite",
                "input_size": [33, 17],
                "input_dtype": "float32",
                "grid_shape": [8, 4],
                "unseen_margin": [0, 0],
            },
        )
        path = self.output / "litert/model_9x9.tflite"
        runner = Interpreter(str(path)).get_signature_runner("patch_logits")
        image = runner.get_input_details()["image"]
        self.assertEqual(image["shape"].tolist(), [1, 9, 9, 3])
        self.assertEqual(
            [v["artefact"] for v in metadata["verification"]],
            [
                "litert/model.tflite",
                "litert/model_33x17.tflite",
                "litert/model_9x9.tflite",
            ],
        )

    def test_another_models_file_leaves_nothing(self):
        result = self._export(tiny_tflite(seed=1))
        self.assertFalse(result.passed)
        self.assertEqual(self.names(), [])
        (verification,) = result.verifications
        self.assertGreater(verification.patch_logits_error, 0.1)
        self.assertIsNone(verification.problem)
        table = format_table(result.verifications, result.sizes)
        self.assertIn("FAILED", table)

    def test_another_models_saved_model_fails(self):
        kind = FORMATS["saved_model"]

        def write(wanted, path):
            another = tiny_model(classes=CLASSES + 1)
            kind.write(dataclasses.replace(wanted, model=another), path)

        changed = dataclasses.replace(kind, write=write)
        with mock.patch.dict(FORMATS, {"saved_model": changed}):
            result = export_model(
                request(info=_INFO), self.output, ["saved_model"], batches
            )
        self.assertFalse(result.passed)
        self.assertEqual(result.verifications[0].logits_error, np.inf)
        self.assertEqual(self.names(), [])

    @parameterized.parameters(0, 100, len)
    def test_truncated_tflite_fails(self, num_bytes):
        if callable(num_bytes):
            num_bytes = num_bytes(tiny_tflite()) - 2000
        result = self._export(tiny_tflite()[:num_bytes])
        self.assertFalse(result.passed)
        self.assertIsNotNone(result.verifications[0].problem)
        self.assertEqual(self.names(), [])

    def test_failed_overwrite_keeps_what_was_there(self):
        self._export(tiny_tflite())
        before = (self.output / "metadata.json").read_bytes()
        self.assertFalse(
            self._export(tiny_tflite(seed=1), overwrite=True).passed
        )
        self.assertEqual(self.names(), ["exported"])
        self.assertEqual((self.output / "metadata.json").read_bytes(), before)

    def test_overwrite_replaces_the_whole_folder(self):
        self._export(tiny_tflite())
        (self.output / "stale").touch()
        with self.assertRaisesRegex(ValueError, "--overwrite"):
            self._export(tiny_tflite())
        self.assertTrue(self._export(tiny_tflite(), overwrite=True).passed)
        self.assertEqual(self.names(), ["exported"])
        self.assertFalse((self.output / "stale").exists())

    def test_a_folder_that_cannot_be_renamed_keeps_what_was_there(self):
        self._export(tiny_tflite())
        before = (self.output / "metadata.json").read_bytes()
        rename = pathlib.Path.rename

        def fails_once(path, target):
            if ".tmp-" in path.name and path.name[-1].isdecimal():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return rename(path, target)

        with mock.patch.object(pathlib.Path, "rename", fails_once):
            with self.assertRaisesRegex(OSError, "No space left"):
                self._export(tiny_tflite(), overwrite=True)
        self.assertEqual(self.names(), ["exported"])
        self.assertEqual((self.output / "metadata.json").read_bytes(), before)

    @parameterized.parameters(
        "write_labels", "describe", "write_metadata", "verify"
    )
    def test_a_disk_that_is_full_later_leaves_nothing(self, function):
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch.object(exporter, function, side_effect=full):
            with self.assertRaisesRegex(OSError, "No space left"):
                self._export(tiny_tflite())
        self.assertEqual(self.names(), [])

    def test_a_kit_on_a_full_disk_leaves_nothing(self):
        def write(folder, metadata, images):
            raise tf.errors.ResourceExhaustedError(
                None, None, "warmup; No space left on device"
            )

        kit = dataclasses.replace(KITS["web"], write=write, check=lambda: None)
        with mock.patch.dict(KITS, {"web": kit}), writes_instead(tiny_tflite()):
            with self.assertRaisesRegex(OSError, "web .*No space left"):
                export_model(
                    request(info=_INFO), self.output, ["litert", "web"], batches
                )
        self.assertEqual(self.names(), [])

    @parameterized.parameters(("web", 4), ("web", 2), ("mediapipe", 1))
    def test_channels_are_refused_before_any_work(self, name, channels):
        model = tiny_model(input_shape=(None, None, channels))
        kind = dataclasses.replace(FORMATS["litert"], write=mock.Mock())
        kit = dataclasses.replace(KITS["web"], check=lambda: None)
        with (
            mock.patch.dict(FORMATS, {"litert": kind}),
            mock.patch.dict(KITS, {"web": kit}),
        ):
            with self.assertRaisesRegex(
                ValueError, f"be without {name}.*{channels} channels$"
            ):
                export_model(
                    request(model), self.output, ["litert", name], batches
                )
        kind.write.assert_not_called()

    def test_overwrite_spares_what_is_no_export(self):
        self.output.mkdir()
        (self.output / "thesis.txt").touch()
        with self.assertRaisesRegex(ValueError, "must be an earlier export"):
            exporter.check_output(self.output, overwrite=True)
        self.assertTrue((self.output / "thesis.txt").exists())

    def test_an_error_while_writing_leaves_nothing(self):
        with self.assertRaisesRegex(ValueError, "include_preprocessing=True"):
            export_model(
                request(tiny_model(include_preprocessing=False), _INFO),
                self.output,
                ["litert"],
                batches,
            )
        self.assertEqual(self.names(), [])

    @parameterized.parameters("", "tflite", "litert,tflite")
    def test_unknown_format(self, formats):
        formats = formats.split(",") if formats else []
        with self.assertRaisesRegex(ValueError, "saved_model, litert"):
            check_formats(formats)

    def test_formats_that_lack_something(self):
        with self.assertRaisesRegex(ValueError, "calibration_dataset must"):
            check_formats(["litert_int8"], has_calibration=False)
        with self.assertRaisesRegex(ValueError, "saved_model beside serving"):
            check_formats(["serving", "litert"])
        with self.assertRaisesRegex(ValueError, "formats of a fixed size"):
            check_formats(["saved_model"], [(64, 64)])


if __name__ == "__main__":
    absltest.main()
