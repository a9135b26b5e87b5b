import json
import os
import pathlib
import signal
import subprocess
import tempfile

from absl import flags
from absl.testing import absltest, parameterized

from tests.forked_python import forked_python
from train import config_flag

_ROOT = pathlib.Path(__file__).parents[1]


def _start(*arguments):
    return subprocess.Popen(
        [*forked_python(), *arguments],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _train(workdir, *overrides):
    flags = {
        "train_split": "train[:24]",
        "holdout_split": "train[24:40]",
        "eval_split": "validation[:20]",
        "width": "0.05",
        "batch_size": "8",
    }
    return _start(
        "-m",
        "train.main",
        "--config=tests/shallow_glyphs.py",
        f"--workdir={workdir}",
        *(f"--config.{key}={value}" for key, value in flags.items()),
        *overrides,
    )


class TrainCommandTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_ctrl_c_leaves_a_run_that_goes_on(self):
        workdir = self.folder / "run"
        process = _train(workdir, "--config.epochs=100")
        for line in process.stderr:  # One log line an epoch.
            if "epoch 2/100" in line:
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
        self.assertEqual(process.returncode, 130, errors)
        self.assertIn("Run the same command again", output)
        self.assertNotIn("Traceback", errors)
        process = _train(workdir, "--config.epochs=100")
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "epoch " in line:
                break
        process.terminate()
        _, errors = process.communicate()
        self.assertIn("Resuming at step", "".join(lines))
        self.assertNotIn("epoch 1/100", "".join(lines))
        self.assertEqual(process.returncode, 130, errors)

    def test_several_seeds_for_a_program_to_read(self):
        workdir = self.folder / "runs"
        process = _train(
            workdir,
            "--config.epochs=1",
            "--config.warmup_epochs=0",
            "--seeds=3,1",
            "--json",
        )
        output, errors = process.communicate()
        self.assertEqual(process.returncode, 0, errors)
        content = json.loads(output)
        stored = json.loads((workdir / "seeds.json").read_text())
        self.assertEqual(content, stored)
        values = []
        for run in content["runs"]:
            folder = workdir / f"seed_{run['seed']}"
            metrics = json.loads((folder / "metrics.json").read_text())
            values.append(metrics["top1"]["value"])
            config = json.loads((folder / "config.json").read_text())
            self.assertEqual(config["config"]["seed"], run["seed"])
        self.assertAlmostEqual(content["mean"]["top1"], sum(values) / 2)
        self.assertIn("deviation", errors)

    @parameterized.named_parameters(
        ("seeds", ["--workdir=w", "--config=glyphs", "--seeds=1,1"], "differ"),
        ("config", ["--config=glyps"], "one of finetune, glyphs,"),
        ("no_workdir", ["--config=glyphs"], "workdir"),
        ("inner_key", ["--config=glyphs", "--config.epochs.x=3"], "epochs.x"),
    )
    def test_mistakes_are_one_line(self, arguments, message):
        process = _start("-m", "train.main", *arguments)
        output, errors = process.communicate()
        self.assertEqual((process.returncode, output), (2, ""), errors)
        self.assertLen(errors.splitlines(), 1, errors)
        self.assertStartsWith(errors, "train: ")
        self.assertIn(message, errors)


class ConfigFlagTest(parameterized.TestCase):
    """What a user's own file may do wrong."""

    def _parsed(self, value):
        values = flags.FlagValues()
        holder = config_flag.config(values)
        values(["train", f"--config={value}"])
        return holder.value

    def _file(self, text):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / "own.py"
        path.write_text(text)
        return path

    @parameterized.named_parameters(
        ("syntax", "def get_config(:", r"SyntaxError: .*line 1"),
        ("import", "\nimport no_such", r"ModuleNotFoundError: .*line 2"),
        ("raises", "def get_config():\n  1 / 0", r"ZeroDivisionError.*line 2"),
        ("attribute", "def get_config():\n  [].a", r"AttributeError.*line 2"),
        ("exits", "raise SystemExit(0)", r"SystemExit: 0, line 1"),
        ("nothing", "x = 1", r"no attribute 'get_config'"),
        ("returns", "def get_config():\n  return {}", r"returns a ConfigDict"),
    )
    def test_a_file_that_gives_no_configuration(self, text, message):
        path = self._file(text)
        end = f".* Received: config='{path}'$"
        with self.assertRaisesRegex(flags.Error, message + end) as caught:
            self._parsed(path)
        self.assertStartsWith(str(caught.exception), "config must be ")

    def test_a_file_without_some_key(self):
        path = self._file(
            "from train.configs import glyphs\n"
            "def get_config():\n"
            "  config = glyphs.get_config()\n"
            "  del config.width, config.seed\n"
            "  return config\n"
        )
        with self.assertRaisesRegex(flags.Error, r"missing: seed, width\)"):
            self._parsed(path)

    @parameterized.parameters("no.py", "", "..", "/dev/null", "glyphs.py")
    def test_what_is_no_file(self, value):
        with self.assertRaisesRegex(
            flags.Error, f"one of finetune, .* Received: config='{value}'$"
        ):
            self._parsed(value)

    def test_own_file_and_shipped_name(self):
        path = self._file("from train.configs.glyphs import get_config")
        self.assertEqual(self._parsed(path), self._parsed("glyphs"))
        self.assertTrue(self._parsed(path).is_locked)


if __name__ == "__main__":
    absltest.main()
