"""The photos of a request are decoded as Pillow does it, or refused."""

import io
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.preprocessing import decode_image, evaluation_transform
from export.encoded_images import images_decoder
from export.request import Request
from export.saved_model import write_saved_model
from tests.export_helpers import SIZE, info_of, random_images, tiny_model
from tests.shared_data import shared


def _photo(height, width, seed=0):
    """Waves, noise and an edge: all that a JPEG file encodes in its ways."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = 90 * np.sin(y / 9)[..., None] + np.stack([x, y, x + y], -1) % 200
    image = image + rng.uniform(0, 90, (height, width, 3))
    image[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 30)
    return image.clip(0, 255).astype(np.uint8)


def _encoded(image, kind="JPEG", **options):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def _decoded_by_pillow(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


# Chroma as Pillow names it: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
_JPEGS = tuple(
    (f"{'progressive' if progressive else 'baseline'}_{name}", options)
    for progressive in (False, True)
    for name, options in (
        ("444", {"subsampling": 0, "progressive": progressive}),
        ("422", {"subsampling": 1, "progressive": progressive}),
        ("420", {"subsampling": 2, "progressive": progressive}),
    )
)


class DecodedLikePillowTest(parameterized.TestCase):
    @parameterized.named_parameters(*_JPEGS)
    def test_jpeg(self, options):
        for quality, size in ((30, (67, 91)), (75, (64, 48)), (95, (33, 130))):
            encoded = _encoded(_photo(*size), quality=quality, **options)
            np.testing.assert_array_equal(
                decode_image(encoded), _decoded_by_pillow(encoded)
            )

    def test_grey_jpeg(self):
        encoded = _encoded(_photo(45, 67)[..., 0])
        np.testing.assert_array_equal(
            decode_image(encoded), _decoded_by_pillow(encoded)
        )

    @parameterized.parameters("PNG", "BMP")
    def test_lossless_files(self, kind):
        photo = _photo(20, 31)
        decoded = decode_image(_encoded(photo, kind))
        np.testing.assert_array_equal(decoded, photo)

    def test_real_photos(self):
        folder = shared("tfds", "imagenette", "320px-v2", "1.0.0")
        file = folder / "imagenette-validation.tfrecord-00000-of-00001"
        records = tf.data.TFRecordDataset([str(file)]).take(20)
        for record in records.as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            encoded = features["image"].bytes_list.value[0]
            self.assertEqual(encoded[:3], b"\xff\xd8\xff")
            np.testing.assert_array_equal(
                decode_image(encoded), _decoded_by_pillow(encoded)
            )


class ImagesDecoderTest(parameterized.TestCase):
    @parameterized.parameters(3, 1)
    def test_photos_become_input(self, channels):
        photos = [_photo(67, 91, seed=1), _photo(*SIZE, seed=2)]
        encoded = [_encoded(photo) for photo in photos]
        images = images_decoder(SIZE, channels)(tf.constant(encoded)).numpy()
        self.assertEqual(images.shape, (2, *SIZE, channels))
        for image, file in zip(images, encoded, strict=True):
            photo = Image.open(io.BytesIO(file))
            photo = np.asarray(photo.convert({3: "RGB", 1: "L"}[channels]))
            photo = photo.reshape(*photo.shape[:2], channels)
            expected, _ = evaluation_transform(photo, SIZE)
            difference = np.abs(image.astype(int) - expected).max()
            self.assertLessEqual(difference, 1)


class RefusedBySavedModelTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / "1"
        write_saved_model(Request(tiny_model(), info_of()), path)
        cls.loaded = tf.saved_model.load(str(path))
        cls.good = _encoded(random_images(1, SIZE)[0], "PNG")

    def _run(self, encoded):
        return self.loaded.signatures["image_bytes"](
            image_bytes=tf.constant(encoded, tf.string, (len(encoded),))
        )

    @parameterized.named_parameters(
        ("empty", b""),
        ("text", b"not an image"),
        ("html", b"<!doctype html><title>404</title>"),
        ("one_byte", b"\xff"),
        ("beginning_of_a_beginning", b"\x89PNG\r\n"),
        ("webp", _encoded(_photo(8, 8), "WEBP")),
        ("tiff", _encoded(_photo(8, 8), "TIFF")),
    )
    def test_position_of_what_is_no_image_is_named(self, bad):
        for position in range(3):
            batch = [self.good] * 3
            batch[position] = bad
            with self.assertRaisesRegex(
                tf.errors.InvalidArgumentError,
                rf"image_bytes must be JPEG.*like none:\] \[{position}\]",
            ):
                self._run(batch)

    def test_all_positions_are_named(self):
        batch = [b"", self.good, b"?", self.good, b"no"]
        with self.assertRaisesRegex(
            tf.errors.InvalidArgumentError, r"\[0 2 4\]"
        ):
            self._run(batch)

    @parameterized.parameters("JPEG", "PNG")
    def test_truncated_file_is_an_error(self, kind):
        encoded = _encoded(_photo(60, 60), kind)
        with self.assertRaises(tf.errors.InvalidArgumentError):
            self._run([self.good, encoded[: len(encoded) // 2]])

    @parameterized.parameters("JPEG", "PNG", "GIF", "BMP")
    def test_beginnings_of_all_formats_are_known(self, kind):
        outputs = self._run([_encoded(_photo(30, 40), kind), self.good])
        self.assertEqual(outputs["image"].shape, (2, *SIZE, 3))


if __name__ == "__main__":
    absltest.main()
