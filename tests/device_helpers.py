"""What do the tests of a device's explanations need?"""

import functools
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from absl.testing import parameterized
from PIL import Image

import bagnet_tf
from export.exporter import export_model
from tests.export_helpers import (
    batches,
    random_images,
    request,
    tiny_model,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Runs the command, then says what it imported.
_PROGRAM = """
import atexit, sys
heavy = {"tensorflow", "keras", "matplotlib"}
atexit.register(lambda: print("heavy:", sorted(heavy & sys.modules.keys())))
from export.device import explain
explain.run()
"""
FURTHER_SIZE = (33, 37)
MODEL = "litert/model.tflite"


def keras_answer(image):
    """Logits and patch logits of the tiny model, by Keras."""
    network = bagnet_tf.patch_logits_model(tiny_model())
    outputs = network.predict_on_batch(image[None].astype(np.float32))
    return outputs["logits"][0], outputs["patch_logits"][0]


@functools.cache
def exported(input_type: str) -> pathlib.Path:
    """An export of the tiny model, made once: a conversion takes a second."""
    path = pathlib.Path(_folder().name, input_type)
    is_float = input_type == "float32"
    result = export_model(
        request(input_type=input_type),
        path,
        ["litert", "mediapipe"] if is_float else ["litert"],
        batches,
        [FURTHER_SIZE] if is_float else [],
    )
    assert result.passed
    return path


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()  # Gone with the process.


class DeviceTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.photo = random_images(1, (60, 50))[0]
        self.image = self.folder / "photo.png"
        Image.fromarray(self.photo).save(self.image)
        self.output = self.folder / "explained.png"

    def _copy(self, input_type="float32"):
        """An export that may be damaged."""
        copy = self.folder / "export"
        shutil.copytree(exported(input_type), copy)
        return copy

    def _run(self, model, *flags, image=None):
        return subprocess.run(
            [
                sys.executable,
                "-c",
                _PROGRAM,
                f"--model={model}",
                f"--image={image or self.image}",
                *(flags or [f"--output={self.output}"]),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
