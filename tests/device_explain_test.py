"""Is a photo explained on a device as by the model, without TensorFlow?"""

import dataclasses
import json
import sys
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.photos import evaluation_transform
from export.client.metadata import read_metadata
from export.client.picture import draw_evidence
from export.device.litert_model import LiteRTModel, metadata_of
from tests.device_helpers import (
    FURTHER_SIZE,
    MODEL,
    ROOT,
    DeviceTestCase,
    exported,
    keras_answer,
)
from tests.export_helpers import SIZE, random_images


class LiteRTModelTest(DeviceTestCase):
    @parameterized.parameters(
        ("float32", MODEL, SIZE, None),
        ("float32", "litert/model_33x37.tflite", FURTHER_SIZE, 2),
        ("uint8", MODEL, SIZE, 1),
    )
    def test_says_what_the_model_says(self, input_type, path, size, threads):
        path = exported(input_type) / path
        model = LiteRTModel(path, metadata_of(path), threads)
        self.assertEqual(model.input_size, size)
        image = random_images(1, size)[0]
        for found, expected in zip(
            model(image), keras_answer(image), strict=True
        ):
            self.assertEqual(found.dtype, np.float32)
            np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_without_litert(self):
        path = exported("float32") / MODEL
        with mock.patch.dict(sys.modules, {"ai_edge_litert.interpreter": None}):
            with self.assertRaisesRegex(
                ValueError, "needs LiteRT: pip install ai-edge-litert"
            ):
                LiteRTModel(path, metadata_of(path))

    def test_metadata_of_another_size(self):
        copy = self._copy()
        path = copy / "metadata.json"
        content = json.loads(path.read_text())
        content["formats"]["litert"]["input_size"] = [21, 27]
        path.write_text(json.dumps(content))
        with self.assertRaisesRegex(
            ValueError, r"shape \(1, 21, 27, 3\).*of shape \(1, 21, 26, 3\)"
        ):
            LiteRTModel(copy / MODEL, read_metadata(copy))

    def test_metadata_of_other_labels(self):
        path = exported("float32") / MODEL
        metadata = metadata_of(path)
        metadata = dataclasses.replace(metadata, labels=metadata.labels[1:])
        model = LiteRTModel(path, metadata)
        with self.assertRaisesRegex(ValueError, "4 classes of the metadata"):
            model(random_images(1, SIZE)[0])


