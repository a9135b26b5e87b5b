"""Is what is kept of a run what its models do?"""

import json
import pathlib
import tempfile
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from bagnet_tf import patch_logits_model
from bagnet_tf.loading import load_model
from tests.training_helpers import ArraySource, shallow_networks, tiny_config
from train import trainer
from train.record import RunRecord
from train.sparsity import EvidenceSparsity
from train.workdir import Workdir


def _auroc(scores, labels):
    """How often a photo with the class is above one without it."""
    pairs = [
        (above > below) + 0.5 * (above == below)
        for above in scores[labels > 0]
        for below in scores[labels == 0]
    ]
    return np.mean(pairs)


def _events(workdir):
    return [
        value
        for path in (workdir / "tensorboard").iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]


class SparsityTest(parameterized.TestCase):
    @parameterized.parameters("softmax", "sigmoid")
    def test_shares_of_the_strongest_tenth(self, head):
        rng = np.random.default_rng(0)
        # 4 x 6 patches, of which 10 % are 3.
        maps = rng.normal(size=(5, 4, 6, 3)).astype(np.float32)
        logits = maps.mean((1, 2))
        sparsity = EvidenceSparsity(head)
        sparsity.add(None, None, logits[:2], maps[:2])
        sparsity.add(None, None, logits[2:], maps[2:])
        shares = []
        for one, leading in zip(maps, logits.argmax(1), strict=True):
            values = []
            for patch in one.reshape(24, 3).astype(float):
                value = patch[leading]
                if head == "softmax":
                    value -= sum(patch) / 3
                values.append(abs(value))
            strongest = sorted(values, reverse=True)[:3]
            shares.append(sum(strongest) / sum(values))
        self.assertAlmostEqual(sparsity.value, sum(shares) / 5, 6)

    @parameterized.parameters((1.0, 0.1), (0.0, 0.1))
    def test_all_patches_are_as_strong(self, strength, share):
        maps = np.zeros((1, 5, 4, 2))
        maps[..., 0] = strength
        sparsity = EvidenceSparsity("softmax")
        sparsity.add(None, None, maps.mean((1, 2)), maps)
        self.assertAlmostEqual(sparsity.value, share)

    def test_one_patch_carries_all(self):
        maps = np.zeros((1, 1, 10, 2))
        maps[0, 0, 7, 1] = 3.0
        sparsity = EvidenceSparsity("softmax")
        sparsity.add(None, None, maps.mean((1, 2)), maps)
        self.assertEqual(sparsity.value, 1.0)


class RecordTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )

    def test_sets_of_labels_on_grey_photos(self):
        self.enterContext(shallow_networks())
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (40, 64, 64, 1), np.uint8)
        labels = rng.integers(0, 2, (40, 3)).astype(np.float32)
        images[labels[:, 0] > 0] //= 2
        source = ArraySource(images, labels, 3)
        config = tiny_config(
            head="sigmoid",
            channels=1,
            eval_split="train[24:40]",
            class_weights=("balanced",),
        )
        workdir = self.folder / "run"
        with mock.patch.object(trainer, "image_source", lambda *_: source):
            metrics = trainer.train(config, str(workdir)).metrics
        lines = (workdir / "metrics.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        areas = [entry["holdout_mean_auroc"] for entry in entries]
        self.assertEqual(metrics["criterion"], "mean_auroc")
        self.assertEqual(metrics["best_epoch"], 1 + int(np.argmax(areas)))
        self.assertEqual(metrics["holdout_mean_auroc"], max(areas))

        model = keras.models.load_model(workdir / "last.keras")
        outputs = patch_logits_model(model)(images[24:].astype(np.float32))
        logits = outputs["logits"].numpy()
        expected = [_auroc(logits[:, k], labels[24:, k]) for k in range(3)]
        self.assertAlmostEqual(areas[-1], np.mean(expected), places=3)
        evidence = np.abs(outputs["patch_logits"].numpy().reshape(16, 36, 3))
        leading = np.sort(evidence[np.arange(16), :, logits.argmax(1)], axis=1)
        # 10 % of 6 x 6 patches are 4.
        shares = leading[:, -4:].sum(1) / leading.sum(1)
        self.assertAlmostEqual(
            entries[-1]["evidence_sparsity"], shares.mean(), places=3
        )
        _, info = load_model(workdir / "model.keras")
        self.assertEqual(info.head, "sigmoid")
        self.assertNotEmpty(info.thresholds)
        tags = {value.tag for value in _events(workdir)}
        self.assertContainsSubset(
            {"evidence", "evidence_sparsity", "holdout_mean_auroc"}, tags
        )

    def test_a_network_without_patches(self):
        workdir = self.folder / "run"
        config = tiny_config(architecture="control", epochs=1, warmup_epochs=0)
        metrics = trainer.train(config, str(workdir)).metrics
        self.assertEqual(metrics["count"], 20)
        self.assertEqual(metrics["criterion"], "top1")
        self.assertNotIn("evidence_hits", metrics)
        entry = json.loads((workdir / "metrics.jsonl").read_text())
        self.assertNotIn("evidence_sparsity", entry)
        tags = {value.tag for value in _events(workdir)}
        self.assertIn("holdout_accuracy", tags)
        self.assertNotIn("evidence", tags)
        model, _ = load_model(workdir / "model.keras")
        self.assertEqual(model.output_shape, (None, 10))

    def test_epochs_that_could_not_be_measured_are_last(self):
        # No held-out photo has a class: the mean AUROC is over none.
        images = np.random.default_rng(0).integers(
            0, 256, (6, 24, 24, 3), np.uint8
        )
        source = ArraySource(images, np.zeros((6, 2), np.float32), 2)
        config = tiny_config(
            head="sigmoid", holdout_split="train", eval_split="train"
        )
        workdir = Workdir(str(self.folder / "run"))
        workdir.claim(config)
        model = trainer.build_model(config, source)
        record = RunRecord(config, workdir, source, model, 0)
        known = ("loss", "accuracy", "learning_rate", "images_per_second")
        entry = dict.fromkeys((*known, "training_seconds", "step"), 1.0)
        record.add_epoch(entry | {"epoch": 1})
        first = workdir.best_model.read_bytes()
        record.add_epoch(entry | {"epoch": 2})
        self.assertEqual(workdir.best_model.read_bytes(), first)
        metrics = record.report()
        self.assertEqual(metrics["best_epoch"], 1)
        self.assertIsNone(metrics["holdout_mean_auroc"])


if __name__ == "__main__":
    absltest.main()
