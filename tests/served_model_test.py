"""A model on a server says what the model says, or its client says why not."""

import io
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import patch_logits_model
from bagnet_tf.photos import evaluation_transform
from export.serving.uploads import upright_file
from tests.export_helpers import SIZE, random_images, tiny_model
from tests.serving_helpers import ServedModelTestCase, encoded, photo

_PROTOCOLS = (("rest", "rest"), ("grpc", "grpc"))


class AnswersTest(ServedModelTestCase):
    def _assert_answers(self, answers, images, seed=0):
        """Compares with the Keras model that was exported."""
        network = patch_logits_model(tiny_model(seed))
        expected = network.predict_on_batch(images.astype(np.float32))
        self.assertLen(answers, len(images))
        for index, answer in enumerate(answers):
            np.testing.assert_array_equal(answer.image, images[index])
            for name in ("logits", "patch_logits"):
                wanted = expected[name][index]
                error = np.abs(getattr(answer, name) - wanted).max()
                self.assertLess(error / np.abs(wanted).max(), 1e-5)
                self.assertEqual(getattr(answer, name).dtype, np.float32)

    @parameterized.named_parameters(*_PROTOCOLS)
    def test_pixels(self, protocol):
        images = random_images(3, SIZE)
        client = self.served(protocol, version=1)
        client.check()
        self._assert_answers(client.predict(images), images)

    @parameterized.named_parameters(*_PROTOCOLS)
    def test_bytes(self, protocol):
        images = random_images(2, SIZE)
        client = self.served(protocol, version=1)
        client.check("image_bytes")
        answers = client.predict_encoded([encoded(i) for i in images])
        self._assert_answers(answers, images)

    @parameterized.named_parameters(*_PROTOCOLS)
    def test_versions(self, protocol):
        images = random_images(1, SIZE)
        latest = self.served(protocol)
        self._assert_answers(latest.predict(images), images, seed=1)
        second = self.served(protocol, version=2)
        self._assert_answers(second.predict(images), images, seed=1)

    @parameterized.named_parameters(*_PROTOCOLS)
    def test_bytes_become_the_image_that_the_client_would_make(self, protocol):
        path = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory()), "photo.jpg"
        )
        exif = Image.Exif()
        exif[0x0112] = 6  # To be turned by 90 degrees, clockwise.
        stored = photo(40, 64)
        path.write_bytes(encoded(stored, "JPEG", exif=exif))
        with Image.open(path) as opened:
            upright = np.rot90(np.asarray(opened), -1)
        expected, _ = evaluation_transform(np.ascontiguousarray(upright), SIZE)
        [answer] = self.served(protocol).predict_encoded([upright_file(path)])
        difference = np.abs(answer.image.astype(int) - expected)
        self.assertLessEqual(difference.max(), 1)
        # A photo that is not turned would be another one.
        wrong, _ = evaluation_transform(np.asarray(Image.open(path)), SIZE)
        self.assertGreater(np.abs(answer.image.astype(int) - wrong).max(), 30)

    def test_wrong_images_are_not_sent(self):
        for images in (
            random_images(1, (21, 25)),
            random_images(1, SIZE, 1),
            random_images(1, SIZE).astype(np.float32),
        ):
            with self.assertRaisesRegex(ValueError, "images must be uint8"):
                self.served("rest").predict(images)
        self.assertEmpty(self.server.requests)


class UploadsTest(parameterized.TestCase):
    def _file(self, content, name="photo"):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder, name)
        path.write_bytes(content)
        return path

    def test_plain_jpeg_is_sent_as_it_is(self):
        for image in (photo(), photo()[..., 0]):
            content = encoded(image, "JPEG")
            self.assertEqual(upright_file(self._file(content)), content)

    def test_others_become_png_of_what_people_see(self):
        image = photo(8, 9)
        exif = Image.Exif()
        exif[0x0112] = 3  # Upside down.
        rgba = np.dstack([image, np.zeros((8, 9), np.uint8)])
        for content, expected in (
            (encoded(image), image),
            (encoded(image, exif=exif), image[::-1, ::-1]),
            (encoded(rgba), np.full_like(image, 255)),
            (encoded(image, "TIFF"), image),
        ):
            sent = upright_file(self._file(content))
            self.assertEqual(sent[:4], b"\x89PNG")
            np.testing.assert_array_equal(
                np.asarray(Image.open(io.BytesIO(sent))), expected
            )

    @parameterized.parameters(b"", b"no image", encoded(photo(), "JPEG")[:90])
    def test_damaged_files_are_not_sent(self, content):
        with self.assertRaisesRegex(ValueError, "image must be"):
            upright_file(self._file(content))


if __name__ == "__main__":
    absltest.main()
