"""Does a client see in a photo what the model was trained to see?"""

import io
import pathlib
import struct
import tempfile
import zlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import image_source
from bagnet_tf.preprocessing import decode_image
from bagnet_tf.preprocessing import evaluation_image as in_graph
from export.client.photos import evaluation_image, read_photo
from tests.shared_data import shared

_NUM_PHOTOS = 6


def _photo(height, width, seed=0):
    generator = np.random.default_rng(seed)
    noise = generator.integers(0, 120, (height, width, 3))
    rows, cols = np.mgrid[:height, :width]
    waves = 60 * np.sin(rows / 7)[..., None] + 60 * np.cos(cols / 5)[..., None]
    return (noise + waves + 120).clip(0, 255).astype(np.uint8)


def _encoded(image, file_format="PNG", **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _bomb(side):
    """A PNG of one bit a pixel that is small until it is decoded."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        size = struct.pack(">I", len(content))
        return size + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def _by_hand(image, size):
    """The rule for one RGB image of Pillow's, in fractions."""
    if image.size == size[::-1]:
        return np.asarray(image)
    height, width = size
    scale = max(
        int(height / 0.875 + 0.5) / image.height,
        int(width / 0.875 + 0.5) / image.width,
    )
    resized = image.resize(
        (int(image.width * scale + 0.5), int(image.height * scale + 0.5)),
        Image.Resampling.BILINEAR,
    )
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return np.asarray(resized.crop((left, top, left + width, top + height)))


class EvaluationImageTest(parameterized.TestCase):
    @parameterized.parameters(
        ((375, 500), (224, 224)),
        ((500, 331), (105, 105)),
        ((50, 61), (160, 160)),
        ((300, 200), (64, 120)),
        ((224, 224), (224, 224)),
        ((256, 256), (224, 224)),
        ((1, 1), (33, 33)),
    )
    def test_is_the_rule(self, photo_size, size):
        photo = _photo(*photo_size)
        found = evaluation_image(photo, size)
        expected = _by_hand(Image.fromarray(photo), size)
        np.testing.assert_array_equal(found, expected)
        graph = in_graph(tf.constant(photo), size).numpy()
        self.assertLessEqual(np.abs(found.astype(int) - graph).max(), 1)

    @parameterized.parameters((224, 224), (105, 105), (160, 320))
    def test_of_real_photos_is_the_rule(self, *size):
        source = image_source("imagenette/320px-v2", str(shared("tfds")))
        for example in source.dataset("validation").take(_NUM_PHOTOS):
            encoded = example["image"].numpy()
            found = evaluation_image(read_photo(encoded), size)
            opened = Image.open(io.BytesIO(encoded)).convert("RGB")
            np.testing.assert_array_equal(found, _by_hand(opened, size))
            graph = in_graph(decode_image(encoded), size).numpy()
            self.assertLessEqual(np.abs(found.astype(int) - graph).max(), 1)

    def test_grey(self):
        photo = _photo(90, 70)
        found = evaluation_image(photo, (40, 40), channels=1)
        grey = Image.fromarray(photo).convert("L")
        expected = _by_hand(grey, (40, 40))[..., None]
        np.testing.assert_array_equal(found, expected)

    @parameterized.parameters(0, 2, 4)
    def test_channels_that_no_photo_has(self, channels):
        with self.assertRaisesRegex(
            ValueError, f"channels must be 3.*Received: channels={channels}"
        ):
            evaluation_image(_photo(9, 9), (5, 5), channels)

    @parameterized.parameters(
        (np.zeros((9, 9), np.uint8),),
        (np.zeros((9, 9, 4), np.uint8),),
        (np.zeros((9, 9, 3), np.float32),),
    )
    def test_arrays_that_are_no_photo(self, photo):
        with self.assertRaisesRegex(ValueError, "photo must be RGB.*shape="):
            evaluation_image(photo, (5, 5))


class ReadPhotoTest(parameterized.TestCase):
    def _read(self, encoded):
        """What both roads give."""
        found = read_photo(encoded)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "photo")
            path.write_bytes(encoded)
            np.testing.assert_array_equal(read_photo(path), found)
            np.testing.assert_array_equal(read_photo(str(path)), found)
        self.assertEqual(found.dtype, np.uint8)
        return found

    @parameterized.parameters(
        (1, lambda p: p),
        (2, np.fliplr),
        (3, lambda p: np.rot90(p, 2)),
        (4, np.flipud),
        (5, lambda p: np.swapaxes(p, 0, 1)),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: np.rot90(np.swapaxes(p, 0, 1), 2)),
        (8, np.rot90),
    )
    def test_upright(self, orientation, turned):
        photo, exif = _photo(12, 20), Image.Exif()
        exif[0x0112] = orientation
        found = self._read(_encoded(Image.fromarray(photo), exif=exif))
        np.testing.assert_array_equal(found, turned(photo))

    def test_transparency_over_white(self):
        photo = _photo(8, 9)
        alpha = np.arange(72, dtype=np.uint8).reshape(8, 9, 1) * 3
        image = Image.fromarray(np.concatenate([photo, alpha], axis=-1))
        share = alpha / 255
        expected = photo * share + 255 * (1 - share)
        np.testing.assert_allclose(
            self._read(_encoded(image)), expected, atol=1
        )

    def test_grey_becomes_rgb(self):
        grey = _photo(8, 9)[..., 0]
        found = self._read(_encoded(Image.fromarray(grey)))
        np.testing.assert_array_equal(found, np.stack([grey] * 3, axis=-1))

    def test_jpeg_as_pillow_decodes_it(self):
        encoded = _encoded(Image.fromarray(_photo(61, 83)), "JPEG")
        expected = np.asarray(Image.open(io.BytesIO(encoded)))
        np.testing.assert_array_equal(self._read(encoded), expected)

    @parameterized.named_parameters(
        ("empty", b"", "it is empty or of no known kind"),
        ("text", b"hello, world", "it is empty or of no known kind"),
        ("page", b"<html>404</html>", "it is empty or of no known kind"),
        ("cut_jpeg", _encoded(Image.fromarray(_photo(61, 83)), "JPEG")[:900],
         "truncated"),
        ("cut_png", _encoded(Image.fromarray(_photo(61, 83)))[:900],
         "truncated"),
        ("bomb", _bomb(20_000), "decompression bomb"),
    )  # fmt: skip
    def test_no_whole_image(self, content, reason):
        with self.assertRaisesRegex(
            ValueError, f"whole file.*{reason}.*Received: image='bytes'"
        ):
            read_photo(content)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "photo.jpg")
            path.write_bytes(content)
            with self.assertRaisesRegex(
                ValueError, f"whole file.*{reason}.*Received: image='.*jpg'"
            ):
                read_photo(path)

    def test_missing(self):
        with self.assertRaisesRegex(
            ValueError, "existing file. Received: image='/no/such.jpg'"
        ):
            read_photo("/no/such.jpg")


if __name__ == "__main__":
    absltest.main()
