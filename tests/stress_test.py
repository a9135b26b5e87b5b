"""A sample of `make stress`: damaged files, and a command that is killed."""

import pathlib
import sys
import tempfile
from unittest import mock

from absl.testing import absltest, parameterized

from tests.stress import fuzzing, guided, kills, targets, worker
from tests.stress.mutations import mutated

_NAMES = sorted(targets.TARGETS)
# Those that trace a graph for each file.
_SLOW = (
    "image_of_a_folder",
    "mask_of_a_folder",
    "model.json",
    "model.keras",
    "dataset_info_of_tfds",
    "features_of_tfds",
    "records_of_tfds",
    "example_of_tfds",
)
# Of the seeds: others than those that `make stress` begins with.
_FIRST = 1_000_000


class DamagedFilesTest(parameterized.TestCase):
    def _target(self, name):
        target = targets.TARGETS[name]
        if target.missing:
            self.skipTest(f"{name} needs {target.missing}.")
        return target

    @parameterized.parameters(*((name,) for name in _NAMES))
    def test_is_read_or_refused(self, name):
        target = self._target(name)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            samples = target.samples(folder)
            for seed in range(_FIRST, _FIRST + (3 if name in _SLOW else 12)):
                data = mutated(samples, seed)
                outcome = worker.outcome_of(target, folder, data)
                self.assertNotIn(
                    outcome["outcome"], fuzzing.HARM, (seed, outcome)
                )

    @parameterized.product(
        name=(
            *("metadata.json", "model.json", "manifest_of_patch_logits"),
            *("config.json", "metrics.jsonl", "partial_analysis"),
        ),
        opening=(b"[", b'{"a":'),
    )
    def test_json_nested_too_deep(self, name, opening):
        target = targets.TARGETS[name]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            target.samples(folder)
            outcome = worker.outcome_of(target, folder, opening * 100_000)
            self.assertIn(outcome["outcome"], ("read", "refused"), outcome)

    @parameterized.parameters(
        ("metadata.json", b"litert/model.tflite"),
        ("manifest_of_patch_logits", b"shard-00000.npz"),
    )
    def test_names_that_no_disk_takes(self, name, file):
        target = targets.TARGETS[name]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            whole = target.samples(folder)[0]
            damaged = whole.replace(file, b"x" * 10_000)
            self.assertNotEqual(damaged, whole)
            outcome = worker.outcome_of(target, folder, damaged)
            self.assertEqual(outcome, {"outcome": "refused"})

    @parameterized.parameters(*((name,) for name in _NAMES))
    def test_whole_files_are_read(self, name):
        target = self._target(name)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            # The first ones: libvips reads fewer kinds than Pillow.
            for data in target.samples(folder)[:2]:
                outcome = worker.outcome_of(target, folder, data)
                self.assertEqual(outcome, {"outcome": "read"})

    def test_same_seed_same_damage(self):
        samples = [bytes(range(256)), b'{"a": [1, 2], "b": "c"}']
        damaged = [mutated(samples, seed) for seed in range(300)]
        self.assertEqual(damaged, [mutated(samples, s) for s in range(300)])
        self.assertGreater(len(set(damaged)), 250)


class GuidedTest(absltest.TestCase):
    """Where atheris is installed."""

    def setUp(self):
        super().setUp()
        if not guided.is_installed():
            self.skipTest("atheris is not installed: the extra fuzz.")

    def test_reaches_more_than_the_first_check(self):
        found = guided.fuzz_guided("metrics.jsonl", 2, seed=0)
        self.assertGreater(found["outcomes"]["refused"], 100)
        self.assertGreater(found["edges"], 5)
        self.assertEmpty(found["harm"])


class CountingTest(parameterized.TestCase):
    """What a worker that crashes or hangs is counted as."""

    @parameterized.parameters((-11, "crash"), (-6, "crash"), (-14, "hang"))
    def test_goes_on_behind_the_seed(self, status, outcome):
        def run(name, first, count):
            if first == 3:
                begun = [{"begin": 3}, {"seed": 3, "outcome": "read"}]
                return [*begun, {"begin": 4}], status, "words"
            lines = [
                {"seed": s, "outcome": "refused"}
                for s in range(first, first + count)
            ]
            return lines, 0, ""

        with mock.patch.object(fuzzing, "_run_worker", run):
            counts = fuzzing.fuzz("photo", 3, 5)
        self.assertEqual(counts.outcomes, {"read": 1, outcome: 1, "refused": 3})
        (harm,) = counts.harm
        self.assertEqual(harm["seed"], 4)

    def test_a_worker_of_its_own(self):
        counts = fuzzing.fuzz("labels", 0, 30)
        self.assertEqual(sum(counts.outcomes.values()), 30)
        self.assertEmpty(counts.harm)

    @parameterized.parameters(
        (KeyError("x"), "traceback"),
        (ValueError("something"), "unexplained"),
        (ValueError("x must be y. Received: x=z"), "refused"),
        (None, "read"),
    )
    def test_outcomes(self, error, outcome):
        target = targets.Target(list, mock.Mock(side_effect=error), 1)
        found = worker.outcome_of(target, pathlib.Path(), b"")
        self.assertEqual(found["outcome"], outcome)


class KillsTest(absltest.TestCase):
    def test_download(self):
        found = kills.kill_again_and_again("download", 2, seed=7)
        self.assertEqual(found.killed, 2)
        self.assertEmpty(found.problems)

    def test_what_passes_for_whole_is_noticed(self):
        """A command that writes a file under its own name, bit by bit."""
        found = self._killed("path = output", 8)
        self.assertNotEmpty(found.problems)
        self.assertGreater(found.moments["partial"], 0)

    def test_what_is_renamed_never_does(self):
        found = self._killed("path = pathlib.Path(str(output) + '.tmp')", 8)
        self.assertEmpty(found.problems)
        self.assertEqual(found.killed, 8)
        self.assertGreater(found.moments["temporary"], 0)

    def _killed(self, where, count):
        script = f"""
import pathlib, sys, time
output = pathlib.Path(sys.argv[1])
{where}
with path.open("w") as file:
    for _ in range(5):
        print("line", file=file, flush=True)
        time.sleep(0.05)
path.rename(output)
"""

        def check(output):
            if output.exists():
                self.assertLen(output.read_text().splitlines(), 5)

        task = kills.Task(
            lambda folder: None,
            lambda folder, output: [sys.executable, "-c", script, str(output)],
            check,
            lambda output: output.read_text(),
        )
        with mock.patch.dict(kills.TASKS, {"write": task}):
            return kills.kill_again_and_again("write", count, seed=3)


if __name__ == "__main__":
    absltest.main()
