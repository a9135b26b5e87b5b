"""Does a DICOM file look as a viewer shows it?"""

import pathlib
import sys
import tempfile
from unittest import mock

import numpy as np
import pydicom
from absl.testing import absltest, parameterized
from PIL import Image
from pydicom import encaps, uid

from bagnet_tf.dicom import load_dicom
from bagnet_tf.preprocessing import load_photo_and_notes
from tests.dicom_helpers import CT, dicom_of, linear_window


class DicomTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        self.path = self.folder / "slice.dcm"

    def _load(self, dataset):
        dataset.save_as(self.path, enforce_file_format=True)
        photo, notes = load_photo_and_notes(self.path)
        self.assertEqual(photo.dtype, np.uint8)
        self.assertEqual(photo.shape[2:], (3,))
        return photo, list(notes)

    def _grey(self, dataset):
        photo, notes = self._load(dataset)
        for channel in range(3):
            np.testing.assert_array_equal(photo[..., channel], photo[..., 0])
        return photo[..., 0].astype(float), notes


class LoadDicomTest(DicomTestCase):
    @parameterized.named_parameters(
        ("soft_tissue", 40, 400),
        ("bone", 500, 2000),
        ("several", [40, 500], [400, 2000]),
    )
    def test_window(self, centre, width):
        stored = (CT + 1024).astype(np.uint16)
        grey, notes = self._grey(
            dicom_of(
                stored,
                BitsStored=12,
                HighBit=11,
                RescaleSlope=1,
                RescaleIntercept=-1024,
                WindowCenter=centre,
                WindowWidth=width,
            )
        )
        first = (np.ravel(centre)[0], np.ravel(width)[0])
        expected = linear_window(CT, *first)
        self.assertGreater(len(set(expected.ravel())), 5)
        np.testing.assert_allclose(grey, expected, atol=0.5001)
        self.assertEqual(notes, ["DICOM window {}/{}".format(*first)])

    def test_window_of_signed_values_with_a_slope(self):
        values = CT * 0.5 + 3
        grey, _ = self._grey(
            dicom_of(
                CT,
                RescaleSlope=0.5,
                RescaleIntercept=3,
                WindowCenter=100,
                WindowWidth=900,
            )
        )
        expected = linear_window(values, 100, 900)
        np.testing.assert_allclose(grey, expected, atol=0.5001)

    def test_sigmoid_window(self):
        grey, _ = self._grey(
            dicom_of(
                CT,
                WindowCenter=200,
                WindowWidth=900,
                VOILUTFunction="SIGMOID",
            )
        )
        # PS3.3 C.11.2.1.3.1
        expected = 255 / (1 + np.exp(-4 * (CT.astype(float) - 200) / 900))
        np.testing.assert_allclose(grey, expected, atol=0.5001)

    def test_without_a_window_the_range_of_the_image(self):
        grey, notes = self._grey(dicom_of(CT))
        expected = (CT + 1024.0) / 4095 * 255
        np.testing.assert_allclose(grey, expected, atol=0.5001)
        self.assertEqual(notes, ["DICOM values -1024 to 3071"])

    def test_image_of_one_value(self):
        with np.errstate(all="raise"):
            grey, _ = self._grey(dicom_of(np.full((2, 4), 7, np.uint8)))
        np.testing.assert_array_equal(grey, 0)

    def test_empty_window_is_none(self):
        dataset = dicom_of(CT, WindowCenter=None, WindowWidth=None)
        self.assertEqual(self._load(dataset)[1], ["DICOM values -1024 to 3071"])

    def test_voi_table(self):
        stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
        table = pydicom.Dataset()
        entries = [1000, 9, 4095, 2000]  # Of 12 bits, from value 4 on.
        table.LUTDescriptor = [len(entries), 4, 12]
        table.LUTData = np.array(entries, np.uint16).tobytes()
        table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
        grey, notes = self._grey(
            dicom_of(
                stored,
                VOILUTSequence=[table],
                WindowCenter=5,
                WindowWidth=4,
            )
        )
        indices = np.clip(stored.astype(int) - 4, 0, 3)
        expected = np.array(entries)[indices] / 4095 * 255
        np.testing.assert_allclose(grey, expected, atol=0.5001)
        self.assertEqual(notes, ["DICOM VOI table"])

    def test_white_is_low(self):
        elements = {"WindowCenter": 40, "WindowWidth": 400}
        plain, _ = self._grey(dicom_of(CT, **elements))
        inverted, notes = self._grey(
            dicom_of(CT, PhotometricInterpretation="MONOCHROME1", **elements)
        )
        np.testing.assert_allclose(inverted, 255 - plain, atol=1)
        self.assertEqual(inverted[0, 0], 255)
        self.assertEqual(notes, ["DICOM window 40/400", "MONOCHROME1 inverted"])

    def test_colours(self):
        photo = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
        loaded, notes = self._load(dicom_of(photo))
        np.testing.assert_array_equal(loaded, photo)
        self.assertEmpty(notes)

    def test_colours_of_12_bits(self):
        photo = np.random.default_rng(0).integers(0, 4096, (5, 7, 3), np.uint16)
        photo[1, 2] += 4096  # Other things may be in the upper bits.
        loaded, _ = self._load(dicom_of(photo, BitsStored=12, HighBit=11))
        expected = photo % 4096 / 4095 * 255
        np.testing.assert_allclose(loaded, expected, atol=0.5001)

    def test_colours_as_planes(self):
        photo = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
        dataset = dicom_of(photo, PlanarConfiguration=1)
        dataset.PixelData = np.moveaxis(photo, -1, 0).tobytes()
        np.testing.assert_array_equal(self._load(dataset)[0], photo)

    def test_ybr(self):
        photo = np.tile(np.uint8([[[200, 30, 60], [0, 250, 9]]]), (4, 3, 1))
        ybr = np.asarray(Image.fromarray(photo).convert("YCbCr"))
        loaded, _ = self._load(
            dicom_of(ybr, PhotometricInterpretation="YBR_FULL")
        )
        np.testing.assert_allclose(
            loaded.astype(int), photo.astype(int), atol=3
        )

    def test_palette(self):
        stored = np.array([[0, 1], [2, 1]], np.uint8)
        tables = np.array([[0, 255, 7], [9, 128, 0], [250, 1, 30]]) * 257
        dataset = dicom_of(stored, PhotometricInterpretation="PALETTE COLOR")
        for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
            descriptor = f"{colour}PaletteColorLookupTableDescriptor"
            setattr(dataset, descriptor, [3, 0, 16])
            dataset[descriptor].VR = "US"
            data = table.astype(np.uint16).tobytes()
            setattr(dataset, f"{colour}PaletteColorLookupTableData", data)
        photo, notes = self._load(dataset)
        np.testing.assert_array_equal(photo, (tables // 257).T[stored])
        self.assertEqual(notes, ["palette to RGB"])

    def test_first_frame(self):
        frames = np.stack([CT, CT[::-1], CT * 0])
        grey, notes = self._grey(
            dicom_of(frames, NumberOfFrames=3, WindowCenter=40, WindowWidth=400)
        )
        np.testing.assert_allclose(
            grey, linear_window(CT, 40, 400), atol=0.5001
        )
        self.assertEqual(notes, ["first of 3 frames", "DICOM window 40/400"])

    def test_run_lengths(self):
        dataset = dicom_of(CT, WindowCenter=40, WindowWidth=400)
        dataset.compress(uid.RLELossless)
        grey, _ = self._grey(dataset)
        np.testing.assert_allclose(
            grey, linear_window(CT, 40, 400), atol=0.5001
        )


class ErrorsTest(DicomTestCase):
    def _error(self, message):
        with self.assertRaisesRegex(ValueError, message) as caught:
            load_dicom(self.path)
        self.assertNotIn("\n", str(caught.exception))

    def test_compression_without_a_plugin(self):
        dataset = dicom_of(CT)
        dataset.PixelData = encaps.encapsulate([b"\0\1\2\3"])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = uid.JPEGLSLossless
        dataset.save_as(self.path, enforce_file_format=True)
        decoder = pydicom.pixels.get_decoder(uid.JPEGLSLossless)
        with mock.patch.object(decoder, "_available", {}):
            self._error(
                "compression, JPEG-LS Lossless Image Compression, needs one "
                f"of pydicom's plugins: .*image='{self.path}'"
            )

    def test_missing_pydicom(self):
        dicom_of(CT).save_as(self.path, enforce_file_format=True)
        with mock.patch.dict(sys.modules, {"pydicom": None}):
            self._error(r"pip install 'bagnet-tf\[medical\]'")

    def test_missing_file(self):
        self._error(f"existing file. Received: image='{self.path}'")

    def test_file_of_another_kind(self):
        self.path.write_text("hello")
        self._error("whole DICOM file.*slice.dcm")

    def test_without_pixels(self):
        dataset = dicom_of(CT)
        del dataset.PixelData
        dataset.save_as(self.path, enforce_file_format=True)
        self._error("whole DICOM file.*slice.dcm")

    def test_truncated_file(self):
        dicom_of(CT).save_as(self.path, enforce_file_format=True)
        whole = self.path.read_bytes()
        for length in range(0, len(whole), 31):
            self.path.write_bytes(whole[:length])
            self._error("whole DICOM file.*slice.dcm")


if __name__ == "__main__":
    absltest.main()
