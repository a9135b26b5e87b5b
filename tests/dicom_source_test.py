"""Are folders of DICOM files read as other folders are?"""

import pathlib
import sys
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import corrupt_images, image_source
from bagnet_tf.preprocessing import decode_image
from tests.dicom_helpers import CT, dicom_of, linear_window


class DicomSourceTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        for label, centre in (("a", 40), ("b", 500)):
            path = self.folder / "train" / label / "1.DCM"
            path.parent.mkdir(parents=True)
            dataset = dicom_of(CT, WindowCenter=centre, WindowWidth=400)
            dataset.save_as(path, enforce_file_format=True)
        self.name = f"folder:{self.folder}"

    @parameterized.parameters(1, 3)
    def test_examples(self, channels):
        source = image_source(self.name, channels=channels)
        for example in source.dataset("train"):
            image = example["image"]
            pixels = image if channels == 1 else decode_image(image)
            centre = (40, 500)[int(example["label"])]
            expected = linear_window(CT, centre, 400)[..., np.newaxis]
            self.assertEqual(pixels.shape, (6, 10, channels))
            np.testing.assert_allclose(
                pixels.numpy() - expected, 0, atol=0.5001
            )

    def test_nothing_shines_through(self):
        source = image_source(self.name, channels=4)
        for example in source.dataset("train"):
            centre = (40, 500)[int(example["label"])]
            expected = linear_window(CT, centre, 400)[..., np.newaxis]
            pixels = example["image"].numpy()
            np.testing.assert_array_equal(pixels[..., 3], 255)
            np.testing.assert_allclose(
                pixels[..., :3] - expected, 0, atol=0.5001
            )

    def test_missing_pydicom(self):
        with (
            mock.patch.dict(sys.modules, {"pydicom": None}),
            self.assertRaisesRegex(ValueError, "pip install"),
        ):
            image_source(self.name)

    def test_corrupt_files_are_found_and_their_matter_is_told(self):
        path = self.folder / "train" / "a" / "1.DCM"
        path.write_bytes(path.read_bytes()[:-50])
        with self.assertLogs(level="WARNING") as logs:
            found = list(corrupt_images(image_source(self.name), "train"))
        self.assertEqual(found, ["train/a/1.DCM"])
        self.assertIn(f"image='{path}'", logs.output[0])

    def test_mask_of_another_size(self):
        folder = self.folder / "masks" / "train" / "a"
        folder.mkdir(parents=True)
        Image.new("L", (10, 6), 1).save(folder / "1.png")
        masks = [e["mask"] for e in image_source(self.name).dataset("train")]
        self.assertIn((6, 10), [tuple(mask.shape) for mask in masks])
        Image.new("L", (6, 10), 1).save(folder / "1.png")
        with self.assertRaisesRegex(ValueError, "10 x 6 pixels .*of 6 x 10"):
            image_source(self.name).dataset("train")


if __name__ == "__main__":
    absltest.main()