class CommandTest(DeviceTestCase):
    @parameterized.parameters("float32", "uint8")
    def test_explains_without_tensorflow(self, input_type):
        path = exported(input_type) / MODEL
        classes = "--class_ids=3,class 1"
        done = self._run(path, f"--output={self.output}", classes)
        self.assertEqual(done.returncode, 0, done.stderr)
        image = evaluation_transform(self.photo, SIZE)[0]
        logits, patch_logits = keras_answer(image)
        powers = np.exp(logits.astype(np.float64))
        found = powers / powers.sum()
        best = int(found.argmax())
        self.assertEqual(
            done.stdout.splitlines(),
            [
                f"class {best} (p = {found[best]:.3f})",
                f"  p = {found[3]:.3f}, logit {logits[3]:.3f}: class 3",
                f"  p = {found[1]:.3f}, logit {logits[1]:.3f}: class 1",
                f"Picture: {self.output}",
                "heavy: []",
            ],
        )
        wanted = draw_evidence(
            image,
            patch_logits,
            read_metadata(exported(input_type)),
            [3, 1],
            source="photo.png",
        )
        shown = Image.open(self.output)
        self.assertEqual(shown.size, wanted.size)
        difference = np.abs(np.asarray(shown, int) - np.asarray(wanted, int))
        # But for the additivity error in the footer.
        self.assertLess(difference[:-80].mean(), 0.05)

    def test_numbers_for_a_program(self):
        path = exported("float32") / MODEL
        done = self._run(
            path, f"--output={self.output}", "--class_ids=3,class 1", "--json"
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"Picture: {self.output}", done.stderr)
        content = json.loads(done.stdout.removesuffix("heavy: []\n"))
        logits, _ = keras_answer(evaluation_transform(self.photo, SIZE)[0])
        powers = np.exp(logits.astype(np.float64))
        found = powers / powers.sum()
        best = int(found.argmax())
        classes = content.pop("classes")
        self.assertEqual(
            content,
            {
                "model": str(path),
                "image": str(self.image),
                "picture": str(self.output),
                "verdict": f"class {best} (p = {found[best]:.3f})",
            },
        )
        shown = [(one["class_id"], one["label"]) for one in classes]
        self.assertEqual(shown, [(3, "class 3"), (1, "class 1")])
        for key, expected in (("logit", logits), ("probability", found)):
            np.testing.assert_allclose(
                [one[key] for one in classes], expected[[3, 1]], atol=1e-4
            )

    def test_draws_three_classes_by_default_and_names_the_metadata(self):
        export = exported("float32")
        done = self._run(
            export / MODEL,
            f"--output={self.output}",
            f"--metadata={export / 'metadata.json'}",
            "--num_threads=1",
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        logits = keras_answer(evaluation_transform(self.photo, SIZE)[0])[0]
        ranked = [f"class {i}" for i in np.argsort(-logits)[:3]]
        lines = done.stdout.splitlines()[1:4]
        self.assertEqual([line.split(": ")[1] for line in lines], ranked)

    def test_overwrite(self):
        self.output.write_text("old")
        path = exported("float32") / MODEL
        done = self._run(path)
        self._check_refusal(done, "output exists; --overwrite replaces it")
        self.assertEqual(self.output.read_text(), "old")
        done = self._run(path, f"--output={self.output}", "--overwrite")
        self.assertEqual(done.returncode, 0, done.stderr)
        Image.open(self.output).verify()

    def test_truncated_model(self):
        path = self._copy() / MODEL
        path.write_bytes(path.read_bytes()[:-1000])
        self._check_refusal(self._run(path), "bytes that metadata.json says")

    def test_another_model(self):
        path = self._copy() / MODEL
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        self._check_refusal(self._run(path), "sha256.*damaged, or another")

    def test_metadata_of_another_export(self):
        metadata = exported("uint8") / "metadata.json"
        done = self._run(
            exported("float32") / MODEL,
            f"--output={self.output}",
            f"--metadata={metadata}",
        )
        self._check_refusal(done, "must lie in the export")

    def test_wrong_label_count(self):
        copy = self._copy()
        metadata = copy / "metadata.json"
        content = json.loads(metadata.read_text())
        del content["labels"][-1]
        metadata.write_text(json.dumps(content))
        self._check_refusal(
            self._run(copy / MODEL), "4 classes of the metadata.*another model"
        )

    def test_damaged_metadata(self):
        copy = self._copy()
        metadata = copy / "metadata.json"
        metadata.write_text(metadata.read_text()[:-40])
        self._check_refusal(self._run(copy / MODEL), "whole JSON file")

    def test_without_metadata(self):
        copy = self._copy()
        (copy / "metadata.json").unlink()
        self._check_refusal(self._run(copy / MODEL), "--metadata must name")

    def test_a_file_that_litert_cannot_run(self):
        copy = self._copy()
        labels = (copy / "labels.txt").read_bytes()
        metadata = copy / "metadata.json"
        content = json.loads(metadata.read_text())
        content["files"][MODEL] = content["files"]["labels.txt"]
        metadata.write_text(json.dumps(content))
        (copy / MODEL).write_bytes(labels)
        self._check_refusal(self._run(copy / MODEL), "file that LiteRT runs")

    def test_a_file_without_evidence(self):
        path = exported("float32") / "litert/model_mediapipe.tflite"
        self._check_refusal(self._run(path), "gives no evidence")

    def test_no_model(self):
        self._check_refusal(
            self._run(self.folder / "no.tflite"), "model must be an existing"
        )

    @parameterized.named_parameters(
        ("empty", b"", "it is empty"),
        ("text", b"hello", "whole file of a format"),
        ("truncated", b"\x89PNG\r\n\x1a\n" + b"0" * 40, "whole file"),
    )
    def test_no_image(self, content, reason):
        self.image.write_bytes(content)
        path = exported("float32") / MODEL
        self._check_refusal(self._run(path), reason)

    @parameterized.named_parameters(
        (
            "class",
            ["--output=o.png", "--class_ids=bird"],
            "class_ids must be names",
        ),
        ("text", ["--output=o.txt"], "must end like a picture"),
        ("folder", ["--output=no/such/o.png"], "in an existing folder"),
        ("threads", ["--output=o.png", "--num_threads=0"], "num_threads"),
        ("no_output", ["--num_threads=1"], "output"),
    )
    def test_flags(self, flags, reason):
        path = exported("float32") / MODEL
        self._check_refusal(self._run(path, *flags), reason)
        self.assertFalse((ROOT / "o.png").exists())

    def test_the_image_is_not_replaced(self):
        path = exported("float32") / MODEL
        before = self.image.read_bytes()
        done = self._run(path, f"--output={self.image}", "--overwrite")
        self._check_refusal(done, "neither the image nor the model")
        self.assertEqual(self.image.read_bytes(), before)

    def _check_refusal(self, done, reason):
        """One line, status 2, nothing written, and no TensorFlow either."""
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        lines = [
            line
            for line in done.stderr.splitlines()
            if not line.startswith("INFO: ")  # LiteRT's own.
        ]
        self.assertLen(lines, 1, done.stderr)
        self.assertRegex(lines[0], f"^explain-litert: .*{reason}")
        self.assertEqual(done.stdout.splitlines(), ["heavy: []"])
        left = {path.name for path in self.folder.iterdir()}
        self.assertLessEqual(left, {"photo.png", "export", "explained.png"})
        if self.output.exists():
            self.assertEqual(self.output.read_text(), "old")


if __name__ == "__main__":
    absltest.main()
