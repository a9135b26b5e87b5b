"""Heads of one class, two classes and several labels a photo, evaluated."""

import json

import numpy as np
from absl.testing import absltest
from PIL import Image

from bagnet_tf.datasets import image_source
from bagnet_tf.model_info import ModelInfo
from tests.commands_here import run_here
from tests.dataset_helpers import ManifestTestCase
from tests.small_models import compute, tiny_model
from train import evaluate
from train.evaluation import Evaluator

_SIZE = 28, 28


def _sigmoid(logits):
    return 1 / (1 + np.exp(-np.float64(logits)))


class EvaluateHeadsTest(ManifestTestCase):
    def _write_photos(self, labels):
        """Noise; every second photo is for validation."""
        rng = np.random.default_rng(0)
        self.photos = []
        lines = ["path,label,split"]
        for index, label in enumerate(labels):
            brightest = rng.integers(40, 256)
            pixels = rng.integers(0, brightest, (*_SIZE, 3), np.uint8)
            Image.fromarray(pixels).save(self.root / f"{index:02}.png")
            self.photos.append(pixels.astype("float32"))
            split = "validation" if index % 2 else "train"
            lines.append(f"{index:02}.png,{label},{split}")
        self.write(*lines)

    def _check(self, model, head, class_ids, probabilities, positive):
        """Fits on one half, then scores the other with the command."""
        source = image_source(self.name)
        fitted = Evaluator(model, source, _SIZE, 8, head=head).fit("train")
        points = fitted["operating_points"]
        self.assertEqual([p["class_id"] for p in points], class_ids)
        path = self.root / "model.keras"
        model.save(path)
        ModelInfo(_SIZE, source.labels, fitted, head).save(model, path)
        stored = json.loads((self.root / "model.json").read_text())
        self.assertEqual(stored["metrics"]["operating_points"], points)
        _, printed, table = run_here(
            evaluate, model=path, dataset=self.name, json=True
        )
        scores = json.loads(printed)
        found = scores["per_class"] if head == "sigmoid" else [scores["binary"]]
        for column, point, of_class in zip(
            range(len(points)), points, found, strict=True
        ):
            threshold = point["threshold"]
            values, yes = probabilities[:, column], positive[:, column]
            self.assertEqual(point["specificity"], 0.9)
            # The smallest one, but for rounding: lower is not enough.
            negatives = values[0::2][~yes[0::2]]
            self.assertGreaterEqual(np.mean(negatives < threshold + 1e-6), 0.9)
            self.assertLess(np.mean(negatives < threshold - 1e-6), 0.9)
            chosen = of_class["at_operating_threshold"]
            self.assertEqual(chosen["threshold"], threshold)
            values, yes = values[1::2], yes[1::2]
            self.assertEqual(
                chosen["sensitivity"]["value"],
                np.mean(values[yes] >= threshold),
            )
            self.assertEqual(
                chosen["specificity"]["value"],
                np.mean(values[~yes] < threshold),
            )
            above = np.subtract.outer(values[yes], values[~yes]) > 0
            self.assertAlmostEqual(of_class["auroc"]["value"], above.mean())
            label = source.labels[point["class_id"]]
            self.assertIn(f"{label}: sensitivity at threshold", table)
        return scores

    def test_two_classes_under_a_softmax_head(self):
        labels = ["bolt", "bolt", "nut", "nut", "bolt"] * 8
        self._write_photos(labels)
        model = tiny_model(classes=2)
        logits = compute(model, np.stack(self.photos))
        probabilities = _sigmoid(logits[:, 1:] - logits[:, :1])
        positive = np.array(labels)[:, None] == "nut"
        scores = self._check(model, "softmax", [1], probabilities, positive)
        decisions = logits.argmax(axis=1)[1::2]
        self.assertEqual(
            scores["top1"]["value"], np.mean(decisions == positive[1::2, 0])
        )
        self.assertIn("with_temperature", scores)

    def test_several_labels_under_a_sigmoid_head(self):
        labels = ["bolt;nut", "bolt", "nut", "", "nut;bolt", "", "bolt"] * 6
        self._write_photos(labels)
        model = tiny_model(classes=2)
        probabilities = _sigmoid(compute(model, np.stack(self.photos)))
        positive = np.array([["bolt" in x, "nut" in x] for x in labels])
        scores = self._check(model, "sigmoid", [0, 1], probabilities, positive)
        self.assertEqual(scores["head"], "sigmoid")
        self.assertEqual(scores["mean_auroc"]["num_classes"], 2)
        self.assertNotIn("top1", scores)
        self.assertNotIn("with_temperature", scores)

    def test_what_chooses_the_best_epoch(self):
        self._write_photos(["bolt", "bolt", "nut", "nut"] * 2)
        for head, criterion in (("softmax", "top1"), ("sigmoid", "mean_auroc")):
            evaluate = Evaluator(
                tiny_model(classes=2), image_source(self.name), _SIZE, head=head
            )
            self.assertEqual(evaluate.criterion, criterion)
            self.assertIsInstance(
                evaluate("train+validation")[criterion]["value"], float
            )


if __name__ == "__main__":
    absltest.main()
