"""Does a finished run become a preset that says what it is?"""

import hashlib
import json
import pathlib
import shutil
import tempfile
from unittest import mock

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf import downloads, presets
from bagnet_tf.datasets import image_source
from bagnet_tf.loading import load_model
from tests.commands_here import run_here
from tests.small_models import compute
from tests.training_helpers import shallow_networks, tiny_config
from train import package as command
from train.preset_card import _BEGIN, _END
from train.preset_files import logit_changes
from train.trainer import train

_WIDTH = 0.05
_NUM_PHOTOS = 20
_CARD = f"# Card\n\nBefore.\n\n{_BEGIN}\nold\n{_END}\n\nAfter.\n"
_RUN = ("model.keras", "model.json", "metrics.json", "config.json")
_FILES = ("imagenette.json", "imagenette.weights.h5")


def _model():
    shallow = bagnet_tf.ARCHITECTURES["bagnet17"]  # As it was trained.
    return bagnet_tf.BagNet(shallow, classes=10, width=_WIDTH)


def _rounded(weight):
    """What the file keeps: of kernels, what float16 can hold."""
    value = weight.numpy()
    half = value.astype("float16").astype("float32")
    return half if value.ndim > 1 else value


def _photos():
    """The photos of the run's reported split, and their class ids."""
    source = image_source("glyphs")
    examples = list(source.dataset(f"validation[:{_NUM_PHOTOS}]"))
    images = np.stack([example["image"].numpy() for example in examples])
    return images, np.array([int(example["label"]) for example in examples])


def _largest(values):
    return float(np.abs(values).max())


class PackageTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.finished = pathlib.Path(folder, "run")
        cls.enterClassContext(shallow_networks())
        train(tiny_config(), str(cls.finished))
        cls.model = keras.models.load_model(cls.finished / "model.keras")

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.output = self.folder / "presets_data"
        self.output.mkdir()
        self.card = self.folder / "card.md"
        self.card.write_text(_CARD)

    def _package(self, *more, **changes):
        values = {
            "model": self.finished / "model.keras",
            "name": "imagenette",
            "output": self.output,
            "card": self.card,
            "hardware": "an abacus",
            **changes,
        }
        return run_here(command, *more, **values).printed

    def _written(self):
        return sorted(path.name for path in self.output.iterdir())

    def _copy_of_the_run(self):
        run = self.folder / "run"
        run.mkdir()
        for name in _RUN:
            shutil.copy(self.finished / name, run)
        return run

    def assert_refused(self, message, **changes):
        card = self.card.read_text()
        with self.assertRaisesRegex(ValueError, message):
            self._package(**changes)
        self.assertEmpty(self._written())
        self.assertEqual(self.card.read_text(), card)

    def test_what_is_written(self):
        printed = self._package()
        self.assertSequenceEqual(self._written(), _FILES)
        record = json.loads((self.output / _FILES[0]).read_text())
        content = (self.output / _FILES[1]).read_bytes()
        with self.subTest("record"):
            digest = hashlib.sha256(content).hexdigest()
            self.assertEqual(record["file"], _FILES[1])
            self.assertEqual(record["bytes"], len(content))
            self.assertEqual(record["sha256"], digest)
            self.assertEqual(record["parameters"], _model().count_params())
            self.assertEqual(record["hardware"], "an abacus")
            self.assertEqual(record["training"]["config"]["width"], _WIDTH)
            self.assertIn(f"{len(content):,} bytes", printed)
        with self.subTest("Keras reads what float16 keeps of the kernels"):
            model = _model()
            model.load_weights(self.output / _FILES[1])
            for weight, original in zip(
                model.weights, self.model.weights, strict=True
            ):
                np.testing.assert_array_equal(weight, _rounded(original))
        with self.subTest("scores of what ships, and of what it was"):
            self._check_scores(record, model)
        with self.subTest("loaded by name"):
            self._check_loading()
        with self.subTest("card"):
            self._check_card()

    def _check_scores(self, record, rounded):
        images, labels = _photos()
        logits = compute(rounded, images).astype("float64")
        after = np.mean(logits.argmax(axis=1) == labels)
        before = np.mean(compute(self.model, images).argmax(axis=1) == labels)
        self.assertEqual(record["evaluation"]["count"], _NUM_PHOTOS)
        self.assertAlmostEqual(record["metrics"]["top1"], after)
        self.assertAlmostEqual(record["rounding"]["top1_after"], after)
        self.assertAlmostEqual(record["rounding"]["top1_before"], before)
        largest = logits.max(axis=1)
        sums = np.exp(logits - largest[:, None]).sum(axis=1)
        true = logits[np.arange(_NUM_PHOTOS), labels]
        loss = np.mean(np.log(sums) + largest - true)
        np.testing.assert_allclose(record["metrics"]["loss"], loss, rtol=1e-4)

    def _check_loading(self):
        for module in (presets, downloads):
            self.enterContext(
                mock.patch.object(module, "SHIPPED_FOLDER", self.output)
            )
        model, info = load_model("imagenette")
        _, original = load_model(self.finished / "model.keras")
        self.assertEqual(info.labels, original.labels)
        self.assertEqual(info.image_size, original.image_size)
        self.assertEqual(info.temperature, original.temperature)
        for weight, of_run in zip(
            model.weights, self.model.weights, strict=True
        ):
            np.testing.assert_array_equal(weight, _rounded(of_run))

    def _check_card(self):
        before, rest = self.card.read_text().split(_BEGIN)
        measured, after = rest.split(_END)
        self.assertEqual(before, "# Card\n\nBefore.\n\n")
        self.assertEqual(after, "\n\nAfter.\n")
        self.assertIn("an abacus", measured)
        self.assertNotIn("old", measured)

    def test_logit_changes(self):
        keras.utils.set_random_seed(3)
        images, _ = _photos()
        models = [_model(), _model()]
        models[1].set_weights(models[0].get_weights())
        first = compute(models[0], images)
        # A bias that lets the runner-up win on half of the photos.
        winner, other = np.argsort(-first.mean(axis=0))[:2]
        lead = np.median(first[:, winner] - first[:, other])
        bias = np.zeros(10, "float32")
        bias[other] = lead
        models[1].get_layer("classifier").bias.assign(bias)
        second = first + bias
        found = logit_changes(
            *models, image_source("glyphs"), "validation[:20]", (64, 64)
        )
        changed = np.sum(first.argmax(axis=1) != second.argmax(axis=1))
        self.assertBetween(changed, 1, _NUM_PHOTOS - 1)
        self.assertEqual(found["changed_decisions"], changed)
        np.testing.assert_allclose(
            found["largest_logit_change"],
            _largest(first - second) / _largest(first),
            rtol=1e-4,
        )

    def test_existing_files(self):
        for name in _FILES:
            (self.output / name).write_text("old")
        message = f"has results already; --overwrite .* with {_FILES[1]}"
        with self.assertRaisesRegex(ValueError, message):
            self._package()
        for name in _FILES:
            self.assertEqual((self.output / name).read_text(), "old")
        self._package("--overwrite")
        self.assertSequenceEqual(self._written(), _FILES)
        for name in _FILES:
            self.assertGreater((self.output / name).stat().st_size, 1000)

    def test_model_that_is_too_large(self):
        with mock.patch("train.preset_files._MOST_BYTES", 1000):
            self.assert_refused("must fit into 1,000 bytes")

    @parameterized.parameters("metrics.json", "config.json")
    def test_run_without(self, name):
        run = self._copy_of_the_run()
        (run / name).unlink()
        self.assert_refused(
            f"must have {name} beside it", model=run / "model.keras"
        )

    def test_run_that_is_not_finished(self):
        run = self._copy_of_the_run()
        content = json.loads((run / "model.json").read_text())
        del content["metrics"]["temperature"]
        (run / "model.json").write_text(json.dumps(content))
        self.assert_refused("of a finished run", model=run / "model.keras")

    def test_metrics_of_another_model(self):
        run = self._copy_of_the_run()
        content = json.loads((run / "metrics.json").read_text())
        content["top1"]["value"] += 0.05
        (run / "metrics.json").write_text(json.dumps(content))
        self.assert_refused(
            "metrics.json must be of the model", model=run / "model.keras"
        )

    @parameterized.parameters("", _BEGIN, f"{_END}{_BEGIN}", _CARD + _END)
    def test_card_without_its_markers(self, text):
        self.card.write_text(text)
        self.assert_refused("card must have the lines")

    def test_card_that_is_missing(self):
        with self.assertRaisesRegex(ValueError, "card must be an existing"):
            self._package(card=self.folder / "none.md")

    def test_output_that_is_no_folder(self):
        self.assert_refused(
            "output must be an existing folder", output=self.folder / "none"
        )


if __name__ == "__main__":
    absltest.main()
