"""Does a photo become the same input on every road?"""

import io

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.geometry import Box
from bagnet_tf.preprocessing import (
    CropTransform,
    decode_image,
    evaluation_image,
    evaluation_transform,
    in_grey,
)


def _photo(height, width, seed=0):
    """A photo-like mixture of gradients, noise and hard edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = 90 * np.sin(y / 9)[..., None] + np.stack([x, y, x + y], -1) % 200
    image = image + rng.uniform(0, 90, (height, width, 3))
    image[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 30)
    return image.clip(0, 255).astype("uint8")


# (name, height and width of the photo, height and width of the result)
_SIZES = (
    ("landscape", (375, 500), (224, 224)),
    ("portrait", (500, 331), (224, 224)),
    ("odd", (333, 251), (97, 97)),
    ("twice", (512, 512), (224, 224)),
    ("upscaled", (50, 61), (160, 160)),
    ("one_side_fits", (224, 300), (224, 224)),
    ("resized_size", (256, 256), (224, 224)),
    ("wide_target", (300, 200), (64, 120)),
    ("tall_target", (211, 307), (97, 33)),
    ("extreme", (30, 400), (64, 64)),
    ("one_pixel", (1, 1), (33, 33)),
)


class EvaluationTransformTest(parameterized.TestCase):
    @parameterized.named_parameters(*_SIZES)
    def test_tensorflow_agrees_within_one_grey_level(self, photo, size):
        photo = _photo(*photo)
        expected, _ = evaluation_transform(photo, size)
        actual = evaluation_image(tf.constant(photo), size).numpy()
        self.assertEqual(actual.dtype, np.uint8)
        self.assertEqual(actual.shape, (*size, 3))
        difference = np.abs(actual.astype(int) - expected)
        self.assertLessEqual(difference.max(), 1)

    def test_tensorflow_agrees_for_random_sizes(self):
        rng = np.random.default_rng(4)
        transform = tf.function(
            lambda photo: evaluation_image(photo, (40, 56)),
            input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)],
        )
        for seed in range(30):
            photo = _photo(*rng.integers(5, 200, 2), seed)
            expected, _ = evaluation_transform(photo, (40, 56))
            difference = transform(photo).numpy().astype(int) - expected
            self.assertLessEqual(np.abs(difference).max(), 1, photo.shape)

    # Worked by hand: size / 0.875, halves up; the other side in proportion.
    @parameterized.named_parameters(
        ("exact", (300, 300), (224, 224), (256, 256), (16, 16)),
        ("rounded_up", (300, 300), (160, 160), (183, 183), (11, 11)),
        ("rounded_down", (300, 300), (97, 97), (111, 111), (7, 7)),
        ("exact_small", (300, 300), (84, 84), (96, 96), (6, 6)),
        ("odd_difference", (300, 300), (33, 33), (38, 38), (2, 2)),
        ("landscape", (375, 500), (224, 224), (256, 341), (16, 58)),
        ("portrait", (500, 375), (224, 224), (341, 256), (58, 16)),
        ("half_rounded_up", (129, 128), (56, 56), (65, 64), (4, 4)),
        ("upscaled", (32, 64), (224, 224), (256, 512), (16, 144)),
        ("wide_target", (100, 100), (56, 112), (128, 128), (36, 8)),
        ("tall_target", (100, 200), (112, 56), (128, 256), (8, 100)),
    )
    def test_resized_shape_and_crop(self, photo, size, resized, corner):
        image, transform = evaluation_transform(_photo(*photo), size)
        self.assertEqual(image.shape, (*size, 3))
        self.assertEqual(transform, CropTransform(photo, resized, *corner))

    def test_is_pillows_antialiased_bilinear_filter(self):
        photo = _photo(375, 500)
        image, _ = evaluation_transform(photo, (224, 224))
        resized = Image.fromarray(photo).resize(
            (341, 256), Image.Resampling.BILINEAR
        )
        expected = resized.crop((58, 16, 58 + 224, 16 + 224))
        np.testing.assert_array_equal(image, np.asarray(expected))

    @parameterized.named_parameters(
        (f"{channels}_{name}", channels, photo, size)
        for channels in (1, 2, 4, 5)
        for name, photo, size in _SIZES[2:6]
    )
    def test_channels_go_each_by_itself(self, channels, photo, size):
        planes = [
            _photo(*photo, seed)[..., seed % 3] for seed in range(channels)
        ]
        stacked = np.stack(planes, axis=-1)
        found, transform = evaluation_transform(stacked, size)
        in_graph = evaluation_image(tf.constant(stacked), size).numpy()
        self.assertEqual(found.shape, (*size, channels))
        for channel, plane in enumerate(planes):
            # As the first channel of RGB.
            rgb = np.stack([plane, 255 - plane, plane // 2], axis=-1)
            expected, expected_transform = evaluation_transform(rgb, size)
            self.assertEqual(transform, expected_transform)
            np.testing.assert_array_equal(found[..., channel], expected[..., 0])
            np.testing.assert_array_equal(
                in_graph[..., channel],
                evaluation_image(tf.constant(rgb), size).numpy()[..., 0],
            )

    @parameterized.parameters((224, 224), (33, 97))
    def test_image_of_the_models_size_passes_unchanged(self, *size):
        photo = _photo(*size)
        image, transform = evaluation_transform(photo, size)
        np.testing.assert_array_equal(image, photo)
        np.testing.assert_array_equal(evaluation_image(photo, size), photo)
        box = Box(1, 2, 30, 31)
        self.assertEqual(transform.to_photo(box), box)

    @parameterized.named_parameters(
        ("grey", np.zeros((9, 9), "uint8")),
        ("no_channel", np.zeros((9, 9, 0), "uint8")),
        ("batch", np.zeros((1, 9, 9, 3), "uint8")),
        ("float", np.zeros((9, 9, 3), "float32")),
    )
    def test_other_arrays_are_refused(self, photo):
        with self.assertRaisesRegex(
            ValueError, "photo must be uint8.*Received: shape"
        ):
            evaluation_transform(photo, (224, 224))


class CropTransformTest(parameterized.TestCase):
    @parameterized.named_parameters(
        # 256x341 of 512x682: every resized pixel is two photo pixels.
        ("half_size", ((512, 682), (256, 341), 16, 58),
         Box(0, 8, 33, 41), Box(32, 132, 98, 198)),
        # 300 photo pixels are 200 resized ones: a factor of 1.5.
        ("rows_and_columns_differ", ((300, 100), (200, 100), 10, 0),
         Box(2, 3, 4, 7), Box(18, 3, 21, 7)),
        ("enlarged", ((32, 64), (256, 512), 16, 144),
         Box(0, 0, 224, 224), Box(2, 18, 30, 46)),
        ("whole", ((100, 200), (100, 200), 0, 0),
         Box(0, 0, 100, 200), Box(0, 0, 100, 200)),
    )  # fmt: skip
    def test_box_in_the_photo(self, transform, box, expected):
        self.assertEqual(CropTransform(*transform).to_photo(box), expected)

    @parameterized.named_parameters(*_SIZES)
    def test_box_stays_in_the_photo(self, photo, size):
        _, transform = evaluation_transform(_photo(*photo), size)
        box = transform.to_photo(Box(0, 0, *size))
        self.assertGreaterEqual(min(box.top, box.left), 0)
        self.assertLessEqual(box.bottom, photo[0])
        self.assertLessEqual(box.right, photo[1])

    def test_finds_a_mark_in_the_photo(self):
        photo = np.zeros((600, 800, 3), "uint8")
        photo[300:330, 410:450] = 255
        image, transform = evaluation_transform(photo, (224, 224))
        rows, cols = np.nonzero(image[..., 0] > 127)
        box = Box(rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)
        found = transform.to_photo(box)
        np.testing.assert_allclose(found, (300, 410, 330, 450), atol=2)


class DecodeImageTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("jpeg", "JPEG", {"quality": 75}),
        ("jpeg_444", "JPEG", {"quality": 95, "subsampling": 0}),
        ("jpeg_progressive", "JPEG", {"progressive": True}),
        ("png", "PNG", {}),
        ("bmp", "BMP", {}),
        ("gif", "GIF", {}),
    )
    def test_exactly_as_pillow(self, file_format, options):
        encoded = io.BytesIO()
        photo = Image.fromarray(_photo(61, 83))
        photo.save(encoded, file_format, **options)
        expected = np.asarray(Image.open(encoded).convert("RGB"))
        actual = decode_image(tf.constant(encoded.getvalue()))
        np.testing.assert_array_equal(actual, expected)

    @parameterized.parameters("JPEG", "PNG")
    def test_grey_exactly_as_pillows(self, file_format):
        encoded = io.BytesIO()
        Image.fromarray(_photo(61, 83)).save(encoded, file_format)
        rgb = Image.open(encoded).convert("RGB")
        expected = np.asarray(rgb.convert("L"))
        actual = decode_image(tf.constant(encoded.getvalue()), channels=1)
        self.assertEqual(actual.shape, (61, 83, 1))
        np.testing.assert_array_equal(actual[..., 0], expected)
        np.testing.assert_array_equal(in_grey(np.asarray(rgb)), actual)

    def test_a_grey_file_as_it_is(self):
        photo = _photo(61, 83)[..., :1]
        encoded = tf.io.encode_png(photo)
        np.testing.assert_array_equal(decode_image(encoded, channels=1), photo)

    def test_other_channels_are_in_no_file(self):
        with self.assertRaisesRegex(ValueError, "channels must be 1 or 3"):
            decode_image(tf.constant(b""), channels=4)

    @parameterized.parameters("JPEG", "PNG")
    def test_grey_becomes_rgb(self, file_format):
        encoded = io.BytesIO()
        Image.fromarray(_photo(20, 30)[..., 0]).save(encoded, file_format)
        expected = np.asarray(Image.open(encoded).convert("RGB"))
        actual = decode_image(tf.constant(encoded.getvalue()))
        np.testing.assert_array_equal(actual, expected)


if __name__ == "__main__":
    absltest.main()
