import json
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

import bagnet_tf
from bagnet_tf.commands import certify as command
from bagnet_tf.commands.certify_text import (
    defense_text,
    parsed_defense,
    parsed_size,
)
from bagnet_tf.intervals import wilson_interval
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.paired_comparison import mcnemar
from tests.commands_here import run_here
from tests.small_models import TINY, compute
from train import evaluate

_CLASSES = ("blue", "green", "red")
_SIZE = (24, 30)


def _run(**changes):
    """Runs the command in this process; gives what it prints to stdout."""
    return run_here(command, **changes).printed


def _write_photos(folder, seed):
    """Noise about one colour a class, eight photos each."""
    rng = np.random.default_rng(seed)
    for class_id, name in enumerate(_CLASSES):
        (folder / name).mkdir(parents=True)
        colour = np.full(3, 120)
        colour[class_id] += 20
        for number in range(8):
            photo = rng.normal(colour + rng.normal(0, 9, 3), 30, (*_SIZE, 3))
            photo = Image.fromarray(photo.clip(0, 255).astype(np.uint8))
            photo.save(folder / name / f"{number}.png")


def _photos(folder):
    files = sorted(folder.rglob("*.png"))
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    labels = [_CLASSES.index(file.parent.name) for file in files]
    return images.astype(np.float32), np.array(labels)


def _taught_model(folder):
    """A network whose head alone is fitted, by least squares."""
    keras.utils.set_random_seed(5)
    model = bagnet_tf.BagNet(TINY, classes=3)
    images, labels = _photos(folder)
    features = compute(
        keras.Model(model.input, model.layers[-2].output), images
    )
    design = np.concatenate([features, np.ones((len(images), 1))], axis=1)
    wanted = 4 * np.eye(3)[labels] - 2
    weights = np.linalg.lstsq(design, wanted, rcond=None)[0]
    model.layers[-1].set_weights([weights[:-1], weights[-1]])
    return model


class CertifyCommandTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.dataset = f"folder:{cls.folder / 'photos'}"
        for split, seed in (("train", 0), ("val", 1)):
            _write_photos(cls.folder / "photos" / split, seed)
        cls.model = _taught_model(cls.folder / "photos" / "train")
        cls.model_file = cls.folder / "model.keras"
        cls.model.save(cls.model_file)
        info = ModelInfo(_SIZE, _CLASSES)
        info.save(cls.model, cls.model_file)
        images, cls.labels = _photos(cls.folder / "photos" / "val")
        network = bagnet_tf.patch_logits_model(cls.model)
        cls.patch_logits = compute(network, images)["patch_logits"]
        cls.arguments = {
            "model": cls.model_file,
            "dataset": cls.dataset,
            "batch_size": 9,
        }

    def _certified(self, size, defense, **settings):
        geometry = bagnet_tf.geometry_of(self.model)
        return bagnet_tf.certify(
            self.patch_logits, self.labels, size, geometry, defense, **settings
        )

    def _stored(self, name, split="validation"):
        folder = self.folder / name
        if not folder.exists():
            run_here(
                evaluate,
                model=self.model_file,
                dataset=self.dataset,
                split=split,
                store_patch_logits=folder,
            )
        return folder

    def test_all_that_is_counted(self):
        output = self.folder / "counted.json"
        printed = _run(
            **self.arguments,
            patch_size="1,3x8",
            defense="double_masking,masking:threshold=0.1,detection",
            output=output,
        )
        content = json.loads(output.read_text())
        self.assertEqual(content["count"], 24)
        plain = self.patch_logits.mean(axis=(1, 2)).argmax(-1) == self.labels
        self.assertEqual(content["plain"]["value"], plain.mean())
        self.assertLen(content["results"], 6)
        for row in content["results"]:
            settings = dict(row["defense"])
            found = self._certified(
                tuple(row["patch_size"]), settings.pop("name"), **settings
            )
            self.assertEqual(row["window"], list(found.window))
            right = (found.predictions == self.labels) & ~found.alerts
            for key, outcome in (
                ("clean", right),
                ("certified", found.certified),
            ):
                self.assertEqual(row[key]["value"], outcome.mean())
                interval = wilson_interval(int(outcome.sum()), 24)
                self.assertEqual(row[key]["interval95"], list(interval))
            self.assertGreater(found.certified.sum(), 0)
            self.assertLess(found.certified.sum(), 24)
            if row["defense"]["name"] == "detection":
                self.assertEqual(row["alerts"]["value"], found.alerts.mean())
        self.assertEqual(printed.count(" px"), 8)
        self.assertIn("masking:threshold=0.1", printed)
        self._check_pairs(content["paired"])

    def _check_pairs(self, pairs):
        self.assertEqual([p["patch_size"] for p in pairs], [[1, 1], [3, 8]])
        for pair in pairs:
            size = tuple(pair["patch_size"])
            double = self._certified(size, "double_masking").certified
            single = self._certified(size, "masking", threshold=0.1).certified
            only = int((double & ~single).sum()), int((single & ~double).sum())
            self.assertEqual(
                (
                    pair["certified_by_the_first_only"],
                    pair["certified_by_the_second_only"],
                ),
                only,
            )
            self.assertEqual(pair["mcnemar_p"], mcnemar(*only))

    def test_stored_patch_logits_tell_the_same(self):
        both = [
            json.loads(_run(**arguments, patch_size=3, json=True))
            for arguments in (
                self.arguments,
                {"patch_logits": self._stored("stored")},
            )
        ]
        for content in both:
            for row in content["results"]:
                del row["milliseconds_an_image"]
            for key in ("model", "dataset", "split", "image_size", "geometry"):
                self.assertEqual(content[key], both[0][key])
            for key in ("results", "paired", "plain", "count"):
                self.assertEqual(content[key], both[0][key])

    def test_gauge_is_fitted_on_training_images(self):
        content = json.loads(
            _run(
                **self.arguments,
                patch_size=1,
                defense="clipping,voting",
                gauge_split="train",
                json=True,
            )
        )
        self.assertEqual(content["gauge_fitted_on"]["split"], "train")
        clipping, voting = content["results"]
        self.assertNotEqual(clipping["defense"]["scale"], 1)
        self.assertGreater(clipping["certified"]["value"], 0)
        self.assertNotIn("offset", voting["defense"])
        from_stored = json.loads(
            _run(
                patch_logits=self._stored("stored"),
                gauge_patch_logits=self._stored("training", "train"),
                patch_size=1,
                defense="clipping",
                json=True,
            )
        )
        again = from_stored["results"][0]["defense"]
        for key in ("offset", "scale"):
            self.assertAlmostEqual(
                again[key], clipping["defense"][key], places=4
            )

    @parameterized.parameters(
        ({"patch_size": "25"}, "must fit into the image, 24x30 pixels"),
        ({"patch_size": "8x31"}, "must fit into the image"),
        ({"patch_size": "8x"}, "patch_size must be pixels"),
        ({"patch_size": "0"}, "patch_size must be pixels"),
        ({"patch_size": "2x2x2"}, "patch_size must be pixels"),
        ({"patch_size": "4,4x4"}, "patch_size must be at least one, and all"),
        ({"defense": "mask"}, "defense must be one of masking"),
        ({"defense": "masking:treshold=1"}, "NAME or NAME:SETTING=VALUE"),
        ({"defense": "masking:threshold"}, "NAME or NAME:SETTING=VALUE"),
        ({"defense": "masking:threshold=x"}, "NAME or NAME:SETTING=VALUE"),
        ({"defense": "voting:clip=1"}, "clip must be left out"),
        ({"defense": "masking,masking"}, "defense must be at least one"),
        ({"gauge_split": "validation[20:]"}, "share no images with split"),
        ({"patch_logits": "somewhere"}, "Either --model"),
        ({"gauge_patch_logits": "somewhere"}, "has no effect with --model"),
        ({"split": "test"}, "split must be one of"),
    )
    def test_mistakes(self, changes, message):
        arguments = self.arguments | {"patch_size": "3"} | changes
        with self.assertRaisesRegex(ValueError, message):
            _run(**arguments)

    def test_mistakes_with_stored_patch_logits(self):
        stored = self._stored("stored")
        for changes, message in (
            ({"split": "validation"}, "--split has no effect with"),
            ({"gauge_split": "train"}, "--gauge_split has no effect with"),
            ({"gauge_patch_logits": stored}, "must be of another split"),
            ({"patch_size": "25"}, "must fit into the image, 24x30"),
        ):
            arguments = {"patch_logits": stored, "patch_size": "3"} | changes
            with self.assertRaisesRegex(ValueError, message):
                _run(**arguments)
        with self.assertRaisesRegex(ValueError, "--dataset must be given"):
            _run(model=self.model_file, patch_size=3)

    def test_results_are_not_replaced(self):
        output = self.folder / "kept.json"
        output.write_text("mine")
        with self.assertRaisesRegex(ValueError, "--overwrite replaces it"):
            _run(**self.arguments, patch_size=3, output=output)
        self.assertEqual(output.read_text(), "mine")

    def test_a_sigmoid_head_decides_for_no_one_class(self):
        model_file = self.folder / "sigmoid.keras"
        self.model.save(model_file)
        info = ModelInfo(_SIZE, _CLASSES, head="sigmoid")
        info.save(self.model, model_file)
        arguments = self.arguments | {"model": model_file}
        with self.assertRaisesRegex(ValueError, "head must be softmax"):
            _run(**arguments, patch_size=3)


class SpellingTest(parameterized.TestCase):
    @parameterized.parameters(
        "masking",
        "masking:threshold=0.3:features=confidence",
        "clipping:clip=5:offset=-0.5",
        "voting:threshold=0.4",
    )
    def test_defenses_are_shown_as_they_are_asked_for(self, text):
        self.assertEqual(defense_text(parsed_defense(text).settings()), text)

    def test_sizes(self):
        self.assertEqual(parsed_size("16"), (16, 16))
        self.assertEqual(parsed_size("16x24"), (16, 24))


if __name__ == "__main__":
    absltest.main()
