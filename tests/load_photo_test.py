"""Is a photo read as people see it, and is what was done told?"""

import io
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.photos import decode_photo
from bagnet_tf.preprocessing import load_photo, load_photo_and_notes


def _photo(height, width, seed=0):
    """A photo-like mixture of gradients, noise and hard edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = 90 * np.sin(y / 9)[..., None] + np.stack([x, y, x + y], -1) % 200
    image = image + rng.uniform(0, 90, (height, width, 3))
    image[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 30)
    return image.clip(0, 255).astype("uint8")


def _grey_16_bit(rows=3, cols=4):
    values = np.linspace(0, 65535, rows * cols).astype("uint16")
    return Image.fromarray(values.reshape(rows, cols))


def _transparent(mode):
    colour = (90, 40) if mode == "LA" else (9, 9, 9, 40)
    return Image.new(mode, (4, 3), colour)


class LoadPhotoTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(directory, "photo.png")

    def save(self, image, **kwargs):
        image.save(self.path, **kwargs)
        loaded = load_photo(self.path)
        self.assertEqual(loaded.dtype, np.uint8)
        return loaded

    def test_rgb(self):
        photo = _photo(20, 30)
        np.testing.assert_array_equal(self.save(Image.fromarray(photo)), photo)

    def test_exif_rotation_is_applied(self):
        photo, exif = _photo(20, 30), Image.Exif()
        exif[0x0112] = 6  # Turn by 90 degrees, clockwise.
        loaded = self.save(Image.fromarray(photo), exif=exif)
        np.testing.assert_array_equal(loaded, np.rot90(photo, -1))

    def test_grey(self):
        grey = _photo(20, 30)[..., 0]
        loaded = self.save(Image.fromarray(grey))
        np.testing.assert_array_equal(loaded, np.stack([grey] * 3, -1))

    def test_palette(self):
        image = Image.fromarray(_photo(20, 30)).quantize(16)
        expected = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(self.save(image), expected)

    def test_palette_with_a_transparent_colour(self):
        image = Image.new("P", (4, 4), 1)
        image.putpalette([9, 9, 9, 200, 100, 50])
        image.putpixel((2, 1), 0)
        loaded = self.save(image, transparency=0)
        np.testing.assert_array_equal(loaded[1, 2], (255, 255, 255))
        np.testing.assert_array_equal(loaded[0, 0], (200, 100, 50))

    @parameterized.parameters(
        (0, (255, 255, 255)), (255, (200, 100, 0)), (51, (244, 224, 204))
    )
    def test_transparency_lies_over_white(self, alpha, expected):
        image = Image.new("RGBA", (3, 3), (200, 100, 0, alpha))
        np.testing.assert_array_equal(self.save(image)[1, 1], expected)

    def test_grey_with_alpha(self):
        image = Image.new("LA", (3, 3), (0, 51))
        np.testing.assert_array_equal(self.save(image)[1, 1], [204] * 3)

    def test_sixteen_bits_are_scaled_to_eight(self):
        values = np.array([[0, 257, 32896, 60000, 65535]], "uint16")
        loaded = self.save(Image.fromarray(values))
        np.testing.assert_array_equal(loaded[0, :, 0], (0, 1, 128, 233, 255))

    def test_black_and_white(self):
        image = Image.new("1", (3, 3), 1)
        np.testing.assert_array_equal(self.save(image), 255)

    def test_missing_file(self):
        with self.assertRaisesRegex(
            ValueError, "existing file. Received: image='.*photo.png'"
        ):
            load_photo(self.path)

    @parameterized.parameters("PNG", "JPEG", "GIF", "BMP", "WEBP")
    def test_truncated_file(self, file_format):
        encoded = io.BytesIO()
        Image.fromarray(_photo(20, 30)).save(encoded, file_format)
        whole = encoded.getvalue()
        for length in range(0, len(whole) - 60, 37):
            self.path.write_bytes(whole[:length])
            with self.assertRaisesRegex(ValueError, "whole.*photo.png"):
                load_photo(self.path)

    @parameterized.parameters("PNG", "BMP", "TIFF")
    def test_damaged_file(self, file_format):
        encoded = io.BytesIO()
        Image.fromarray(_photo(5, 6)).save(encoded, file_format)
        refused = 0
        for position in range(len(encoded.getvalue())):
            damaged = bytearray(encoded.getvalue())
            damaged[position] ^= 1
            self.path.write_bytes(damaged)
            try:
                load_photo(self.path)
            except ValueError as error:
                self.assertIn("photo.png", str(error))
                refused += 1
        self.assertGreater(refused, 5)

    def test_animation_that_ends_anywhere(self):
        """Pillow fails in ways of its own within the head of a frame."""
        frames = [Image.fromarray(_photo(4, 5, seed)) for seed in (0, 1)]
        stream = io.BytesIO()
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
        whole = stream.getvalue()
        refused = 0
        for size in range(len(whole)):
            try:
                decode_photo(whole[:size])
            except ValueError as error:
                self.assertIn("Received: image=", str(error))
                refused += 1
        self.assertGreater(refused, 10)

    def test_file_that_is_no_image(self):
        self.path.write_text("hello")
        with self.assertRaisesRegex(ValueError, "whole file.*photo.png"):
            load_photo(self.path)

    def test_directory(self):
        with self.assertRaisesRegex(ValueError, "image must be"):
            load_photo(self.path.parent)


class NotesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)

    def _notes(self, image, file_format="PNG", **options):
        path = self.folder / f"photo.{file_format.lower()}"
        image.save(path, file_format, **options)
        photo, notes = load_photo_and_notes(path)
        self.assertEqual((photo.dtype, photo.shape[2:]), (np.uint8, (3,)))
        np.testing.assert_array_equal(photo, load_photo(path))
        return list(notes)

    # fmt: off
    @parameterized.named_parameters(
        ("rgb", "RGB", "PNG", []),
        ("jpeg", "RGB", "JPEG", []),
        ("webp", "RGB", "WEBP", []),
        ("black_and_white", "1", "PNG", ["black and white to RGB"]),
        ("grey", "L", "PNG", ["grey to RGB"]),
        ("grey_jpeg", "L", "JPEG", ["grey to RGB"]),
        ("palette", "P", "PNG", ["palette to RGB"]),
        ("palette_gif", "P", "GIF", ["palette to RGB"]),
        ("cmyk", "CMYK", "JPEG", ["CMYK to RGB"]),
        ("lab", "LAB", "TIFF", ["LAB to RGB"]),
        ("float", "F", "TIFF", ["floating point clipped to 0-255"]),
        ("integers", "I", "TIFF",
         ["32-bit clipped to 16", "16-bit scaled to 8", "grey to RGB"]),
    )
    # fmt: on
    def test_of_a_mode(self, mode, file_format, expected):
        image = Image.new(mode, (4, 3))
        self.assertEqual(self._notes(image, file_format), expected)

    @parameterized.named_parameters(
        ("none", 1, []),
        ("mirrored", 2, ["mirrored by EXIF"]),
        ("upside_down", 3, ["rotated by EXIF"]),
        ("flipped", 4, ["mirrored by EXIF"]),
        ("transposed", 5, ["rotated and mirrored by EXIF"]),
        ("clockwise", 6, ["rotated by EXIF"]),
        ("transverse", 7, ["rotated and mirrored by EXIF"]),
        ("anticlockwise", 8, ["rotated by EXIF"]),
        ("unknown", 9, []),
    )
    def test_of_an_exif_orientation(self, orientation, expected):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for file_format in ("JPEG", "PNG", "TIFF"):
            image = Image.new("RGB", (4, 3))
            notes = self._notes(image, file_format, exif=exif)
            self.assertEqual(notes, expected, file_format)

    @parameterized.named_parameters(
        ("colour", _transparent("RGBA"), {}, []),
        ("grey", _transparent("LA"), {}, ["grey to RGB"]),
        ("one_colour", Image.new("RGB", (4, 3)), {"transparency": (0,) * 3},
         []),
        ("palette", Image.new("P", (4, 3)), {"transparency": 0},
         ["palette to RGB"]),
    )  # fmt: skip
    def test_of_transparency(self, image, options, before):
        expected = [*before, "transparency laid over white"]
        self.assertEqual(self._notes(image, **options), expected)

    def test_alpha_that_hides_nothing_is_no_news(self):
        self.assertEmpty(self._notes(Image.new("RGBA", (4, 3), "red")))

    @parameterized.parameters("PNG", "TIFF")
    def test_of_sixteen_bits_in_grey(self, file_format):
        self.assertEqual(
            self._notes(_grey_16_bit(), file_format),
            ["16-bit scaled to 8", "grey to RGB"],
        )

    @parameterized.parameters(3, 4)
    def test_of_sixteen_bits_in_colour(self, channels):
        values = np.full((3, 4, channels), 65535, "uint16")
        values[..., :3] = np.arange(36).reshape(3, 4, 3) * 1800
        path = self.folder / "photo.png"
        path.write_bytes(tf.io.encode_png(values).numpy())
        photo, notes = load_photo_and_notes(path)
        self.assertEqual(notes, ("16-bit scaled to 8",))
        np.testing.assert_allclose(photo, values[..., :3] / 257, atol=1)

    def test_of_several_frames(self):
        more = [Image.new("L", (4, 3), 9), Image.new("L", (4, 3), 99)]
        notes = self._notes(
            Image.new("L", (4, 3)), "TIFF", save_all=True, append_images=more
        )
        self.assertEqual(notes, ["first of 3 frames", "grey to RGB"])


if __name__ == "__main__":
    absltest.main()
