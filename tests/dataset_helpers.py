"""Folders and lists of small images."""

import io
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image

from bagnet_tf.datasets import image_source

_RNG = np.random.default_rng(0)
PHOTO = _RNG.integers(0, 256, (6, 9, 3), np.uint8)
GREY = PHOTO[..., 0]
# Transparent on the left.
_ALPHA = np.tile(np.where(np.arange(9) < 4, 0, 255), (6, 1)).astype(np.uint8)
RGBA = np.dstack([PHOTO, _ALPHA])
OVER_WHITE = np.where(RGBA[..., 3:] > 0, PHOTO, 255)
DEEP = _RNG.integers(0, 65536, (6, 9), np.uint16)  # 16 bits.


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


def three_channels(grey):
    return np.stack([grey] * 3, axis=-1)


def encoded_png(number, size=(1, 1)):
    """A PNG of the number's own colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256, 0)).save(stream, "PNG")
    return stream.getvalue()


def write_images(root, *files):
    """Writes the PNG of each file's number."""
    for number, file in enumerate(files):
        path = pathlib.Path(root, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded_png(number))


def read(source, split):
    return list(source.dataset(split).as_numpy_iterator())


def read_ids(source, split):
    return [example["id"].decode() for example in read(source, split)]


class ManifestTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.root = pathlib.Path(folder)
        self.path = self.root / "list.csv"
        self.name = f"folder:{self.path}"

    def write(self, *lines, images=(), encoding="utf-8"):
        self.path.write_text("\n".join(lines) + "\n", encoding=encoding)
        write_images(self.root, *images)


class SourceTestCase(parameterized.TestCase):
    """A folder of classes a and b; each test adds its image to a."""

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.root = pathlib.Path(folder)
        for label in "ab":
            (self.root / "train" / label).mkdir(parents=True)

    def source(self, path, **kwargs):
        """A source whose classes a and b have only the image at `path`."""
        other = self.root / "train" / "b" / f"1{path.suffix}"
        other.write_bytes(path.read_bytes())
        return image_source(f"folder:{self.root}", **kwargs)

    def save(self, image, suffix, **options):
        path = self.root / "train" / "a" / f"1.{suffix}"
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        image.save(path, **options)
        return path

    def stored(self, path):
        """The image string of a file's example."""
        for example in self.source(path).dataset("train"):
            if example["id"].numpy().decode() == f"train/a/{path.name}":
                return example["image"]
        return self.fail("not listed")

    def pixels(self, path, channels):
        source = self.source(path, channels=channels)
        self.assertEqual(source.channels, channels)
        examples = source.dataset("train")
        spec = examples.element_spec["image"]
        self.assertEqual(spec.dtype, tf.uint8)
        self.assertEqual(spec.shape.as_list(), [None, None, channels])
        return next(iter(examples))["image"].numpy()
