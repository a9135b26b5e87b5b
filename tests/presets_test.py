"""Is what is said of the published weights complete and consistent?"""

import dataclasses

from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.presets import PRESETS
from bagnet_tf.pretrained import NAMES

_PRESETS = tuple((name, preset) for name, preset in PRESETS.items())


class PresetTest(parameterized.TestCase):
    def test_every_name_of_weights_for_every_variant(self):
        names = [f"{a}-{w}" for a in bagnet_tf.ARCHITECTURES for w in NAMES]
        self.assertCountEqual(PRESETS, names)

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
        message = "close ones are .*'bagnet33-imagenet'.*name='bagnet-33"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.preset_info("bagnet-33-imagenet")

    def test_name_like_none(self):
        with self.assertRaisesRegex(ValueError, "'bagnet9-imagenet'.*'?'"):
            bagnet_tf.preset_info("?")


if __name__ == "__main__":
    absltest.main()
