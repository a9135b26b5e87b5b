"""What docs/serving.md shows can be run, against the stand-in."""

import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
from absl.testing import absltest
from PIL import Image

from bagnet_tf import patch_logits_model
from bagnet_tf.photos import evaluation_transform
from tests.export_helpers import SIZE, tiny_model
from tests.serving_helpers import exported, photo, stand_in

_ROOT = pathlib.Path(__file__).resolve().parents[1]


class ExamplesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(contextlib.chdir(folder))
        Image.fromarray(photo()).save("cat.jpg", quality=95)
        pathlib.Path("exported").symlink_to(exported())
        image = np.asarray(Image.open("cat.jpg"))
        self.image, _ = evaluation_transform(image, SIZE)
        # The stand-in's latest version.
        network = patch_logits_model(tiny_model(seed=1))
        batch = self.image[None].astype(np.float32)
        self.expected = network.predict_on_batch(batch)

    def _blocks(self, language, sign):
        """The blocks of code with a sign in them, for the stand-in."""
        text = (_ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
        blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        server = stand_in()
        changes = {
            "http://localhost:8501": server.rest,
            "localhost:8500": server.grpc.removeprefix("grpc://"),
            "imagenette": "tiny",
            "bagnet_tf.export": "export",
        }
        for old, new in changes.items():
            blocks = [block.replace(old, new) for block in blocks]
        return [block for block in blocks if sign in block]

    def test_client_in_python(self):
        [code] = self._blocks("python", "ServedModel")
        names = {}
        exec(code, names)
        np.testing.assert_array_equal(names["image"], self.image)
        np.testing.assert_allclose(
            names["answer"].logits, self.expected["logits"][0], atol=1e-4
        )
        self.assertGreater(Image.open("cat-explained.png").width, 500)

    def test_grpc(self):
        [code] = self._blocks("python", "PredictRequest")
        names = {"image": self.image}
        exec(code, names)
        self.addCleanup(names["channel"].close)
        np.testing.assert_allclose(
            names["patch_logits"], self.expected["patch_logits"], atol=1e-4
        )
        outputs = set(names["answer"].outputs)
        self.assertEqual(outputs, {"logits", "patch_logits"})

    def test_curl(self):
        if shutil.which("curl") is None:
            raise unittest.SkipTest("This test needs curl.")
        [command] = self._blocks("sh", "curl")
        done = subprocess.run(["bash", "-c", command], capture_output=True)
        [answer] = json.loads(done.stdout)["predictions"]
        image = np.array(answer["image"])
        self.assertLessEqual(np.abs(image - self.image).max(), 1)
        mean = np.mean(answer["patch_logits"], axis=(0, 1))
        np.testing.assert_allclose(answer["logits"], mean, rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    absltest.main()
