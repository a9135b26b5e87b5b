"""Tests that tiles give what the whole image gives, and can be resumed."""

import pathlib
import struct
import tempfile
import zlib

import numpy as np
from absl.testing import parameterized
from PIL import Image

from bagnet_tf.geometry import Box
from bagnet_tf.heatmap import HeatmapNetwork
from bagnet_tf.readers import ArrayReader, CallbackReader, FileReader
from bagnet_tf.tiling import tiled_heatmap
from tests.small_models import (
    VARIANTS,
    compute,
    narrow_model,
    narrow_patch_logits_model,
    random_images,
    tiny_model,
)

# Of the largest value.
TOLERANCE = 1e-5


class InterruptedReader(ArrayReader):
    """Ends like a process that is killed while it reads."""

    def __init__(self, array, num_reads):
        super().__init__(array)
        self.num_left = num_reads

    def read(self, box):
        if not self.num_left:
            raise KeyboardInterrupt
        self.num_left -= 1
        return super().read(box)


class TiledHeatmapTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "map.npy"

    def assert_close(self, actual, expected):
        self.assertEqual(actual.shape, expected.shape)
        error = np.abs(actual - expected).max()
        self.assertLess(error, TOLERANCE * np.abs(expected).max())

    @parameterized.named_parameters(*VARIANTS)
    def test_patch_logits_and_logits_of_the_whole(self, variant):
        images = random_images(150, 107)
        expected = compute(narrow_patch_logits_model(variant), images)
        network = HeatmapNetwork(narrow_model(variant), stride=8)
        patch_logits = tiled_heatmap(
            network, ArrayReader(images[0]), self.output, range(5), tile_size=48
        )
        self.assert_close(patch_logits, expected["patch_logits"][0])
        logits = patch_logits.mean(axis=(0, 1))
        self.assert_close(logits, expected["logits"][0])

    @parameterized.product(stride=(1, 2), padding=("same", "valid"))
    def test_dense_heatmap(self, stride, padding):
        image = random_images(61, 70)
        network = HeatmapNetwork(narrow_model("bagnet17"), stride)
        heatmap = tiled_heatmap(
            network,
            ArrayReader(image[0]),
            self.output,
            [3, 1],
            padding=padding,
            centred=True,
            tile_size=26,
        )
        whole = network(image, [3, 1], padding, centred=True)
        self.assert_close(heatmap, whole[0])

    def test_reads_through_a_callback(self):
        image = random_images(40, 50)[0]
        boxes = []

        def read(box):
            boxes.append(box)
            return image[box.top : box.bottom, box.left : box.right]

        network = HeatmapNetwork(tiny_model(), stride=2)
        heatmap = tiled_heatmap(
            network,
            CallbackReader(read, image.shape),
            self.output,
            [0],
            tile_size=16,
        )
        self.assert_close(heatmap, network(image[None], [0], "valid")[0])
        # A tile and its halo: receptive field 5, stride 2.
        self.assertEqual(boxes[0], Box(0, 0, 19, 19))
        self.assertEqual(boxes[1], Box(0, 16, 19, 35))

    @parameterized.parameters("png", "tiff")
    def test_reads_a_file_in_strips(self, kind):
        image = random_images(45, 33)[0].astype(np.uint8)
        path = self.folder / f"image.{kind}"
        Image.fromarray(image).save(path)
        network = HeatmapNetwork(tiny_model(), stride=2)
        heatmap = tiled_heatmap(
            network, FileReader(path), self.output, [0], tile_size=10
        )
        self.assert_close(heatmap, network(image[None], [0], "valid")[0])

    def test_goes_on_where_it_was_interrupted(self):
        image = random_images(40, 50)[0]
        model = tiny_model()
        interrupted = InterruptedReader(image, num_reads=4)
        arguments = {"class_ids": [0, 2], "tile_size": 16}
        with self.assertRaises(KeyboardInterrupt):
            tiled_heatmap(
                HeatmapNetwork(model, stride=2),
                interrupted,
                self.output,
                **arguments,
            )
        self.assertFalse(self.output.exists())
        rest = InterruptedReader(image, num_reads=5)  # Of 3 * 3 tiles.
        network = HeatmapNetwork(model, stride=2)
        heatmap = tiled_heatmap(network, rest, self.output, **arguments)
        self.assertEqual(rest.num_left, 0)
        self.assert_close(heatmap, network(image[None], [0, 2], "valid")[0])
        self.assertEqual(list(self.folder.iterdir()), [self.output])

    def test_does_not_go_on_with_other_arguments(self):
        network = HeatmapNetwork(tiny_model(), stride=2)
        interrupted = InterruptedReader(random_images(40, 50)[0], num_reads=2)
        with self.assertRaises(KeyboardInterrupt):
            tiled_heatmap(network, interrupted, self.output, [0], tile_size=16)
        for wrong in (
            {"class_ids": [1]},
            {"network": HeatmapNetwork(tiny_model(classes=3), stride=2)},
        ):
            arguments = {"network": network, "class_ids": [0]} | wrong
            with self.assertRaisesRegex(ValueError, "begun with another"):
                tiled_heatmap(
                    image=interrupted,
                    output=self.output,
                    tile_size=16,
                    **arguments,
                )

    def test_does_not_replace_an_output(self):
        self.output.write_bytes(b"precious")
        network = HeatmapNetwork(tiny_model(), stride=2)
        image = ArrayReader(random_images(20, 20)[0])
        with self.assertRaisesRegex(ValueError, "overwrite=True"):
            tiled_heatmap(network, image, self.output, [0])
        self.assertEqual(self.output.read_bytes(), b"precious")
        heatmap = tiled_heatmap(
            network, image, self.output, [0], overwrite=True
        )
        self.assertEqual(heatmap.shape, (8, 8, 1))

    @parameterized.named_parameters(
        ("output", {"output": "map.txt"}, "output must be a .npy file"),
        ("tile", {"tile_size": 5}, "tile_size must be a multiple"),
        ("class", {"class_ids": [4]}, "class_ids must be"),
        ("padding", {"padding": "none"}, "padding must be"),
    )
    def test_refuses(self, wrong, message):
        arguments = {"output": self.output, "class_ids": [0]} | wrong
        with self.assertRaisesRegex(ValueError, message):
            tiled_heatmap(
                HeatmapNetwork(tiny_model(), stride=2),
                ArrayReader(random_images(20, 20)[0]),
                **arguments,
            )
        self.assertEmpty(list(self.folder.iterdir()))


class ReaderTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, "image.png")

    def test_turns_a_file_as_people_see_it(self):
        stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
        exif = Image.Exif()
        exif[0x0112] = 6  # To be turned clockwise.
        Image.fromarray(stored).save(self.path, exif=exif)
        reader = FileReader(self.path)
        self.assertEqual(reader.shape, (3, 2, 3))
        np.testing.assert_array_equal(
            reader.read(Box(0, 0, 3, 2)), np.rot90(stored, -1)
        )

    def test_lays_transparency_over_white_and_makes_grey_rgb(self):
        pixels = np.array([[[7, 255], [9, 0]]], np.uint8)
        Image.fromarray(pixels, "LA").save(self.path)
        np.testing.assert_array_equal(
            FileReader(self.path).read(Box(0, 0, 1, 2)),
            [[[7, 7, 7], [255, 255, 255]]],
        )

    def test_refuses_what_is_no_image(self):
        with self.assertRaisesRegex(ValueError, "existing file"):
            FileReader(self.path)
        self.path.write_bytes(b"no image")
        with self.assertRaisesRegex(ValueError, "image must be a whole file"):
            FileReader(self.path)

    def test_refuses_a_truncated_file(self):
        Image.fromarray(random_images(300, 300)[0].astype(np.uint8)).save(
            self.path
        )
        content = self.path.read_bytes()
        self.path.write_bytes(content[: len(content) // 2])
        with self.assertRaisesRegex(ValueError, "image must be a whole file"):
            FileReader(self.path).read(Box(0, 0, 300, 300))

    def test_refuses_a_png_too_short_for_its_size_at_once(self):
        Image.new("RGB", (40, 40)).save(self.path)
        content = bytearray(self.path.read_bytes())
        content[16:24] = struct.pack(">II", 16_776_990, 21)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        self.path.write_bytes(content)
        with self.assertRaisesRegex(ValueError, "cannot hold 16776990 x 21"):
            FileReader(self.path)

    @parameterized.parameters("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    def test_reads_what_is_compressed_as_far_as_can_be(self, mode):
        """So the limit refuses no whole file."""
        Image.new(mode, (3000, 1000)).save(self.path, compress_level=9)
        self.assertEqual(FileReader(self.path).shape, (1000, 3000, 3))

    def test_refuses_pixels_of_another_shape(self):
        reader = CallbackReader(lambda box: np.zeros((2, 2, 3)), (9, 9, 3))
        with self.assertRaisesRegex(ValueError, r"shape \(3, 2, 3\)"):
            reader.read(Box(0, 0, 3, 2))
        with self.assertRaisesRegex(ValueError, "array must be"):
            ArrayReader(np.zeros((3, 3)))
