"""Has an image as many channels as were asked for?"""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import corrupt_images, image_source
from tests.dataset_helpers import (
    DEEP,
    GREY,
    OVER_WHITE,
    PHOTO,
    RGBA,
    SourceTestCase,
    exif_of,
    three_channels,
)


class ChannelsTest(SourceTestCase):
    def _array(self, array):
        path = self.root / "train" / "a" / "1.npy"
        np.save(path, array)
        return path

    def test_grey(self):
        for image, suffix in ((PHOTO, "png"), (RGBA, "png"), (GREY, "tif")):
            path = self.save(image, suffix)
            rgb = OVER_WHITE if image is RGBA else PHOTO
            expected = np.asarray(Image.fromarray(rgb).convert("L"))
            if image is GREY:
                expected = GREY
            pixels = self.pixels(path, channels=1)
            np.testing.assert_array_equal(pixels[..., 0], expected)
            path.unlink()
            (self.root / "train" / "b" / path.name).unlink()

    def test_grey_jpeg(self):
        image = Image.fromarray(PHOTO).resize((90, 60))
        path = self.save(image, "jpg")
        with Image.open(path) as opened:
            expected = np.asarray(opened.convert("RGB").convert("L"))
        pixels = self.pixels(path, channels=1)
        np.testing.assert_array_equal(pixels[..., 0], expected)

    @parameterized.named_parameters(
        ("transparent", RGBA, "png", {}, RGBA),
        ("turned", RGBA, "png", exif_of(6), np.rot90(RGBA, -1)),
        ("opaque", PHOTO, "png", {}, np.dstack([PHOTO, GREY * 0 + 255])),
        (
            "deep",
            DEEP,
            "png",
            {},
            np.dstack([three_channels(DEEP // 257), GREY * 0 + 255]),
        ),
    )
    def test_rgba(self, image, suffix, options, expected):
        path = self.save(image, suffix, **options)
        pixels = self.pixels(path, channels=4)
        np.testing.assert_array_equal(pixels, expected)

    @parameterized.parameters(1, 2, 4, 5, 11)
    def test_arrays(self, channels):
        array = np.random.default_rng(1).integers(
            0, 256, (4, 7, channels), np.uint8
        )
        path = self._array(array)
        np.testing.assert_array_equal(self.pixels(path, channels), array)

    def test_grey_arrays_without_an_axis_of_channels(self):
        pixels = self.pixels(self._array(GREY), channels=1)
        np.testing.assert_array_equal(pixels[..., 0], GREY)

    def test_arrays_of_16_bits(self):
        array = np.random.default_rng(1).integers(
            0, 65536, (4, 7, 5), np.uint16
        )
        array[0, 0] = [0, 256, 257, 65534, 65535]
        pixels = self.pixels(self._array(array), channels=5)
        np.testing.assert_array_equal(pixels, np.floor(array / 257))
        self.assertEqual(pixels[0, 0].tolist(), [0, 0, 1, 254, 255])

    @parameterized.named_parameters(
        ("float", np.zeros((4, 7, 5)), "of float64"),
        ("signed", np.zeros((4, 7, 5), np.int16), "of int16"),
        ("other_channels", np.zeros((4, 7, 3), np.uint8), r"\(4, 7, 3\)"),
        ("no_channels", np.zeros((4, 7), np.uint8), r"\(4, 7\)"),
        ("batch", np.zeros((2, 4, 7, 5), np.uint8), r"\(2, 4, 7, 5\)"),
    )
    def test_arrays_that_are_no_images(self, array, message):
        source = self.source(self._array(array), channels=5, skip_corrupt=True)
        with self.assertRaisesRegex(ValueError, message) as caught:
            source.dataset("train")
        self.assertIn("1.npy", str(caught.exception))
        self.assertIn("(height, width, 5)", str(caught.exception))

    def test_photos_have_no_five_channels(self):
        path = self.save(PHOTO, "png")
        with self.assertRaisesRegex(ValueError, r"have images \(.npy\)"):
            self.source(path, channels=5)

    @parameterized.parameters(0, -1)
    def test_no_channels(self, channels):
        path = self.save(PHOTO, "png")
        with self.assertRaisesRegex(ValueError, "channels must be at least 1"):
            self.source(path, channels=channels)

    @parameterized.named_parameters(
        ("grey", 1, "png"), ("rgba", 4, "png"), ("arrays", 5, "npy")
    )
    def test_corrupt_files_are_found_and_skipped(self, channels, suffix):
        for label in "ab":
            for index in range(3):
                path = self.root / "train" / label / f"{index}.{suffix}"
                if suffix == "npy":
                    np.save(path, np.full((4, 7, 5), index, np.uint8))
                else:
                    Image.fromarray(PHOTO).save(path)
        bad = [f"train/a/1.{suffix}", f"train/b/2.{suffix}"]
        for file in bad:
            path = self.root / file
            path.write_bytes(path.read_bytes()[:70])
        name = f"folder:{self.root}"
        source = image_source(name, channels=channels)
        self.assertCountEqual(corrupt_images(source, "train"), bad)
        with self.assertRaises(tf.errors.InvalidArgumentError):
            list(source.dataset("train"))
        source = image_source(name, channels=channels, skip_corrupt=True)
        self.assertEqual(source.skipped, {})
        examples = list(source.dataset("train"))
        self.assertLen(examples, 4)
        self.assertEqual(source.num_examples("train"), 4)
        self.assertEqual(source.label_counts("train").tolist(), [2, 2])
        self.assertEqual(examples[0]["image"].shape[-1], channels)
        self.assertEqual(list(source.skipped), ["corrupt_images"])
        self.assertCountEqual(source.skipped["corrupt_images"], bad)


if __name__ == "__main__":
    absltest.main()
