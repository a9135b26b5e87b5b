"""Is what is said of shipped and published weights complete and consistent?"""

import dataclasses
import json
import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf import presets
from bagnet_tf.presets import PRESETS
from bagnet_tf.pretrained import NAMES

_SHIPPED = "imagenette"
_PRESETS = tuple((name, PRESETS[name]) for name in PRESETS if name != _SHIPPED)


class PresetTest(parameterized.TestCase):
    def test_every_name_of_weights_for_every_variant(self):
        published = [name for name in NAMES if name != _SHIPPED]
        names = [f"{a}-{w}" for a in bagnet_tf.ARCHITECTURES for w in published]
        self.assertCountEqual(PRESETS, [_SHIPPED, *names])
        self.assertLen(PRESETS, 7)

    @parameterized.named_parameters(*_PRESETS)
    def test_record(self, preset):
        self.assertIs(bagnet_tf.preset_info(preset.name), preset)
        self.assertIn(preset.architecture, bagnet_tf.ARCHITECTURES)
        self.assertTrue(preset.name.startswith(preset.architecture + "-"))
        self.assertLen(preset.labels, preset.classes)
        self.assertTrue(preset.licence)
        self.assertBetween(preset.metrics["top1"], 0.4, preset.metrics["top5"])

    @parameterized.named_parameters(*_PRESETS)
    def test_file_is_named_by_its_hash(self, preset):
        # The publishers put the first digits into the name.
        self.assertIn(f"-{preset.file_hash[:8]}.", preset.file)
        url = preset.url.removesuffix(".zip")
        self.assertTrue(url.startswith("https://"))
        self.assertEqual(url.rpartition("/")[2], preset.file)
        self.assertIn(
            (preset.hash_algorithm, len(preset.file_hash)),
            [("sha1", 40), ("sha256", 8)],
        )

    @parameterized.parameters(9, 17, 33)
    def test_imgclsmob_file_is_named_by_its_error(self, size):
        preset = PRESETS[f"bagnet{size}-imagenet"]
        error = round(1e4 * (1 - preset.metrics["top5"]))
        self.assertIn(f"bagnet{size}-{error}-", preset.file)

    @parameterized.named_parameters(*_PRESETS)
    def test_record_is_frozen(self, preset):
        with self.assertRaises(dataclasses.FrozenInstanceError):
            preset.classes = 10
        with self.assertRaises(TypeError):
            preset.metrics["top1"] = 1.0

    def test_official_ones_say_that_they_need_float32(self):
        notes = bagnet_tf.preset_info("bagnet33-imagenet-official").notes
        self.assertIn("float32", notes)

    def test_what_the_builder_calls_it(self):
        self.assertEqual(PRESETS["bagnet9-imagenet"].weights, "imagenet")
        self.assertEqual(
            PRESETS["bagnet33-imagenet-official"].weights, "imagenet-official"
        )

    def test_unknown_name(self):
        message = "one of .*bagnet33-imagenet,.*name='bagnet-33"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.preset_info("bagnet-33-imagenet")

    def test_name_like_none(self):
        with self.assertRaisesRegex(ValueError, "bagnet9-imagenet.*'?'"):
            bagnet_tf.preset_info("?")


class ShippedTest(parameterized.TestCase):
    """The record of a shipped preset, from a folder of the test's own."""

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(folder, "imagenette.json")
        self.enterContext(
            mock.patch.object(presets, "SHIPPED_FOLDER", self.path.parent)
        )
        self.record = {
            "architecture": "bagnet9",
            "width": 0.25,
            "labels": ["tench", "church"],
            "input_size": [41, 57],
            "file": "weights.h5",
            "sha256": "ab" * 32,
            "metrics": {"top1": 0.5, "temperature": 0.75},
            "rounding": {"top1_after": 0.5},
        }

    def test_record(self):
        self.path.write_text(json.dumps(self.record))
        preset = bagnet_tf.preset_info("imagenette")
        self.assertEqual(preset, PRESETS["imagenette"])
        self.assertEqual(preset.name, "imagenette")
        self.assertEqual(preset.weights, "imagenette")
        self.assertEqual(preset.architecture, "bagnet9")
        self.assertEqual(preset.width, 0.25)
        self.assertEqual(preset.classes, 2)
        self.assertEqual(preset.labels, ("tench", "church"))
        self.assertEqual(preset.input_size, (41, 57))
        self.assertEqual(preset.metrics, {"top1": 0.5, "temperature": 0.75})
        self.assertEqual(preset.hash_algorithm, "sha256")
        self.assertEqual(preset.file_hash, "ab" * 32)
        self.assertEqual(preset.url, "")
        self.assertIn("ImageNet", preset.licence)
        self.assertFalse(preset.needs_torch)
        with self.assertRaises(TypeError):
            preset.metrics["top1"] = 1.0

    @parameterized.parameters("architecture", "labels", "sha256", "metrics")
    def test_record_without(self, key):
        del self.record[key]
        self.path.write_text(json.dumps(self.record))
        message = f"imagenette.json, whole; install .*{key}.*Received: .*json"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.preset_info("imagenette")

    @parameterized.parameters("", "{", "[1]", '{"labels": 3}')
    def test_damaged(self, content):
        self.path.write_text(content)
        with self.assertRaisesRegex(ValueError, "own imagenette.json, whole"):
            bagnet_tf.preset_info("imagenette")

    def test_missing(self):
        with self.assertRaisesRegex(ValueError, "own imagenette.json, whole"):
            bagnet_tf.preset_info("imagenette")
        with self.subTest("published ones do without"):
            preset = bagnet_tf.preset_info("bagnet33-imagenet")
            self.assertEqual(preset.width, 1.0)
        with self.subTest("the names are known"):
            self.assertIn("imagenette", list(PRESETS))


if __name__ == "__main__":
    absltest.main()
