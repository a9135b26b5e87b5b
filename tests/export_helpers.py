"""Small BagNets for the export tests, with weights as after a training."""

import dataclasses
import functools
import pathlib
import tempfile
from unittest import mock

import keras
import numpy as np
from absl.testing import parameterized

import bagnet_tf
from bagnet_tf import Architecture, Stage
from bagnet_tf.datasets import image_source
from bagnet_tf.model_info import ModelInfo, numbered_labels
from bagnet_tf.preprocessing import evaluation_image
from export.formats import FORMATS
from export.litert import write_litert
from export.request import Request

# Two blocks: exported in a second, where a whole variant takes ten.
TINY = Architecture("tiny", (Stage((3,), 4, 2), Stage((1,), 4, 2)))
CLASSES = 5
SIZE = (21, 26)


def randomized(model: keras.Model, seed: int = 0) -> keras.Model:
    """Gives every weight a random value, moving statistics included."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        values = generator.normal(0, 0.2, variable.shape)
        if variable.path.endswith(("gamma", "variance")):
            values = 1 + np.abs(values)
        variable.assign(values.astype(np.float32))
    return model


def tiny_model(seed: int = 0, **kwargs) -> keras.Model:
    """A small BagNet with patches of 5x5 pixels, stride 4."""
    kwargs = {"classes": CLASSES, **kwargs}
    return randomized(bagnet_tf.BagNet(TINY, **kwargs), seed)


def info_of(
    classes: int = CLASSES, size: tuple[int, int] = SIZE, head: str = "softmax"
) -> ModelInfo:
    """What belongs to a model without names."""
    return ModelInfo(size, numbered_labels(classes), head=head)


def request(
    model: keras.Model | None = None,
    info: ModelInfo | None = None,
    seed: int = 0,
    **kwargs,
) -> Request:
    """A request for files of a model, by default a tiny one."""
    if model is None:
        model = tiny_model(seed)
    return Request(model, info or info_of(), **kwargs)


def random_images(
    num_images: int, size: tuple[int, int], channels: int = 3
) -> np.ndarray:
    """Noise, uint8 (num_images, *size, channels)."""
    generator = np.random.default_rng(7)
    shape = num_images, *size, channels
    return generator.integers(0, 256, shape, dtype=np.uint8)


def batches(size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Five images in two batches."""
    return [random_images(3, size), random_images(2, size)]


def glyph_answer(
    model: keras.Model, num_images: int, size: tuple[int, int] = SIZE
) -> dict[str, np.ndarray]:
    """What Keras says of the first photos of the glyphs, `validation`."""
    photos = image_source("glyphs").dataset("validation").take(num_images)
    images = [evaluation_image(photo["image"], size) for photo in photos]
    network = bagnet_tf.patch_logits_model(model)
    return network.predict_on_batch(np.stack(images).astype(np.float32))


@functools.cache
def tiny_tflite(seed: int = 0) -> bytes:
    """The LiteRT file of a tiny model; once, for a conversion takes seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.tflite")
        write_litert(request(seed=seed), path)
        return path.read_bytes()


def writes_instead(content: bytes):
    """Lets the LiteRT format write `content`, whatever the model is."""

    def write(request, path):
        path.parent.mkdir()
        path.write_bytes(content)

    kind = dataclasses.replace(FORMATS["litert"], write=write)
    return mock.patch.dict(FORMATS, {"litert": kind})


class TemporaryFolderTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.output = self.folder / "exported"

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())
