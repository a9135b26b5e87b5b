"""Replicas and workers together give the scores of one device."""

import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
from absl.testing import absltest

from bagnet_tf import StoredPatchLogits
from bagnet_tf.datasets import image_source
from bagnet_tf.model_info import ModelInfo
from tests.forked_python import forked_python
from tests.small_models import tiny_model
from tests.training_helpers import worker_environments

_ROOT = pathlib.Path(__file__).parents[1]


class EvaluateDistributedTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        name = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(name)
        self.model = self.folder / "model.keras"
        model = tiny_model(classes=10)
        model.save(self.model)
        info = ModelInfo(
            (64, 64), image_source("glyphs").labels, {"temperature": 0.5}
        )
        info.save(model, self.model)

    def _run(self, name, *flags, environments=(os.environ,)):
        """What each process prints, and the patch logits that are stored."""
        processes = [
            subprocess.Popen(
                [
                    *(*forked_python(), "-m", "train.evaluate", "--json"),
                    f"--model={self.model}",
                    # 11 = 4 + 4 + 3: no batch is divisible by three.
                    *("--dataset=glyphs", "--split=validation[:11]"),
                    "--batch_size=4",
                    f"--store_patch_logits={self.folder / name}",
                    *flags,
                ],
                cwd=_ROOT,
                env={**environment, "PYTHONPATH": str(_ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for environment in environments
        ]
        outputs = []
        for process in processes:
            output, errors = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, errors)
            outputs.append(output)
        columns = zip(
            *StoredPatchLogits(self.folder / name).batches(), strict=True
        )
        return outputs, [np.concatenate(column) for column in columns]

    def _assert_same(self, one, other):
        """Counts and rates are equal; other numbers but for rounding."""
        self.assertEqual(one.keys(), other.keys())
        for key, value in one.items():
            if isinstance(value, dict):
                self._assert_same(value, other[key])
            elif isinstance(value, float):
                self.assertAlmostEqual(value, other[key], places=5, msg=key)
            else:
                self.assertEqual(value, other[key], key)

    def test_replicas_and_workers_score_as_one_device(self):
        (printed,), stored = self._run("one", "--strategy=one_device")
        one = json.loads(printed)  # Pure JSON.
        self.assertEqual(one["count"], 11)
        self.assertEqual(one["with_temperature"]["temperature"], 0.5)
        replicas, of_replicas = self._run(
            "three", "--strategy=mirrored", "--cpu_replicas=3"
        )
        workers, of_workers = self._run(
            "workers",
            "--strategy=multi_worker",
            environments=list(worker_environments(2)),
        )
        self.assertEqual(workers[1], "")  # The chief reports.
        for (text, *_), found in (
            (replicas, of_replicas),
            (workers, of_workers),
        ):
            other = json.loads(text)
            for key in ("count", "top1", "top5", "confusion", "evidence_hits"):
                self.assertEqual(other[key], one[key])
            self._assert_same(one, other)
            for expected, array in zip(stored[:2], found[:2], strict=True):
                np.testing.assert_array_equal(array, expected)
            for expected, array in zip(stored[2:], found[2:], strict=True):
                np.testing.assert_allclose(array, expected, atol=1e-4)


if __name__ == "__main__":
    absltest.main()
