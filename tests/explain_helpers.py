"""What the tests of the explain command share: a model and a photo."""

import json
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import parameterized
from PIL import Image

from bagnet_tf import models
from bagnet_tf.architecture import Architecture, Stage
from bagnet_tf.commands import explain as command
from bagnet_tf.model_info import ModelInfo
from tests.commands_here import as_flags, run_here

LABELS = ("house cat, cat", "dog", "crane", "crane", "3", "Grey heron")
SIZE = 48
# A small network with BagNet-9's patches.
TINY = Architecture(
    "tiny",
    (Stage((3,), 4, 2), Stage((3,), 4, 2), Stage((1,), 4, 2)),
    stem_channels=4,
)


def noise(height, width):
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


class ExplainCommandTestCase(parameterized.TestCase):
    """Has a model, a photo and a folder to write to."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        cls.model_path = cls.folder / "model.keras"
        keras.utils.set_random_seed(0)
        cls.model = models.BagNet(TINY, classes=len(LABELS))
        cls.model.save(cls.model_path)
        info = ModelInfo((SIZE, SIZE), LABELS)
        info.save(cls.model, cls.model_path)

    def setUp(self):
        super().setUp()
        self.here = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        self.output = self.here / "output"
        self.photo = self.save("photo.png", noise(SIZE, SIZE))

    def save(self, name, image):
        path = self.here / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
        return path

    def arguments(self, **changes):
        values = {
            "model": self.model_path,
            "image": self.photo,
            "output": self.output,
            **changes,
        }
        return as_flags(**values)

    def run_command(self, *more, **changes):
        """Runs the command in this process; returns what it prints."""
        ran = run_here(command, *self.arguments(**changes), *more)
        self.said = ran.said  # On stderr.
        return ran.printed

    def numbers(self, name="photo"):
        path = self.output / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def written(self):
        """All files that there are, with their content."""
        files = [*self.here.rglob("*"), *self.folder.rglob("*")]
        return {path: path.read_bytes() for path in files if path.is_file()}
