"""A run that is killed and started again ends as if nothing had happened."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

import keras
import numpy as np
from absl import logging
from absl.testing import absltest, parameterized

from tests.forked_python import forked_python
from tests.training_helpers import worker_environments

_ROOT = pathlib.Path(__file__).parents[1]
_STEPS = 16  # Two epochs of 8.
_WORKER_LOST = 75


def _start(workdir, flags=(), environment=os.environ):
    config = {
        "train_split": "train[:64]",
        "holdout_split": "train[64:72]",
        "eval_split": "validation[:8]",
        "width": "0.05",
        "batch_size": "8",
        "epochs": "2",
        "steps_per_call": "1",
        "checkpoint_steps": "1",
        "ema_momentum": "0.9",
    }
    return subprocess.Popen(
        [
            *(*forked_python(), "-m", "train.main"),
            "--config=tests/shallow_glyphs.py",
            f"--workdir={workdir}",
            *(f"--config.{key}={value}" for key, value in config.items()),
            *flags,
        ],
        cwd=_ROOT,
        env={**environment, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _step(workdir):
    """The last step that a checkpoint was saved of."""
    names = workdir.glob("checkpoints/ckpt-*.index")
    return max((int(n.stem.removeprefix("ckpt-")) for n in names), default=0)


class ResumeTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        seed = time.time_ns() % 2**32
        logging.info("Seed of the random moments: %d", seed)
        self.rng = np.random.default_rng(seed)

    def _wait_for_a_random_step(self, workdir, processes):
        """Returns at a random moment after a random step but the last."""
        step = self.rng.integers(_step(workdir) + 1, _STEPS - 2)
        while _step(workdir) < step:
            self.assertTrue(all(p.poll() is None for p in processes))
            time.sleep(0.01)
        time.sleep(self.rng.uniform(0, 0.1))

    def _finish(self, processes):
        for process in processes:
            _, errors = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, errors)

    def _assert_equal(self, whole, parts):
        for name in ("last.keras", "model.keras"):
            expected = keras.models.load_model(whole / name).weights
            actual = keras.models.load_model(parts / name).weights
            for one, other in zip(expected, actual, strict=True):
                np.testing.assert_array_equal(other, one, one.path)
        one, other = (
            (workdir / "metrics.json").read_text().split("training_seconds")[0]
            for workdir in (whole, parts)
        )
        self.assertEqual(one, other)

    @parameterized.named_parameters(
        ("one_device", []),
        ("mirrored", ["--strategy=mirrored", "--cpu_replicas=2"]),
    )
    def test_killed_at_a_random_step(self, flags):
        whole, parts = self.folder / "whole", self.folder / "parts"
        self._finish([_start(whole, flags)])
        killed = _start(parts, flags)
        self._wait_for_a_random_step(parts, [killed])
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        self.assertFalse((parts / "metrics.json").exists())
        self._finish([_start(parts, flags)])
        self._assert_equal(whole, parts)

    def test_a_worker_is_killed(self):
        def start(workdir):
            return [
                _start(workdir, ["--strategy=multi_worker"], environment)
                for environment in worker_environments(2)
            ]

        whole, parts = self.folder / "whole", self.folder / "parts"
        self._finish(start(whole))
        victims = start(parts)
        self._wait_for_a_random_step(parts, victims)
        killed = victims.pop(self.rng.integers(2))
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        _, errors = victims[0].communicate(timeout=300)
        self.assertEqual(victims[0].returncode, _WORKER_LOST, errors)
        self.assertIn("another worker has ended; start all of them", errors)
        self.assertNotIn("Traceback", errors)
        self._finish(start(parts))
        self._assert_equal(whole, parts)


if __name__ == "__main__":
    absltest.main()
