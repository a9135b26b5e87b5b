"""Does a folder of anybody's photos train with one command?"""

import json
import os
import pathlib
import subprocess
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import ARCHITECTURES, BagNet
from bagnet_tf.loading import load_model
from tests.forked_python import forked_python
from tests.shared_data import golden_state_dict

_ROOT = pathlib.Path(__file__).parents[1]
_WIDTH = 0.05
# Unbalanced.
_COUNTS = {"bolt": 12, "nut": 5, "washer": 3}


def _write_photos(root):
    """Sizes and kinds as people have them; a corrupt file; an empty class."""
    rng = np.random.default_rng(0)
    kinds = (("L", "png"), ("RGBA", "png"), ("RGB", "jpg"), ("L", "jpg"))
    for split, share in (("train", 1.0), ("validation", 0.5)):
        for brightness, (label, count) in enumerate(_COUNTS.items(), start=1):
            folder = root / split / label
            folder.mkdir(parents=True)
            for index in range(int(count * share)):
                mode, ending = kinds[index % len(kinds)]
                size = tuple(rng.integers(36, 90, 2))
                pixels = rng.integers(0, 80 * brightness, (*size, 4), np.uint8)
                photo = Image.fromarray(pixels, "RGBA").convert(mode)
                photo.save(folder / f"{index}.{ending}")
        (root / split / "rust").mkdir()
    (root / "train" / "nut" / "broken.jpg").write_bytes(b"\xff\xd8\xff no JPEG")


class OwnPhotosTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        self.photos = self.folder / "photos"
        _write_photos(self.photos)

    def _train(self, weights, *overrides):
        """What the command prints, and its metrics."""
        process = subprocess.run(
            [
                *forked_python(),
                *("-m", "train.main", "--config=finetune", "--skip_corrupt"),
                f"--workdir={self.folder / 'run'}",
                f"--config.dataset=folder:{self.photos}",
                f"--config.weights={weights}",
                *("--config.train_split=train[:75%]",),
                *("--config.holdout_split=train[75%:]",),
                *("--config.class_weights=balanced", "--config.epochs=1"),
                *("--config.image_size=40", "--config.eval_image_size=40"),
                *("--config.batch_size=4", "--config.warmup_epochs=0"),
                *overrides,
            ],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(process.returncode, 0, process.stderr)
        metrics = json.loads((self.folder / "run/metrics.json").read_text())
        return process.stdout, metrics

    def _assert_trained(self, output, metrics):
        self.assertEqual(
            metrics["skipped"],
            {
                "empty_classes": ["rust"],
                "corrupt_images": ["train/nut/broken.jpg"],
            },
        )
        (line,) = [s for s in output.splitlines() if s.startswith("Skipped")]
        self.assertIn("1 empty class (rust)", line)
        self.assertIn("1 corrupt image (train/nut/broken.jpg)", line)
        self.assertEqual(metrics["count"], 6 + 2 + 1)
        _, info = load_model(self.folder / "run" / "model.keras")
        self.assertEqual(info.labels, tuple(_COUNTS))

    def test_from_weights_of_this_project(self):
        keras.utils.set_random_seed(0)
        source = BagNet(ARCHITECTURES["bagnet33"], classes=7, width=_WIDTH)
        weights = self.folder / "source.weights.h5"
        source.save_weights(weights)
        output, metrics = self._train(weights, f"--config.width={_WIDTH}")
        self._assert_trained(output, metrics)

    def test_from_weights_of_published_layout(self):
        state = golden_state_dict("bagnet9")
        try:
            import torch
        except ImportError:
            self.skipTest("This test needs torch.")
        weights = self.folder / "bagnet9.pth"
        tensors = {k: torch.from_numpy(np.array(v)) for k, v in state.items()}
        torch.save(tensors, weights)
        output, metrics = self._train(weights, "--config.architecture=bagnet9")
        self._assert_trained(output, metrics)


if __name__ == "__main__":
    absltest.main()
