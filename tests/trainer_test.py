import contextlib
import io
import json
import pathlib
import tempfile
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import explain
from bagnet_tf.datasets import image_source
from bagnet_tf.loading import load_model
from tests.training_helpers import shallow_networks, stop_after, tiny_config
from train import trainer
from train.trainer import train


class _Terminal(io.StringIO):
    def isatty(self):
        return True


class TrainerTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(shallow_networks())
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.whole = pathlib.Path(folder) / "run"  # Without interruption.
        cls.result = train(tiny_config(), str(cls.whole))

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_a_run_leaves_all_its_files(self):
        workdir = self.whole
        self.assertTrue(self.result.finished)
        self.assertEqual(self.result.step, 6)
        history = [
            json.loads(line)
            for line in (workdir / "metrics.jsonl").read_text().splitlines()
        ]
        self.assertEqual([entry["epoch"] for entry in history], [1, 2])
        self.assertAlmostEqual(history[-1]["learning_rate"], 0.0)
        metrics = json.loads((workdir / "metrics.json").read_text())
        self.assertEqual(metrics["count"], 20)
        self.assertEqual(metrics["split"], "validation[:20]")
        best = max(history, key=lambda entry: entry["holdout_accuracy"])
        self.assertEqual(metrics["best_epoch"], best["epoch"])
        config = json.loads((workdir / "config.json").read_text())
        self.assertEqual(config["config"]["batch_size"], 8)
        self.assertIn("keras", config["versions"])
        self._assert_pictures(workdir)
        for name in ("model.keras", "last.keras"):
            model, info = load_model(workdir / name)
            self.assertEqual(info.image_size, (64, 64))
            self.assertEqual(info.labels, image_source("glyphs").labels)
            if name == "model.keras":
                self.assertEqual(
                    info.temperature,
                    metrics["with_temperature"]["temperature"],
                )
            # Only Keras's own layers reach a file.
            for layer in model.layers:
                self.assertStartsWith(type(layer).__module__, "keras.")

    def _assert_pictures(self, workdir):
        """Curves, and evidence on held-out photos after every epoch."""
        with Image.open(workdir / "metrics.png") as curves:
            self.assertGreater(curves.width, 1000)
        events = [
            value
            for path in (workdir / "tensorboard").iterdir()
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
        ]
        pictures = [v.tensor for v in events if v.tag == "evidence"]
        self.assertLen(pictures, 2)
        self.assertIn("holdout_accuracy", {value.tag for value in events})
        # Width, height, then the encoded pictures.
        self.assertEqual(pictures[0].string_val[:2], [b"64", b"64"])
        self.assertLen(pictures[0].string_val, 2 + 8)
        last = tf.io.decode_png(pictures[-1].string_val[2]).numpy()
        model = keras.models.load_model(workdir / "last.keras")
        source = image_source("glyphs")
        example = next(iter(source.dataset("train[24:25]")))
        image = example["image"].numpy()
        explanation = explain(model, image[None], [int(example["label"])])
        evidence = explanation.centred_evidence[0, :, :, 0]
        # Red where there is evidence for the class, blue where against it.
        seen = last[8:56:8, 8:56:8].astype(int)
        strong = np.abs(evidence) > 0.5 * np.abs(evidence).max()
        redder = seen[..., 0] - seen[..., 2]
        np.testing.assert_array_equal(
            np.sign(redder[strong]), np.sign(evidence[strong])
        )

    def test_profiled_steps(self):
        config = tiny_config(epochs=1, warmup_epochs=0)
        workdir = self.folder / "run"
        train(config, str(workdir), profile_steps=(1, 2))
        profiles = workdir.glob("tensorboard/plugins/profile/*/*.xplane.pb")
        self.assertLen(list(profiles), 1)

    @parameterized.parameters([[(2, 1)]], [[(1,)]], [[(-1, 2)]])
    def test_steps_that_cannot_be_profiled(self, steps):
        workdir = self.folder / "run"
        with self.assertRaisesRegex(ValueError, "profile_steps must be FIRST"):
            train(tiny_config(), str(workdir), profile_steps=steps)
        self.assertFalse(workdir.exists())

    @parameterized.named_parameters(
        ("in_the_first_epoch", 1),
        ("at_the_end_of_an_epoch", 3),
        ("in_the_second_epoch", 5),
    )
    def test_stopped_and_resumed_equals_uninterrupted(self, steps):
        parts = self.folder / "parts"
        with stop_after(steps):
            result = train(tiny_config(), str(parts))
        self.assertFalse(result.finished)
        self.assertEqual(result.step, steps)
        self.assertFalse((parts / "metrics.json").exists())
        result = train(tiny_config(), str(parts))
        self.assertTrue(result.finished)
        for expected, actual in zip(
            keras.models.load_model(self.whole / "last.keras").weights,
            keras.models.load_model(parts / "last.keras").weights,
            strict=True,
        ):
            np.testing.assert_array_equal(actual, expected, expected.path)

    def test_progress_on_a_terminal(self):
        config = tiny_config(epochs=1, warmup_epochs=0)
        workdir = self.folder / "run"
        with stop_after(1):
            train(config, str(workdir))
        with (
            contextlib.redirect_stdout(io.StringIO()) as printed,
            contextlib.redirect_stderr(_Terminal()) as shown,
        ):
            train(config, str(workdir))
        self.assertEqual(printed.getvalue(), "")
        # Steps before and after the stop, and their means; photos scored.
        [line] = (workdir / "metrics.jsonl").read_text().splitlines()
        entry = json.loads(line)
        self.assertRegex(shown.getvalue(), r"Epoch 1/1: .*\| 1/3 ")
        self.assertRegex(
            shown.getvalue(),
            r"Epoch 1/1: 100%.*\| 3/3 .*step.*, "
            f"loss={entry['loss']:.4f}, accuracy={entry['accuracy']:.4f}]",
        )
        self.assertRegex(
            shown.getvalue(), r"validation\[:20\]: 100%.*\| 20/20 .*image"
        )

    def test_last_epoch_is_lost_with_its_checkpoint_only(self):
        # Killed after the metrics line of an epoch, before its checkpoint.
        workdir = self.folder / "run"
        with mock.patch.object(
            trainer._Run, "checkpoint", side_effect=[None, KeyboardInterrupt]
        ):
            with self.assertRaises(KeyboardInterrupt):
                train(tiny_config(), str(workdir))
        train(tiny_config(), str(workdir))
        lines = (workdir / "metrics.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(e)["epoch"] for e in lines], [1, 2])

    def test_another_configuration_is_refused_by_key(self):
        workdir = str(self.folder / "run")
        with stop_after(1):
            train(tiny_config(), workdir)
        with self.assertRaisesRegex(
            ValueError, r"Changed: learning_rate: 0.05 -> 0.1; width: 0.05"
        ):
            train(tiny_config(learning_rate=0.1, width=0.1), workdir)

    def test_a_folder_with_other_files_is_refused(self):
        (self.folder / "photo.jpg").touch()
        with self.assertRaisesRegex(
            ValueError, "workdir must be a folder: new"
        ):
            train(tiny_config(), str(self.folder))

    @parameterized.named_parameters(
        ("architecture", {"architecture": "resnet50"}, "one of bagnet17"),
        ("batch_size", {"batch_size": 100}, r"\[1, 24\].*batch_size=100"),
        ("seed", {"seed": -1}, "seed must be in .*config.seed=-1"),
        ("image_size", {"image_size": 16}, "receptive field"),
        ("eval_image_size", {"eval_image_size": 16}, "receptive field"),
        ("warmup", {"warmup_epochs": 2}, "less than config.epochs"),
        ("dataset", {"dataset": "glyps"}, "glyphs"),
        ("split", {"holdout_split": "test"}, "validation"),
    )
    def test_unusable_configurations(self, changes, message):
        workdir = self.folder / "run"
        with self.assertRaisesRegex(ValueError, message):
            train(tiny_config(**changes), str(workdir))
        self.assertFalse(workdir.exists())


if __name__ == "__main__":
    absltest.main()
