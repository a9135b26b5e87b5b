"""An experiment is checked first, resumed, and written whole or not at all."""

import csv
import json
import pathlib
import tempfile
import unittest.mock

from absl.testing import absltest, parameterized

from bagnet_tf.analysis import result, runner
from bagnet_tf.analysis.experiments import EXPERIMENTS, OPTIONS
from bagnet_tf.analysis.result import Result
from bagnet_tf.figures import Chart, Panel, Series
from tests.analysis_helpers import noise_source
from tests.small_models import tiny_model

_FIGURE = Chart("x", [Panel("x", "x", "y", [Series([1], [2])])])


class RunnerTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        cls.models = [str(cls.folder / f"{name}.keras") for name in "ab"]
        for path in cls.models:
            tiny_model().save(path)

    def setUp(self):
        super().setUp()
        self.output = (
            pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
            / "out"
        )
        self.source = noise_source(6, (24, 24))

    def _run(self, name="logit-histogram", **changes):
        arguments = {"split": "train"} | changes
        return runner.run_experiment(
            name, self.models[0], self.source, self.output, **arguments
        )

    def _written(self):
        return sorted(path.name for path in self.output.glob("*"))

    def test_writes_figure_table_and_numbers(self):
        written = self._run(command="the command", num_images=4, seed=3)
        self.assertEqual(
            self._written(),
            [
                f"logit-histogram.{kind}"
                for kind in ("csv", "json", "png", "svg")
            ],
        )
        self.assertEqual(
            sorted(written.files.values()), sorted(self.output.iterdir())
        )
        content = json.loads((self.output / "logit-histogram.json").read_text())
        self.assertEqual(content, json.loads(json.dumps(written.content)))
        self.assertEqual(content["command"], "the command")
        self.assertEqual(content["num_images"], 4)
        self.assertEqual(content["seed"], 3)
        self.assertLen(content["sha256"][self.models[0]], 64)
        self.assertIn("tensorflow", content["versions"])
        with (self.output / "logit-histogram.csv").open() as table:
            rows = list(csv.DictReader(table))
        self.assertEqual(
            [row["class"] for row in rows], list(self.source.labels)
        )
        self.assertEqual(sum(int(row["photos"]) for row in rows), 4)

    def test_existing_results_stay(self):
        self.output.mkdir()
        (self.output / "logit-histogram.csv").write_text("mine")
        with self.assertRaisesRegex(ValueError, "--overwrite.*histogram.csv"):
            self._run()
        self.assertEqual(self._written(), ["logit-histogram.csv"])
        self._run(overwrite=True)
        self.assertLen(self._written(), 4)

    @parameterized.parameters(*range(6))  # Two are within the staging folder.
    def test_goes_on_after_a_kill_between_its_files(self, number):
        """Dies where the next rename after so many was due."""
        replace, done = pathlib.Path.replace, []

        def dies(path, target):
            if len(done) == number:
                raise KeyboardInterrupt
            done.append(target)
            return replace(path, target)

        with unittest.mock.patch.object(pathlib.Path, "replace", dies):
            with self.assertRaises(KeyboardInterrupt):
                self._run()
        self.assertNotIn("logit-histogram.json", self._written())
        self._run()
        self.assertLen(self._written(), 4)

    def test_goes_on_after_an_interruption(self):
        partial = "logit-histogram.partial.jsonl"
        writing = unittest.mock.patch.object(
            runner, "write_result", side_effect=KeyboardInterrupt
        )
        with writing, self.assertRaises(KeyboardInterrupt):
            self._run()
        self.assertEqual(self._written(), [partial])
        with self.assertRaisesRegex(ValueError, "num_images, seed changed"):
            self._run(seed=1, num_images=3)
        again = unittest.mock.patch.object(
            runner.AnalysisRequest, "model", side_effect=AssertionError
        )
        compute = unittest.mock.patch(
            "bagnet_tf.analysis.logit_histogram._counted",
            side_effect=AssertionError,
        )
        with again, compute:
            self._run()  # All images are known.
        self.assertNotIn(partial, self._written())

    def test_whole_or_not_at_all(self):
        failing = unittest.mock.patch.object(
            result, "write_csv", side_effect=OSError("disk full")
        )
        with failing, self.assertRaisesRegex(OSError, "disk full"):
            self._run()
        self.assertEqual(self._written(), ["logit-histogram.partial.jsonl"])

    @parameterized.named_parameters(
        (
            "unknown experiment",
            "logit-histogramm",
            {},
            r"one of accuracy-vs-patch, .*\(close: logit-histogram\)",
        ),
        ("foreign option", "logit-histogram", {"top_k": 1}, "own options.*top"),
        ("too small", "error-agreement", {"top_k": 0}, "at least 1.*top_k=0"),
        ("too large", "misclassified", {"num_shown": 101}, "to 100.*=101"),
        ("empty", "interactions", {"patch_sizes": ()}, "not be empty"),
    )
    def test_wrong_options(self, name, options, message):
        compare = self.models[1:] * (name == "error-agreement")
        with self.assertRaisesRegex(ValueError, message):
            self._run(name, options=options, compare=compare)
        self.assertFalse(self.output.exists())

    def test_comparison(self):
        with self.assertRaisesRegex(ValueError, "compares no models"):
            self._run(compare=self.models[1:])
        with self.assertRaisesRegex(ValueError, "needs other classifiers"):
            self._run("error-agreement")
        with self.assertRaisesRegex(ValueError, "more than once"):
            self._run("error-agreement", compare=self.models)

    def test_several_classes_an_image(self):
        self.source.multi_label = True
        with self.assertRaisesRegex(ValueError, "one class an image"):
            self._run()

    def test_every_experiment_is_there(self):
        for name, experiment in EXPERIMENTS.items():
            with self.subTest(name):
                module = runner.importlib.import_module(
                    f"bagnet_tf.analysis.{experiment.module}"
                )
                self.assertTrue(callable(module.run))
                self.assertContainsSubset(experiment.options, OPTIONS)
        used = {o for e in EXPERIMENTS.values() for o in e.options}
        self.assertEqual(used, set(OPTIONS))

    def test_results_must_be_json(self):
        with self.assertRaisesRegex(ValueError, "JSON"):
            Result({"": _FIGURE}, [{"a": 1}], {"x": float("nan")})
        with self.assertRaisesRegex(ValueError, "rows must not be empty"):
            Result({"": _FIGURE}, [], {})


if __name__ == "__main__":
    absltest.main()
