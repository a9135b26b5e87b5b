"""Does `export.verify` find what has happened to an export?"""

import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf import Architecture, Stage
from bagnet_tf.model_info import ModelInfo
from export import verify
from export.exporter import export_model
from export.images import real_images
from tests.commands_here import as_flags, run_here
from tests.export_helpers import SIZE, glyph_answer, request, tiny_model
from tests.forked_python import forked_python

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_LABELS = ("ant", "bee", "cat", "dog", "élan")
_INFO = ModelInfo(SIZE, _LABELS)


@functools.cache
def _exported() -> pathlib.Path:
    """An export in two sizes, made once, and its model beside it."""
    folder = pathlib.Path(tempfile.mkdtemp())
    model = tiny_model()
    model.save(folder / "model.keras")
    _INFO.save(model, folder / "model.keras")
    export_model(
        request(
            model,
            _INFO,
            precision="bfloat16",
            input_type="uint8",
            robust_patch_size=(4, 8),
        ),
        folder / "exported",
        ["saved_model", "litert"],
        real_images("glyphs", "validation[:3]", None, 3),
        [(17, 17)],
    )
    return folder


class VerifyTest(parameterized.TestCase):
    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(_exported())

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        shutil.copytree(_exported(), self.folder, dirs_exist_ok=True)
        self.export = self.folder / "exported"

    def _flags(self, **values):
        values = {
            "export": self.export,
            "model": self.folder / "model.keras",
            "num_verification_images": 3,
            "verification_split": "validation[:3]",
            **values,
        }
        return as_flags(**values)

    def _run(self, **values):
        return run_here(verify, *self._flags(**values))

    def _answer(self):
        """The exit status, and what --json prints for a program."""
        ran = self._run(json=True)
        return ran.status, json.loads(ran.printed)

    def test_untouched(self):
        result = subprocess.run(
            [*forked_python(), "-m", "export.verify", *self._flags()],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("files are as they were written", result.stdout)
        for name in ("saved_model/1", "model.tflite", "model_17x17.tflite"):
            self.assertIn(name, result.stdout)
        found = re.findall("robust decisions of certify (.*)%", result.stdout)
        self.assertLen(found, 3)
        self.assertTrue(all(one.startswith("100.0%") for one in found))

    @parameterized.parameters(
        "labels.txt", "litert/model.tflite", "saved_model/1/saved_model.pb"
    )
    def test_a_changed_byte(self, name):
        path = self.export / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        self.assertEqual(self._run().status, 1)

    def test_a_changed_byte_for_a_program(self):
        path = self.export / "labels.txt"
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        content = path.read_bytes().replace(b"bee", b"bug")
        path.write_bytes(content)
        status, answer = self._answer()
        self.assertEqual((status, answer["passed"]), (1, False))
        self.assertEqual(list(answer["changed_files"]), ["labels.txt"])
        reason = answer["changed_files"]["labels.txt"]
        self.assertIn(f"{before}: it is damaged", reason)
        self.assertIn(f"with {hashlib.sha256(content).hexdigest()}", reason)

    def test_numbers_for_a_program(self):
        status, answer = self._answer()
        self.assertEqual((status, answer["passed"]), (0, True))
        self.assertEqual(answer["export"], str(self.export))
        self.assertEqual(answer["changed_files"], {})
        files = [p for p in self.export.rglob("*") if p.is_file()]
        self.assertEqual(answer["num_files"], len(files) - 1)  # The metadata.
        found = {record["artefact"]: record for record in answer["artefacts"]}
        for name, size in (
            ("saved_model/1", SIZE),
            ("litert/model.tflite", SIZE),
            ("litert/model_17x17.tflite", (17, 17)),
        ):
            expected = glyph_answer(tiny_model(), 3, size)
            for key, output in (
                ("largest_logit", "logits"),
                ("largest_patch_logit", "patch_logits"),
            ):
                largest = np.abs(expected[output]).max()
                np.testing.assert_allclose(found[name][key], largest, rtol=1e-5)
            self.assertEqual(found[name]["num_images"], 3)
            sizes = [
                path.stat().st_size
                for path in files
                if str(path).startswith(str(self.export / name))
            ]
            self.assertEqual(found[name]["bytes"], sum(sizes))

    def test_a_truncated_and_a_missing_file(self):
        path = self.export / "litert/model.tflite"
        path.write_bytes(path.read_bytes()[:-100])
        self.assertEqual(self._run().status, 1)
        path.unlink()
        self.assertEqual(self._run().status, 1)

    def test_another_model(self):
        model = tiny_model(seed=1)
        model.save(self.folder / "other.keras")
        _INFO.save(model, self.folder / "other.keras")
        self.assertEqual(self._run(model=self.folder / "other.keras").status, 1)

    def test_a_model_of_other_classes(self):
        model = tiny_model(classes=3)
        model.save(self.folder / "other.keras")
        with self.assertRaisesRegex(ValueError, "3 names.*Received: 5 labels"):
            self._run(model=self.folder / "other.keras")

    def test_a_model_of_other_patches(self):
        other = Architecture("other", (Stage((3,), 4, 2),))
        model = bagnet_tf.BagNet(other, classes=len(_LABELS))
        model.save(self.folder / "other.keras")
        with self.assertRaisesRegex(ValueError, "patches of the export"):
            self._run(model=self.folder / "other.keras")

    def test_metadata_of_another_kind(self):
        path = self.export / "metadata.json"
        path.write_text(json.dumps({"files": {}}))
        with self.assertRaisesRegex(ValueError, "without a format_version"):
            self._run()

    def test_no_export(self):
        with self.assertRaisesRegex(ValueError, "existing metadata.json"):
            self._run(export=self.folder / "nothing")


if __name__ == "__main__":
    absltest.main()
