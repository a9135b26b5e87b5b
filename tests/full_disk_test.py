"""A disk that is full, or a folder that cannot be written: one line.

RLIMIT_FSIZE lets the kernel refuse what a process writes beyond some bytes of
a file, without root and whatever the disk is: it is EFBIG where a full disk
says ENOSPC, at the same calls. Where a tiny tmpfs can be mounted, that is the
full disk itself.
"""

import contextlib
import hashlib
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import image_source
from bagnet_tf.files import num_bytes
from bagnet_tf.model_info import ModelInfo
from tests.forked_python import forked_python
from tests.small_models import tiny_model
from train.workdir import Workdir

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_MOST_BYTES = 2_000  # Of a file that is written.


def _limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # An error, not the end.
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_BYTES, _MOST_BYTES))


@contextlib.contextmanager
def _full_disk():
    """In this process, as long as it lasts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def _all_files(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


class DiskTestCase(parameterized.TestCase):
    """Commands, and what they are run on."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        cls.model = cls.folder / "model.keras"
        model = tiny_model(classes=10)
        model.save(cls.model)
        labels = image_source("glyphs").labels
        ModelInfo((64, 64), labels).save(model, cls.model)
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(cls.folder / "photo.png")

    def setUp(self):
        super().setUp()
        self.here = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )

    def _command(self, name, output, epochs=1):
        model, data = f"--model={self.model}", "--dataset=glyphs"
        training = {
            **{"train_split": "train[:16]", "holdout_split": "train[16:24]"},
            **{"eval_split": "validation[:8]", "width": "0.05"},
            **{"batch_size": "8", "epochs": str(epochs), "warmup_epochs": "0"},
        }
        return {
            "train": [
                *("train.main", "--config=glyphs", f"--workdir={output}"),
                *(f"--config.{key}={value}" for key, value in training.items()),
            ],
            "explain": [
                *("bagnet_tf.commands.explain", model, f"--output={output}"),
                f"--image={self.folder / 'photo.png'}",
            ],
            "analyze": [
                *("bagnet_tf.commands.analyze", "logit-histogram", model, data),
                *(f"--output={output}", "--num_images=8"),
            ],
            "certify": [
                *("bagnet_tf.commands.certify", model, data, "--patch_size=4"),
                *(f"--output={output}/certify.json", "--split=validation[:8]"),
            ],
            "evaluate": [
                *("train.evaluate", model, data, "--split=validation[:8]"),
                f"--store_patch_logits={output}/stored",
            ],
            "export": [
                *("export.main", model, f"--output={output}/exported"),
                *("--formats=litert", "--num_verification_images=2"),
                "--verification_split=validation[:2]",
            ],
        }[name]

    def _run(self, name, output, limit=None, epochs=1):
        return subprocess.run(
            [*forked_python(), "-m", *self._command(name, output, epochs)],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            preexec_fn=limit,
        )

    def _fails_in_one_line(self, name, output, limit=None, **options):
        run = self._run(name, output, limit, **options)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertNotIn("Traceback", run.stderr)
        last = run.stderr.strip().splitlines()[-1]
        self.assertStartsWith(last, f"{name}: ")
        return last


class FullDiskTest(DiskTestCase):
    @parameterized.parameters("certify", "evaluate", "export")
    def test_full(self, name):
        (self.here / "old.txt").write_text("an older result")
        before = _all_files(self.here)
        last = self._fails_in_one_line(name, self.here, _limit_files)
        self.assertIn("File too large", last)
        self.assertEqual(_all_files(self.here), before)

    @parameterized.parameters(("analyze",))
    def test_full_and_later_not(self, name):
        """What is left is not a result, and the same command goes on."""
        self._fails_in_one_line(name, self.here / "out", _limit_files)
        left = _all_files(self.here / "out")
        self.assertEmpty([p for p in left if "partial" not in p.name])
        run = self._run(name, self.here / "out")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("logit-histogram.json", os.listdir(self.here / "out"))

    @parameterized.parameters("explain", "train")
    def test_below_a_file(self, name):
        """A folder that nobody can write to, root included."""
        file = self.here / "file"
        file.write_text("no folder")
        self._fails_in_one_line(name, file / "output")
        self.assertEqual(file.read_text(), "no folder")


class WorkdirTest(absltest.TestCase):
    """What training writes, on a disk that is full for a while."""

    def test_a_model_is_written_whole_or_not_at_all(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        files, model = Workdir(str(folder)), tiny_model(classes=2)
        info = ModelInfo((64, 64), ("cat", "dog"))
        with _full_disk(), self.assertRaisesRegex(OSError, "/last.keras can"):
            files.save_model(model, info, files.last_model)
        self.assertEmpty(_all_files(folder))
        files.save_model(model, info, files.last_model)
        weights = keras.models.load_model(files.last_model).get_weights()
        for stored, own in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(stored, own)

    def test_curves(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        with _full_disk(), self.assertRaisesRegex(OSError, "/metrics.png can"):
            Workdir(str(folder)).save_curves(
                [
                    {"epoch": e, "loss": 1.0, "holdout_accuracy": 0.5}
                    | {"accuracy": 0.5, "holdout_loss": 1.0}
                    | {"learning_rate": 0.1}
                    for e in (1, 2)
                ]
            )
        self.assertEmpty(_all_files(folder))


class TmpfsTest(DiskTestCase):
    """Where one may mount: a disk of which no byte is left."""

    def _mount(self, size):
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none"]
        with contextlib.suppress(OSError):
            run = subprocess.run([*mount, self.here], capture_output=True)
            if run.returncode == 0:
                self.addCleanup(subprocess.run, ["umount", self.here])
                return
        self.skipTest("A tmpfs cannot be mounted here.")

    def test_no_space_left(self):
        self._mount("16k")
        last = self._fails_in_one_line("explain", self.here)
        self.assertIn("No space left on device", last)
        self.assertEqual(_all_files(self.here), {})

    def test_no_space_left_for_temporary_files(self):
        self._mount("8k")
        output = self.folder / "trained"
        run = subprocess.run(
            [sys.executable, "-m", *self._command("train", output)],
            cwd=_ROOT,
            env={**os.environ, "TMPDIR": str(self.here)},
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertNotIn("Traceback", run.stderr)
        last = run.stderr.strip().splitlines()[-1]
        self.assertStartsWith(last, f"train: no space left in {self.here}")

    def test_training_goes_on_when_there_is_room_again(self):
        whole = self.folder / "whole"
        self._mount("1m")  # Or it is skipped, before anything is trained.
        run = self._run("train", whole, epochs=2)
        self.assertEqual(run.returncode, 0, run.stderr)
        # Room for all of the first epoch, not for all of the second.
        self._resize(num_bytes(whole) * 9 // 10)
        last = self._fails_in_one_line("train", self.here, epochs=2)
        self.assertIn("No space left on device", last)
        self.assertNotEmpty(list(self.here.glob("checkpoints/*.index")))
        self.assertEmpty(list(self.here.glob("tmp-*")))
        self._resize("64m")
        run = self._run("train", self.here, epochs=2)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn("Resuming at step 0", run.stderr)
        for name in ("model.keras", "last.keras"):
            trained, expected = (
                keras.models.load_model(folder / name).get_weights()
                for folder in (self.here, whole)
            )
            for values, others in zip(trained, expected, strict=True):
                np.testing.assert_array_equal(values, others)

    def _resize(self, size):
        options = f"remount,size={size}"
        subprocess.run(["mount", "-o", options, self.here], check=True)


if __name__ == "__main__":
    absltest.main()
