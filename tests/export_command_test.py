"""The command `export` exports whole, or says in one line why not."""

import dataclasses
import json
import os
import pathlib
import subprocess
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.model_info import ModelInfo
from export import main
from export.formats import KITS
from tests.commands_here import as_flags, run_here
from tests.export_helpers import (
    SIZE,
    TemporaryFolderTest,
    glyph_answer,
    tiny_model,
    tiny_tflite,
    writes_instead,
)
from tests.forked_python import forked_python

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_LABELS = ("ant", "bee", "cat", "dog", "élan")


class CommandTest(TemporaryFolderTest):
    def setUp(self):
        super().setUp()
        self.model_path = self.folder / "model.keras"
        model = tiny_model()
        model.save(self.model_path)
        ModelInfo(SIZE, _LABELS).save(model, self.model_path)
        self.before = self.names()

    def _flags(self, **values):
        values = {
            "model": self.model_path,
            "output": self.output,
            "num_verification_images": 3,
            "verification_split": "validation[:3]",
            **values,
        }
        return as_flags(**values)

    def _main(self, **values):
        return run_here(main, *self._flags(**values))

    def _answer(self, **values):
        """The exit status, and what --json prints for a program."""
        ran = self._main(json=True, **values)
        return ran.status, json.loads(ran.printed)

    def _metadata(self):
        return json.loads((self.output / "metadata.json").read_text())

    def _subprocess(self, **values):
        return subprocess.run(
            [*forked_python(), "-m", "export.main", *self._flags(**values)],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
        )

    def test_command_exports(self):
        result = self._subprocess(formats="litert")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("litert/model.tflite", result.stdout)
        self.assertEqual(self.names(), ["exported", *self.before])

    def test_has_the_name_of_its_run(self):
        with writes_instead(tiny_tflite()):
            self.assertEqual(self._main(formats="litert").status, 0)
        self.assertEqual(self._metadata()["model"], self.folder.name)

    def test_a_version_for_tf_serving(self):
        base = self.folder / "models"
        status, answer = self._answer(
            formats="saved_model", saved_model_base=base, model_name="my model"
        )
        self.assertEqual(status, 0)
        self.assertEqual(self._metadata()["model"], "my model")
        self.assertEqual(answer["output"], str(self.output))
        self.assertEqual(answer["saved_model_version"], str(base / "1"))
        [record] = answer["artefacts"]
        files = (self.output / "saved_model").rglob("*")
        sizes = [path.stat().st_size for path in files if path.is_file()]
        self.assertEqual(record["bytes"], sum(sizes))
        for name in ("saved_model.pb", "variables/variables.index"):
            self.assertEqual(
                (base / "1" / name).read_bytes(),
                (self.output / "saved_model/1" / name).read_bytes(),
            )

    def test_a_mistake_is_one_line_and_status_2(self):
        labels = self.folder / "names.txt"
        labels.write_text("ant\nbee\n")
        result = self._subprocess(labels=labels)
        self.assertEqual(result.returncode, 2)
        self.assertEqual(
            result.stderr,
            "export: labels must be 5 names, one a class. Received: 2 labels\n",
        )
        self.assertFalse(self.output.exists())

    def test_a_mismatch_is_status_1(self):
        with writes_instead(tiny_tflite(seed=1)):
            self.assertEqual(self._main(formats="litert").status, 1)
        self.assertEqual(self.names(), self.before)

    def test_numbers_of_a_mismatch_for_a_program(self):
        with writes_instead(tiny_tflite(seed=1)):
            status, answer = self._answer(formats="litert")
        self.assertEqual(
            (status, answer["passed"], answer["output"]), (1, False, None)
        )
        [record] = answer["artefacts"]
        self.assertEqual(record["artefact"], "litert/model.tflite")
        self.assertEqual(record["bytes"], len(tiny_tflite(seed=1)))
        self.assertFalse(record["passed"])
        ours, others = (glyph_answer(tiny_model(seed), 3) for seed in (0, 1))
        for name in ("logits", "patch_logits"):
            np.testing.assert_allclose(
                record["errors"][f"patch_logits.{name}"],
                np.abs(ours[name] - others[name]).max(),
                rtol=1e-4,
            )
        np.testing.assert_allclose(
            record["largest_logit"], np.abs(ours["logits"]).max(), rtol=1e-5
        )

    def test_a_kit_that_does_not_work_is_status_1(self):
        def write(folder, metadata, images):
            raise RuntimeError("Warm-up: no request to patch_logits.")

        kit = dataclasses.replace(KITS["serving"], write=write)
        with mock.patch.dict(KITS, {"serving": kit}):
            self.assertEqual(
                self._main(formats="saved_model,serving").status, 1
            )
        self.assertEqual(self.names(), self.before)

    @parameterized.parameters(
        ({"labels": "missing.txt"}, "labels must be a text file"),
        ({"model": "missing.keras"}, "existing .keras file"),
        ({"formats": "torch"}, "saved_model, litert"),
        ({"image_size": 4}, "image_size must"),
        ({"num_verification_images": 4}, "must be at most 3"),
        ({"verification_split": "no"}, "^verification_dataset: split must be"),
        (
            {"further_image_sizes": "64,big"},
            "must be sides in pixels",
        ),
        (
            {"further_image_sizes": "4", "formats": "litert"},
            "large as the receptive field",
        ),
        ({"precision": "float16"}, "precision must be one of float32, bf"),
        ({"input_type": "int8"}, "input_type must be one of float32, uint8"),
        ({"formats": "litert_int8"}, "calibration_dataset must"),
        ({"robust_patch_size": "4,8"}, "robust_patch_size must be pixels"),
        ({"robust_patch_size": "4x27"}, "must fit into the image, 21x26 pi"),
        (
            {"robust_patch_size": "4", "formats": "mediapipe"},
            "robust_patch_size must be left out without",
        ),
        (
            {"formats": "litert", "saved_model_base": "models"},
            "saved_model for --saved_model_base",
        ),
        (
            {"formats": "litert_int8", "calibration_dataset": "glyph"},
            "glyphs",
        ),
    )
    def test_refusals(self, values, message):
        with self.assertRaisesRegex(ValueError, message):
            self._main(**values)
        self.assertEqual(self.names(), self.before)


if __name__ == "__main__":
    absltest.main()
