"""The command `analyze`: its flags, what it prints, what it leaves."""

import json
import pathlib
import subprocess
import tempfile
from unittest import mock

from absl.testing import absltest, parameterized

from bagnet_tf.commands import analyze as command
from bagnet_tf.datasets import image_source
from tests.commands_here import run_here
from tests.forked_python import forked_python
from tests.small_models import tiny_model

_ROOT = pathlib.Path(__file__).resolve().parents[1]


class AnalyzeCommandTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        tiny_model(classes=10).save(cls.folder / "model.keras")
        tiny_model(classes=10).save(cls.folder / "other.keras")
        tiny_model(classes=10, input_shape=(None, None, 1)).save(
            cls.folder / "grey.keras"
        )

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.output = pathlib.Path(folder) / "out"

    def _run(self, experiment, *more, model="model.keras"):
        ran = run_here(
            command,
            experiment,
            *more,
            model=self.folder / model,
            dataset="glyphs",
            output=self.output,
            num_images=3,
        )
        return ran.printed

    def test_prints_numbers_and_files(self):
        printed = self._run("interactions", "--patch_sizes=8,16")
        self.assertIn("num_images: 3\n", printed)
        for kind in ("png", "svg", "csv", "json"):
            path = self.output / f"interactions.{kind}"
            self.assertTrue(path.is_file())
            self.assertIn(str(path), printed)
        content = json.loads((self.output / "interactions.json").read_text())
        self.assertEqual(content["options"], {"patch_sizes": [8, 16]})
        # Any 8 pixels apart: the network sees 5.
        (scores,) = content["summary"]["measured"].values()
        self.assertTrue(all(score["must_be_1"] for score in scores))

    def test_json_only(self):
        def talkative(*arguments):  # As TFDS is where it prepares a dataset.
            print("Downloading")
            return image_source(*arguments)

        with mock.patch("bagnet_tf.datasets.image_source", talkative):
            printed = self._run(
                "error-agreement",
                f"--compare={self.folder / 'other.keras'}",
                "--json",
            )
        content = json.loads(printed)
        (found,) = content["summary"]["compared"].values()
        # The same network twice.
        self.assertEqual(found["only_the_model"] + found["only_the_other"], 0)

    def test_classes_by_name(self):
        self._run("informative-patches", "--class_ids=ring,3")
        content = json.loads(
            (self.output / "informative-patches.json").read_text()
        )
        self.assertEqual(content["options"]["class_ids"], [2, 3])
        with self.assertRaisesRegex(
            ValueError, "class_ids must be names.*rong"
        ):
            self._run("informative-patches", "--class_ids=rong", "--overwrite")

    def test_a_grey_model(self):
        self._run("logit-histogram", model="grey.keras")
        self.assertTrue((self.output / "logit-histogram.png").is_file())

    @parameterized.parameters("8,x", "8.5", "-8")
    def test_no_numbers(self, value):
        with self.assertRaisesRegex(ValueError, "patch_sizes must be whole"):
            self._run("interactions", f"--patch_sizes={value}")

    def test_mistakes_are_one_line(self):
        found = subprocess.run(
            [
                *(*forked_python(), "-m", "bagnet_tf.commands.analyze"),
                *("interaction", "--model=x", "--dataset=y"),
                f"--output={self.output}",
            ],
            capture_output=True,
            text=True,
            cwd=_ROOT,
        )
        self.assertEqual(found.returncode, 2)
        self.assertRegex(
            found.stderr,
            r"\Aanalyze: EXPERIMENT must be one of .* \(close: interactions.*"
            r"Received: EXPERIMENT=interaction\n\Z",
        )


if __name__ == "__main__":
    absltest.main()
