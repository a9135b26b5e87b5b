"""Do several seeds train as single runs do, and is their spread right?"""

import json
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

from tests.training_helpers import shallow_networks, tiny_config
from train.seeds import seeds_table, summarize, train_seeds
from train.summary import run_summary
from train.trainer import TrainingResult, train


def _metrics(top1, area=None):
    return {
        "dataset": "glyphs",
        "split": "validation",
        "top1": {"value": top1, "interval95": [0.0, 1.0]},
        "loss": 2 * top1,
        "binary": {"auroc": area},
        "per_class_accuracy": [1.0],
    }


class SummarizeTest(parameterized.TestCase):
    def test_hand_numbers(self):
        # Mean of 0.5, 0.75, 0.7 is 0.65; deviations 0.15, 0.1, 0.05:
        # (0.0225 + 0.01 + 0.0025) / 2 = 0.0175.
        runs = {3: _metrics(0.5), 0: _metrics(0.75), 7: _metrics(0.7)}
        summary = json.loads(json.dumps(summarize(runs)))
        self.assertEqual([run["seed"] for run in summary["runs"]], [3, 0, 7])
        self.assertEqual([r["top1"] for r in summary["runs"]], [0.5, 0.75, 0.7])
        self.assertAlmostEqual(summary["mean"]["top1"], 0.65)
        self.assertAlmostEqual(
            summary["standard_deviation"]["top1"], 0.0175**0.5
        )
        self.assertAlmostEqual(summary["mean"]["loss"], 1.3)
        self.assertIsNone(summary["mean"]["auroc"])
        self.assertNotIn("mean_auroc", summary["mean"])
        row = next(
            line.split()
            for line in seeds_table(summary).splitlines()
            if line.startswith("top1")
        )
        self.assertEqual(
            row, ["top1", "0.5000", "0.7500", "0.7000", "0.6500", "0.1323"]
        )

    def test_one_run_has_no_spread(self):
        summary = summarize({0: _metrics(0.5, {"value": 0.8})})
        self.assertEqual(summary["mean"]["auroc"], 0.8)
        self.assertIsNone(summary["standard_deviation"]["auroc"])


class RunSummaryTest(parameterized.TestCase):
    def test_names_what_was_skipped(self):
        skipped = {
            "corrupt_images": [f"{index}.jpg" for index in range(7)],
            "empty_classes": ["rust"],
        }
        metrics = _metrics(0.5) | {"criterion": "top1", "count": 9}
        text = run_summary(metrics | {"skipped": skipped})
        first, second = text.splitlines()
        self.assertIn("top-1 0.5000 (95 % interval 0.0000 to 1.0000", first)
        self.assertEqual(
            second,
            "Skipped: 7 corrupt images (0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, "
            "...); 1 empty class (rust)",
        )
        self.assertNotIn("\n", run_summary(metrics | {"skipped": {}}))

    def test_sigmoid_heads(self):
        text = run_summary(
            {
                "dataset": "a",
                "split": "b",
                "criterion": "mean_auroc",
                "mean_auroc": {"value": None, "num_classes": 0},
                "count": 2,
                "skipped": {},
            }
        )
        self.assertEqual(text, "b of a: mean AUROC none (0 classes, 2 images)")


class TrainSeedsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )

    def test_each_seed_is_a_run_of_its_own(self):
        self.enterContext(shallow_networks())
        changes = {"epochs": 1, "warmup_epochs": 0}
        several = self.folder / "several"
        result = train_seeds(train, tiny_config(**changes), several, [0, 5])
        self.assertTrue(result.finished)
        self.assertEqual(result.step, 6)
        stored = json.loads((several / "seeds.json").read_text())
        self.assertEqual(stored, result.metrics)
        alone = self.folder / "alone"
        train(tiny_config(seed=5, **changes), str(alone))
        for expected, actual in zip(
            keras.models.load_model(alone / "last.keras").weights,
            keras.models.load_model(several / "seed_5/last.keras").weights,
            strict=True,
        ):
            np.testing.assert_array_equal(actual, expected, expected.path)
        own = json.loads((several / "seed_5/metrics.json").read_text())
        self.assertEqual(stored["runs"][1]["loss"], own["loss"])
        self.assertEqual(stored["runs"][1]["top1"], own["top1"]["value"])

    def test_a_stopped_run_ends_all(self):
        results = [TrainingResult(True, 6, _metrics(0.5))]
        results += [TrainingResult(False, 2, {})]
        seen = []

        def train_one(config, workdir):
            seen.append((config.seed, pathlib.Path(workdir).name))
            return results[len(seen) - 1]

        result = train_seeds(train_one, tiny_config(), self.folder, [4, 2, 1])
        self.assertEqual((result.finished, result.step), (False, 8))
        self.assertEqual(seen, [(4, "seed_4"), (2, "seed_2")])
        self.assertFalse((self.folder / "seeds.json").exists())

    def test_the_folder_of_a_single_run(self):
        (self.folder / "config.json").write_text("{}")
        with self.assertRaisesRegex(ValueError, "must not be that of a single"):
            train_seeds(train, tiny_config(), self.folder, [0])


if __name__ == "__main__":
    absltest.main()
