"""Is the preset in the package the network that its record describes?"""

import hashlib
import importlib.resources
import json
import math
import pathlib
import tomllib

import h5py
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.datasets import image_source
from bagnet_tf.loading import load_model
from bagnet_tf.preprocessing import decode_image, evaluation_image
from tests.shared_data import shared
from tests.small_models import compute, random_images

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_MOST_BYTES = 8_000_000
_NUM_PHOTOS = 64
# Imagenette's classes in the order of their WordNet ids.
_LABELS = (
    "tench",
    "English springer",
    "cassette player",
    "chain saw",
    "church",
    "French horn",
    "garbage truck",
    "gas pump",
    "golf ball",
    "parachute",
)


def _package_file(name):
    return importlib.resources.files("bagnet_tf") / "presets_data" / name


class ShippedPresetTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.preset = bagnet_tf.preset_info("imagenette")
        cls.model, cls.info = load_model("imagenette")

    def test_record(self):
        preset = self.preset
        self.assertEqual((preset.architecture, preset.width), ("bagnet33", 0.5))
        self.assertEqual((preset.classes, preset.labels), (10, _LABELS))
        self.assertEqual(preset.input_size, (105, 105))
        self.assertBetween(preset.metrics["top1"], 0.5, preset.metrics["top5"])

    def test_file_is_small_whole_and_found_by_importlib(self):
        content = _package_file("imagenette.weights.h5").read_bytes()
        record = _package_file("imagenette.json").read_bytes()
        self.assertLessEqual(len(content) + len(record), _MOST_BYTES)
        digest = hashlib.sha256(content).hexdigest()
        self.assertEqual(digest, self.preset.file_hash)
        self.assertEqual(json.loads(record)["bytes"], len(content))

    def test_parameters(self):
        fresh = bagnet_tf.BagNet33(classes=10, width=0.5)
        self.assertEqual(self.model.count_params(), fresh.count_params())
        record = json.loads(_package_file("imagenette.json").read_text())
        self.assertEqual(record["parameters"], fresh.count_params())

    def test_model_comes_with_all_that_belongs_to_it(self):
        self.assertEqual(self.info.labels, _LABELS)
        self.assertEqual(self.info.image_size, (105, 105))
        self.assertEqual(
            self.info.temperature, self.preset.metrics["temperature"]
        )
        self.assertBetween(self.info.temperature, 0.2, 5.0)

    def test_values_are_those_of_the_file(self):
        found = {}
        with h5py.File(_package_file("imagenette.weights.h5")) as file:
            file.visititems(
                lambda name, item: (
                    found.update({name: item[()]})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
        # Every weight of the model is in the file, whatever its name there.
        expected = sorted(float(np.sum(v, dtype="f8")) for v in found.values())
        weights = [weight.numpy() for weight in self.model.weights]
        sums = sorted(float(np.sum(w, dtype="f8")) for w in weights)
        self.assertEqual(sums, expected)
        self.assertTrue(all(w.dtype == np.float32 for w in weights))
        for value in found.values():
            half = value.ndim > 1
            self.assertEqual(value.dtype, np.float16 if half else np.float32)

    @parameterized.named_parameters(
        ("whole", {"classes": 10}),
        ("without_top", {"include_top": False}),
        ("normalised_input", {"classes": 10, "include_preprocessing": False}),
    )
    def test_as_weights(self, arguments):
        model = bagnet_tf.BagNet33("imagenette", width=0.5, **arguments)
        weights = {weight.path: weight for weight in self.model.weights}
        self.assertGreaterEqual(len(model.weights), len(weights) - 2)
        for weight in model.weights:
            np.testing.assert_array_equal(weight, weights[weight.path])

    @parameterized.named_parameters(
        ("width", 33, {"classes": 10}, "need width=0.5", "width=1.0"),
        ("classes", 33, {"width": 0.5}, "need classes=10", "classes=1000"),
        (
            "architecture",
            17,
            {"classes": 10, "width": 0.5},
            r"need one of the architectures \['bagnet33'\]",
            "architecture='bagnet17'",
        ),
    )
    def test_arguments_that_do_not_fit(self, size, arguments, rule, received):
        builder = getattr(bagnet_tf, f"BagNet{size}")
        message = f"weights='imagenette' {rule}.*Received: .*{received}"
        with self.assertRaisesRegex(ValueError, message):
            builder("imagenette", **arguments)

    def test_load_preset(self):
        model = bagnet_tf.load_preset("imagenette")
        image = random_images(105, 105)
        np.testing.assert_array_equal(
            compute(model, image), compute(self.model, image)
        )

    def test_wheels_take_the_files_along(self):
        with (_ROOT / "pyproject.toml").open("rb") as file:
            tool = tomllib.load(file)["tool"]["setuptools"]
        patterns = tool["package-data"]["bagnet_tf"]
        package = _ROOT / "bagnet_tf"
        taken = {path for p in patterns for path in package.glob(p)}
        files = {"imagenette.json", "imagenette.weights.h5"}
        self.assertEqual(taken, {package / "presets_data" / f for f in files})

    def test_accuracy_on_photos(self):
        source = image_source("imagenette/320px-v2", shared("tfds"))
        photos, labels = [], []
        for example in source.dataset(f"validation[:{_NUM_PHOTOS}]"):
            photo = decode_image(example["image"])
            photo = evaluation_image(photo, self.info.image_size)
            photos.append(photo.numpy())
            labels.append(int(example["label"]))
        batches = np.split(np.stack(photos), 4)
        logits = np.concatenate([compute(self.model, b) for b in batches])
        rate = np.mean(logits.argmax(axis=1) == labels)
        stated = self.preset.metrics["top1"]
        spread = math.sqrt(stated * (1 - stated) / _NUM_PHOTOS)
        self.assertLess(abs(rate - stated), 4 * spread)


if __name__ == "__main__":
    absltest.main()
