"""DICOM files made with pydicom."""

import numpy as np
import pydicom
from pydicom import uid

CT = np.linspace(-1024, 3071, 60).astype(np.int16).reshape(6, 10)


def dicom_of(array, **elements):
    """A DICOM image of stored values; elements may replace its attributes."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    is_colour = array.shape[-1] == 3
    rows_at = array.ndim - 2 - is_colour
    dataset.Rows, dataset.Columns = array.shape[rows_at : rows_at + 2]
    dataset.SamplesPerPixel = 3 if is_colour else 1
    dataset.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        dataset.PlanarConfiguration = 0
    bits = array.dtype.itemsize * 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    dataset.PixelData = array.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def linear_window(values, centre, width):
    """DICOM PS3.3 C.11.2.1.2.1, with 0 and 255 as the ends."""
    shown = np.empty(values.shape)
    for index, x in np.ndenumerate(values):
        if x <= centre - 0.5 - (width - 1) / 2:
            shown[index] = 0
        elif x > centre - 0.5 + (width - 1) / 2:
            shown[index] = 255
        else:
            shown[index] = ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255
    return shown
