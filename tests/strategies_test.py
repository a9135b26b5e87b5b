"""N replicas train as one device, whatever the strategy and its options."""

import json
import os
import pathlib
import subprocess
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.forked_python import forked_python
from tests.training_helpers import worker_environments
from train import strategies

_ROOT = pathlib.Path(__file__).parents[1]


class StrategiesTest(parameterized.TestCase):
    _done = {}  # What runs have written, by their arguments.

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)

    def _run_once(self, network, name, cpu_replicas, changes):
        """What the program writes in one process; started if it is new."""
        arguments = network, name, cpu_replicas, json.dumps(changes)
        if arguments not in self._done:
            (self._done[arguments],) = self._run(
                network, name, cpu_replicas, changes, [os.environ]
            )
        return self._done[arguments]

    def _run(self, network, name, cpu_replicas, changes, environments):
        """What the program writes, in each of its processes."""
        outputs = [
            self.folder / f"{name}-{index}.npz"
            for index in range(len(environments))
        ]
        processes = [
            subprocess.Popen(
                [
                    *forked_python(),
                    *("-m", "tests.distributed_steps", network, name),
                    *(str(cpu_replicas), str(output), json.dumps(changes)),
                ],
                cwd=_ROOT,
                env={**environment, "PYTHONPATH": str(_ROOT)},
                stderr=subprocess.PIPE,
                text=True,
            )
            for output, environment in zip(outputs, environments, strict=True)
        ]
        for process in processes:
            _, errors = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, errors)
        return [dict(np.load(output)) for output in outputs]

    def _assert_close(self, one, other, tolerance):
        self.assertEqual(one.keys(), other.keys())
        for key in one.keys() - {"replicas"}:
            largest = np.abs(one[key]).max()
            np.testing.assert_allclose(
                other[key], one[key], atol=tolerance * largest, err_msg=key
            )

    def test_two_replicas_train_as_one_device(self):
        one = self._run_once("bagnet", "one_device", 0, {})
        two = self._run_once("bagnet", "mirrored", 2, {})
        self.assertEqual((one["replicas"], two["replicas"]), (1, 2))
        self._assert_close(one, two, 1e-2)

    @parameterized.named_parameters(
        ("accumulated", {"accumulation_steps": 2}),
        ("clipped", {"global_clipnorm": 0.05}),
        ("averaged", {"ema_momentum": 0.9}),
        ("scaled", {"precision": "float16"}),
    )
    def test_options_do_the_same_in_two_replicas(self, changes):
        network = "without_normalization"
        one = self._run_once(network, "one_device", 0, changes)
        two = self._run_once(network, "mirrored", 2, changes)
        half = changes.get("precision") == "float16"
        self._assert_close(one, two, 1e-3 if half else 1e-4)
        if "accumulation_steps" in changes:
            without = self._run_once(network, "one_device", 0, {})
            self._assert_close(without, one, 1e-5)
        elif "global_clipnorm" in changes:
            without = self._run_once(network, "one_device", 0, {})
            with self.assertRaises(AssertionError):
                self._assert_close(without, one, 1e-3)

    def test_classes_by_themselves_weighted_and_taught_in_two_replicas(self):
        network = "without_normalization"
        taught = {"head": "sigmoid", "distillation_weight": 0.4}
        weighted = {"head": "sigmoid", "class_weights": [1.0, 4.0] * 5}
        one, two = (
            self._run_once(network, name, replicas, taught | weighted)
            for name, replicas in (("one_device", 0), ("mirrored", 2))
        )
        self._assert_close(one, two, 1e-4)
        for fewer in (taught, weighted):
            without = self._run_once(network, "one_device", 0, fewer)
            with self.assertRaises(AssertionError):
                self._assert_close(without, one, 1e-3)

    @parameterized.named_parameters(
        ("bagnet", "bagnet", {}, 3e-2),
        (
            "accumulated",
            "without_normalization",
            {"accumulation_steps": 2},
            1e-4,
        ),
        ("scaled", "without_normalization", {"precision": "float16"}, 1e-3),
    )
    def test_compiled_steps_do_the_same(self, network, changes, tolerance):
        one, compiled = (
            self._run_once(network, "one_device", 0, changes | more)
            for more in ({}, {"jit_compile": "on"})
        )
        self._assert_close(one, compiled, tolerance)
        if network == "bagnet":  # Where other kernels round otherwise.
            with self.assertRaises(AssertionError):
                self._assert_close(one, compiled, 0.0)

    def test_compiled_steps_need_one_replica(self):
        with self.assertRaisesRegex(AssertionError, "'on' needs one replica"):
            self._run_once("bagnet", "mirrored", 2, {"jit_compile": "on"})

    @parameterized.named_parameters(
        ("averaged", "bagnet", {"ema_momentum": 0.9}, 1e-2),
        (
            "accumulated_and_clipped",
            "without_normalization",
            {"accumulation_steps": 2, "global_clipnorm": 0.05},
            1e-4,
        ),
    )
    def test_two_workers_train_as_one_device(self, network, changes, tolerance):
        one = self._run_once(network, "one_device", 0, changes)
        first, second = self._run(
            network, "multi_worker", 0, changes, list(worker_environments(2))
        )
        self.assertEqual(first["replicas"], 2)
        self._assert_close(one, first, tolerance)
        self._assert_close(first, second, 0.0)


class MakeStrategyTest(parameterized.TestCase):
    def test_one_device(self):
        for name in ("auto", "one_device"):
            strategy = strategies.make_strategy(name)
            self.assertIs(strategy, tf.distribute.get_strategy())
            self.assertTrue(strategies.is_chief(strategy))

    def test_unknown(self):
        with self.assertRaisesRegex(ValueError, "strategy must be one of auto"):
            strategies.make_strategy("fast")

    @parameterized.parameters("one_device", "tpu")
    def test_replicas_of_one_device(self, name):
        with self.assertRaisesRegex(ValueError, "cpu_replicas need .*" + name):
            strategies.make_strategy(name, 2)

    @parameterized.parameters(
        "", "{", "[]", '{"cluster": {"worker": []}, "task": {}}'
    )
    def test_workers_without_their_addresses(self, text):
        with (
            mock.patch.dict(os.environ, {"TF_CONFIG": text}),
            self.assertRaisesRegex(ValueError, "TF_CONFIG, such as .*Received"),
        ):
            strategies.make_strategy("multi_worker")


if __name__ == "__main__":
    absltest.main()
