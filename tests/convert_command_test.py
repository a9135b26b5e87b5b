"""The convert command: what it writes, and that mistakes write nothing."""

import json
import pathlib
import subprocess
import tempfile
from unittest import mock

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.commands import convert as command
from tests.commands_here import run_here
from tests.forked_python import forked_python

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_SMALL = {"classes": 5, "width": 0.125}


class ConvertTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.source = pathlib.Path(folder, "source.keras")
        keras.utils.set_random_seed(0)
        cls.model = bagnet_tf.BagNet9(**_SMALL)
        cls.model.save(cls.source)

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.output = self.folder / "bagnet9.weights.h5"

    def _run(self, *more, **changes):
        values = {
            "weights": self.source,
            "architecture": "bagnet9",
            "output": self.output,
            **_SMALL,
            **changes,
        }
        return run_here(command, *more, **values)

    def _files(self):
        return [path.name for path in self.folder.rglob("*") if path.is_file()]

    def test_keras_reads_what_is_written(self):
        printed = self._run().printed
        self.assertIn(str(self.output), printed)
        self.assertEqual(self._files(), [self.output.name])
        keras.utils.set_random_seed(1)
        model = bagnet_tf.BagNet9(**_SMALL)
        model.load_weights(self.output)
        for old, new in zip(self.model.weights, model.weights, strict=True):
            np.testing.assert_array_equal(old.numpy(), new.numpy())

    def test_json(self):
        _, printed, said = self._run("--json")
        content = json.loads(printed)
        self.assertLen(said.splitlines(), 1)
        sizes = [weight.numpy().size for weight in self.model.weights]
        self.assertEqual(content["num_weights"], len(sizes))
        self.assertEqual(content["num_parameters"], sum(sizes))
        self.assertEqual(content["output"], str(self.output))
        self.assertEqual(content["classes"], _SMALL["classes"])

    def test_existing_output(self):
        self.output.write_text("mine")
        with self.assertRaisesRegex(ValueError, "output exists; --overwrite"):
            self._run()
        self.assertEqual(self.output.read_text(), "mine")
        self._run("--overwrite")
        self.assertGreater(self.output.stat().st_size, 1000)

    @parameterized.named_parameters(
        ("ending", {"output": "model.h5"}, "output must be named NAME.weigh"),
        ("no_name", {"output": ".weights.h5"}, "output must be named NAME"),
        ("folder", {"output": "no/a.weights.h5"}, "in an existing folder"),
        ("source", {"weights": "none.h5"}, "weights must be None.*none.h5"),
        ("classes", {"classes": 6}, "2 of another shape.*classes=6"),
    )
    def test_mistakes_write_nothing(self, changes, message):
        if "output" in changes:
            changes = {"output": self.folder / changes["output"]}
        with self.assertRaisesRegex(ValueError, message):
            self._run(**changes)
        self.assertEqual(self._files(), [])

    def test_output_that_is_the_source(self):
        path = self.folder / "one.weights.h5"
        path.write_bytes(b"weights")
        with self.assertRaisesRegex(ValueError, "another file than weights"):
            self._run("--overwrite", weights=path, output=path)
        self.assertEqual(path.read_bytes(), b"weights")

    def test_output_that_was_not_written_as_it_should(self):
        save_weights = keras.Model.save_weights

        def damaged(model, path):
            variable = model.get_layer("stem_bn").gamma
            variable.assign(variable + 1)
            save_weights(model, path)
            variable.assign(variable - 1)

        with mock.patch.object(keras.Model, "save_weights", damaged):
            with self.assertRaisesRegex(OSError, "not written as it should"):
                self._run()
        self.assertEqual(self._files(), [])

    def test_mistake_is_one_line_and_status_2(self):
        arguments = ["--weights=none", "--architecture=bagnet9", "--output=x"]
        result = subprocess.run(
            [*forked_python(), "-m", "bagnet_tf.commands.convert", *arguments],
            cwd=_ROOT,
            capture_output=True,
            text=True,
        )
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"^convert: output must be .*\n$")
        self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    absltest.main()
