import json
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from tests.commands_here import run_here
from tests.small_models import tiny_model
from train import evaluate

_COLUMNS = {"value", "chance", "untrained", "centre_prior"}


class FolderTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        name = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(name)
        self.model = self.folder / "model.keras"
        tiny_model(classes=2).save(self.model)
        rng = np.random.default_rng(0)
        for split in ("train", "val"):
            for label in ("bolt", "nut"):
                for index in range(4):
                    pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
                    self._save(f"{split}/{label}/{index}.png", pixels)
        self.output = self.folder / "scores.json"

    def _save(self, file, pixels):
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)

    def _save_masks(self):
        """Of half of the images; of 0.png in the part that is cropped away."""
        middle, left = np.zeros((32, 48)), np.zeros((32, 48))
        middle[10:20, 20:30], left[:, :4] = 255, 255
        for label in ("bolt", "nut"):
            self._save(f"masks/val/{label}/0.png", left)
            self._save(f"masks/val/{label}/1.png", middle)

    def _evaluate(self, **changes):
        arguments = {
            "model": self.model,
            "dataset": f"folder:{self.folder}",
            "image_size": 28,
            "masks": True,
            "output": self.output,
            **changes,
        }
        printed = run_here(evaluate, **arguments).printed
        scores = None
        if self.output.exists():
            # NaN is no JSON.
            scores = json.loads(self.output.read_text(), parse_constant=float)
            self.assertNotIn("NaN", self.output.read_text())
        return printed, scores

    def test_images_without_mask_count_for_accuracy_only(self):
        self._save_masks()
        _, scores = self._evaluate()
        self.assertEqual(scores["count"], 8)
        self.assertEqual(scores["mask_scores"]["num_with_mask"], 2)
        # The tiny model calls every image by one name: half are right.
        self.assertEqual(scores["mask_scores"]["count"], 1)
        self.assertEqual(scores["evidence_hits"]["count"], 1)
        self.assertEqual(scores["mask_scores"]["pixel_auroc"]["count"], 1)

    def test_masks_are_resized_and_cropped_like_their_images(self):
        self._save_masks()
        _, scores = self._evaluate()
        # 32 x 48 passes the resizing to 32; the crop starts at (2, 10). The
        # mask's 100 pixels lie in the 24 x 24 of 12 cells of 2 pixels a side.
        self.assertAlmostEqual(
            scores["mask_scores"]["relevance_mass_accuracy"]["chance"],
            100 / 24**2,
        )

    def test_table_and_json(self):
        self._save_masks()
        printed, scores = self._evaluate(
            pointing_tolerance=2, num_curve_images=1
        )
        found = scores["mask_scores"]
        self.assertEqual(found["pointing_tolerance"], 2)
        for name, title in (
            ("pointing_game", "pointing game, 2 px"),
            ("energy_pointing_game", "energy pointing game"),
            ("relevance_mass_accuracy", "relevance mass accuracy"),
            ("relevance_rank_accuracy", "relevance rank accuracy"),
            ("pixel_auroc", "pixel AUROC"),
            ("pixel_average_precision", "pixel average precision"),
            ("deletion_area", "deletion area"),
            ("insertion_area", "insertion area"),
        ):
            line = next(x for x in printed.split("\n") if x.startswith(title))
            for column in _COLUMNS:
                self.assertIn(f"{found[name][column]:.4f}", line)
            self.assertIn("1 images", line)
        self.assertIn("class-centred evidence of the true class", printed)
        self.assertIn("1 of 2 images with a mask", printed)

    def test_without_the_flag(self):
        self._save_masks()
        printed, scores = self._evaluate(masks=False)
        self.assertIn("evidence_hits", scores)
        self.assertNotIn("mask_scores", scores)
        self.assertNotIn("maps scored", printed)

    def test_split_without_masks(self):
        self._save_masks()
        printed, scores = self._evaluate(split="train")
        self.assertEqual(scores["mask_scores"]["count"], 0)
        self.assertIn("0 of 0 images with a mask", printed)

    def test_dataset_without_masks(self):
        with self.assertRaisesRegex(
            ValueError, "dataset must have masks .*glyphs, or folder:PATH with"
        ):
            self._evaluate()
        self.assertFalse(self.output.exists())

    def test_mask_of_another_size(self):
        self._save_masks()
        self._save("masks/val/nut/2.png", np.ones((48, 32)))
        with self.assertRaisesRegex(ValueError, "masks/val/nut/2.png"):
            self._evaluate()


if __name__ == "__main__":
    absltest.main()
