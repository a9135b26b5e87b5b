"""Are files of any kind read as people see them?"""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image, ImageOps

from bagnet_tf.datasets import corrupt_images
from bagnet_tf.datasets.reading import image_size
from bagnet_tf.preprocessing import decode_image, load_photo
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


def _palette(transparent=None):
    """Columns of three colours; one of them may be transparent."""
    image = Image.fromarray(np.tile(np.arange(9, dtype="u1") % 3, (6, 1)), "P")
    colours = np.array([[9, 8, 7], [200, 100, 0], [0, 60, 250]], np.uint8)
    image.putpalette(colours.ravel().tolist())
    if transparent is not None:
        image.info["transparency"] = transparent
        colours[transparent] = 255
    return image, np.tile(colours[np.arange(9) % 3], (6, 1, 1))


_BUT_ONE_PIXEL = PHOTO.copy()
_BUT_ONE_PIXEL[2, 3] = 255


class AsPeopleSeeThemTest(SourceTestCase):
    # fmt: off
    @parameterized.named_parameters(
        ("jpeg", "jpg", "RGB", {}),
        ("grey_jpeg", "jpeg", "L", {}),
        ("cmyk_jpeg", "jpg", "CMYK", {}),
        ("progressive_jpeg", "jpg", "RGB", {"progressive": True}),
        ("upright_jpeg", "jpg", "RGB", exif_of(1)),
        ("png", "png", "RGB", {}),
        ("grey_png", "PNG", "L", {}),
        ("bits_png", "png", "1", {}),
        ("upright_png", "png", "RGB", exif_of(1)),
        ("few_colours_png", "png", "P", {"bits": 4}),
    )
    # fmt: on
    def test_files_that_stay_as_they_are(self, suffix, mode, options):
        image = Image.fromarray(PHOTO).resize((48, 32)).convert(mode)
        path = self.save(image, suffix, **options)
        stored = self.stored(path)
        self.assertEqual(stored.numpy(), path.read_bytes())
        with Image.open(path) as opened:
            expected = np.asarray(opened.convert("RGB"))
        np.testing.assert_array_equal(decode_image(stored), expected)

    # fmt: off
    @parameterized.named_parameters(
        ("webp", PHOTO, "webp", {"lossless": True}, PHOTO),
        ("tiff", PHOTO, "TIFF", {}, PHOTO),
        ("tif", GREY, "tif", {}, three_channels(GREY)),
        ("gif", _palette()[0], "gif", {}, _palette()[1]),
        ("palette_bmp", _palette()[0], "bmp", {}, _palette()[1]),
        ("palette_png", _palette()[0], "png", {}, _palette()[1]),
        ("16_bits", DEEP, "png", {}, three_channels(DEEP // 257)),
        ("16_bits_tiff", DEEP, "tif", {}, three_channels(DEEP // 257)),
        ("transparent", RGBA, "png", {}, OVER_WHITE),
        ("transparent_webp", RGBA, "webp", {"lossless": True, "exact": True},
         OVER_WHITE),
        ("transparent_colour", _palette(1)[0], "png", {}, _palette(1)[1]),
        ("transparent_shade", GREY, "png", {"transparency": int(GREY[2, 3])},
         three_channels(np.where(GREY == GREY[2, 3], 255, GREY))),
        ("transparent_rgb", PHOTO, "png",
         {"transparency": tuple(PHOTO[2, 3].tolist())}, _BUT_ONE_PIXEL),
        ("turned", PHOTO, "png", exif_of(6), np.rot90(PHOTO, -1)),
        ("upside_down", PHOTO, "png", exif_of(3), np.rot90(PHOTO, 2)),
        ("mirrored", PHOTO, "png", exif_of(2), PHOTO[:, ::-1]),
        ("transposed", PHOTO, "tif", exif_of(5), PHOTO.swapaxes(0, 1)),
    )
    # fmt: on
    def test_others(self, image, suffix, options, expected):
        stored = self.stored(self.save(image, suffix, **options))
        np.testing.assert_array_equal(decode_image(stored), expected)

    @parameterized.parameters(2, 3, 4, 5, 6, 7, 8)
    def test_turned_jpeg(self, orientation):
        """A bright quarter that people see at the upper left stays there."""
        corner = np.zeros((32, 48, 3), np.uint8)
        corner[:16, :24] = 255
        turns = {
            2: lambda p: p[:, ::-1],
            3: lambda p: p[::-1, ::-1],
            4: lambda p: p[::-1],
            5: lambda p: p.swapaxes(0, 1),
            6: lambda p: np.rot90(p),  # Shown turned back, clockwise.
            7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
            8: lambda p: np.rot90(p, -1),
        }
        lying = np.ascontiguousarray(turns[orientation](corner))
        path = self.save(lying, "jpg", quality=95, **exif_of(orientation))
        seen = decode_image(self.stored(path)).numpy().astype(int)
        np.testing.assert_allclose(seen, corner.astype(int), atol=12)

    @parameterized.named_parameters(
        ("behind_a_large_profile", 60_000), ("in_front", 0)
    )
    def test_orientation_in_jpeg_metadata(self, size):
        """XMP tells it too, wherever it stands."""
        xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="3"/>'
        profile = bytes(size)
        image = Image.fromarray(PHOTO).resize((48, 32))
        path = self.save(image, "jpg", xmp=xmp, icc_profile=profile)
        plain = path.read_bytes()
        if size:  # Pillow writes XMP first.
            at = plain.index(b"\xff\xe1")
            length = 2 + int.from_bytes(plain[at + 2 : at + 4])
            segment = plain[at : at + length]
            rest = plain[:at] + plain[at + length :]
            table = rest.index(b"\xff\xdb")
            self.assertGreater(table, 16_384)
            path.write_bytes(rest[:table] + segment + rest[table:])
        stored = self.stored(path)
        expected = np.rot90(decode_image(tf.constant(plain)).numpy(), 2)
        np.testing.assert_array_equal(decode_image(stored), expected)

    def test_orientation_behind_a_large_profile_of_a_png(self):
        rng = np.random.default_rng(0)
        photo = rng.integers(0, 256, (99, 120, 3), np.uint8)
        profile = rng.bytes(60_000)
        options = {"icc_profile": profile, **exif_of(3)}
        path = self.save(photo, "png", **options)
        at = path.read_bytes().index(b"eXIf")
        self.assertBetween(at, 20_000, path.stat().st_size - 20_000)
        stored = self.stored(path)
        np.testing.assert_array_equal(decode_image(stored), np.rot90(photo, 2))

    def test_16_bit_colours(self):
        rng = np.random.default_rng(1)
        values = rng.integers(0, 65536, (6, 9, 3), np.uint16)
        path = self.root / "train" / "a" / "1.png"
        path.write_bytes(tf.io.encode_png(values).numpy())
        # Pillow's own decoder takes the upper 8 bits of these.
        np.testing.assert_array_equal(
            decode_image(self.stored(path)), values // 256
        )
        np.testing.assert_array_equal(load_photo(path), values // 256)

    def test_arrays(self):
        path = self.root / "train" / "a" / "1.npy"
        np.save(path, PHOTO)
        np.testing.assert_array_equal(
            decode_image(self.stored(path)), PHOTO
        )

    @parameterized.parameters(1, 2, 3, 4, 5, 6, 7, 8)
    def test_sizes_are_those_that_people_see(self, orientation):
        path = self.save(PHOTO, "jpg", **exif_of(orientation))
        with Image.open(path) as opened:
            seen = ImageOps.exif_transpose(opened).size
        self.assertEqual(image_size(path), seen)
        self.assertEqual(seen == (6, 9), orientation > 4)

    def test_sizes_of_arrays_and_of_damaged_files(self):
        path = self.root / "train" / "a" / "1.npy"
        for shape in ((6, 9), (6, 9, 5)):
            np.save(path, np.zeros(shape, np.uint8))
            self.assertEqual(image_size(path), (9, 6))
        for name in ("1.npy", "1.png"):
            path.with_name(name).write_bytes(b"no image")
            self.assertIsNone(image_size(path.with_name(name)))

    def test_masks_lie_over_the_image_that_people_see(self):
        path = self.save(PHOTO, "jpg", **exif_of(6))  # Seen as 6 wide, 9 high.
        mask = np.zeros((9, 6), np.uint8)
        mask[2, 4] = 255
        (self.root / "masks/train/a").mkdir(parents=True)
        Image.fromarray(mask).save(self.root / "masks/train/a/1.png")
        masks = [e["mask"] for e in self.source(path).dataset("train")]
        self.assertIn(
            np.argwhere(mask).tolist(), [np.argwhere(m).tolist() for m in masks]
        )
        Image.fromarray(mask.T).save(self.root / "masks/train/a/1.png")
        with self.assertRaisesRegex(ValueError, "6 x 9 pixels"):
            self.source(path).dataset("train")

    @parameterized.named_parameters(
        ("jpeg", "jpg", {}),
        ("turned_jpeg", "jpg", exif_of(6)),
        ("png", "png", {}),
        ("tiff", "tif", {}),
        ("webp", "webp", {}),
        ("gif", "gif", {}),
    )
    def test_damaged_files_stay_as_they_are(self, suffix, options):
        path = self.save(
            Image.fromarray(PHOTO).resize((90, 60)), suffix, **options
        )
        path.write_bytes(path.read_bytes()[:-200])
        stored = self.stored(path)
        self.assertEqual(stored.numpy(), path.read_bytes())
        found = list(corrupt_images(self.source(path), "train"))
        names = [f"train/{label}/{path.name}" for label in "ab"]
        self.assertCountEqual(found, names)


if __name__ == "__main__":
    absltest.main()
