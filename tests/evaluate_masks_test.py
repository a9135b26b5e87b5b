import contextlib
import io
import json
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import (
    PatchGeometry,
    mask_scores,
    patch_logits_model,
    perturbation,
)
from bagnet_tf.datasets import image_source
from tests.small_models import tiny_model
from train import evaluate
from train.evaluation import Evaluator
from train.mask_scores import EvidenceBatch, MaskScores, MaskScoring

_SPLIT = "validation[:60]"
_COLUMNS = {"value", "chance", "untrained", "centre_prior"}
_PIXEL_SCORES = {
    "energy_pointing_game": mask_scores.energy_pointing_game,
    "relevance_mass_accuracy": mask_scores.relevance_mass_accuracy,
    "relevance_rank_accuracy": mask_scores.relevance_rank_accuracy,
    "pixel_auroc": mask_scores.pixel_auroc,
    "pixel_average_precision": mask_scores.pixel_average_precision,
}


def _spread(grids):
    """Maps of the tiny model's 30 x 30 patches on 64 x 64 pixels.

    Receptive field 5, stride 2: centres at 2, 4, ..., 60; squares from 1.
    """
    maps = np.full((len(grids), 64, 64), np.nan)
    maps[:, 1:61, 1:61] = grids.repeat(2, axis=1).repeat(2, axis=2)
    return maps


def _softmax(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


class GlyphsTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_model(classes=10)
        source = image_source("glyphs")
        keras.utils.set_random_seed(3)
        cls.untrained = keras.models.clone_model(cls.model)
        keras.utils.set_random_seed(3)
        evaluator = Evaluator(
            cls.model, source, (64, 64), 7, MaskScoring(3, num_curve_images=5)
        )
        result = evaluator(_SPLIT)
        cls.hits, cls.result = result["evidence_hits"], result["mask_scores"]
        examples = list(source.dataset(_SPLIT).as_numpy_iterator())
        images = np.stack([e["image"] for e in examples]).astype("float32")
        labels = np.array([e["label"] for e in examples])
        logits = cls.model(images).numpy()
        correct = logits.argmax(axis=1) == labels
        cls.images, cls.labels = images[correct], labels[correct]
        cls.masks = np.stack([e["mask"] for e in examples])[correct]

    def _maps(self, model):
        """Evidence of the true class, less the mean of all classes."""
        outputs = patch_logits_model(model)(self.images)
        patch_logits = outputs["patch_logits"].numpy()
        grids = [
            of_image[..., label] - of_image.mean(axis=-1)
            for of_image, label in zip(patch_logits, self.labels, strict=True)
        ]
        return _spread(np.stack(grids))

    def test_counts(self):
        self.assertGreater(len(self.labels), 5)
        self.assertLess(len(self.labels), 60)
        self.assertEqual(self.result["count"], len(self.labels))
        self.assertEqual(self.result["num_with_mask"], 60)
        self.assertEqual(self.hits["count"], len(self.labels))

    @parameterized.named_parameters(
        ("value", "value"), ("untrained", "untrained")
    )
    def test_maps_of_the_networks(self, column):
        maps = self._maps(self.model if column == "value" else self.untrained)
        expected = mask_scores.pointing_game(maps, self.masks, 3).mean()
        self.assertAlmostEqual(
            self.result["pointing_game"][column], expected, places=5
        )
        for name, score in _PIXEL_SCORES.items():
            expected = np.nanmean(score(maps, self.masks))
            self.assertAlmostEqual(
                self.result[name][column], expected, places=5
            )

    def test_chance_is_the_masks_share_of_the_seen_pixels(self):
        share = self.masks[:, 1:61, 1:61].mean(axis=(1, 2)).mean()
        for name in (
            "relevance_mass_accuracy",
            "relevance_rank_accuracy",
            "pixel_average_precision",
        ):
            self.assertAlmostEqual(self.result[name]["chance"], share)
        self.assertAlmostEqual(self.result["pixel_auroc"]["chance"], 0.5)

    def test_centre_prior_points_to_the_middle(self):
        # Four cells are as close to the middle: pixels 29 to 32.
        maps = np.zeros((len(self.masks), 30, 30))
        maps[:, 14:16, 14:16] = 1
        expected = mask_scores.pointing_game(_spread(maps), self.masks, 3)
        self.assertAlmostEqual(
            self.result["pointing_game"]["centre_prior"], expected.mean()
        )

    @parameterized.named_parameters(
        ("deletion", "deletion_area", perturbation.deletion_curves),
        ("insertion", "insertion_area", perturbation.insertion_curves),
    )
    def test_areas_of_the_first_images(self, name, curves_of):
        def area(maps):
            curves = curves_of(
                lambda images: _softmax(self.model(images).numpy()),
                self.images[:5],
                maps[:5],
                self.labels[:5],
                num_steps=32,
            )
            return perturbation.curve_areas(curves).mean()

        areas = self.result[name]
        self.assertEqual(areas["count"], 5)
        self.assertContainsSubset(_COLUMNS, areas)
        self.assertAlmostEqual(
            areas["value"], area(self._maps(self.model)), places=5
        )
        # What the untrained network points to, decided by the trained one.
        self.assertAlmostEqual(
            areas["untrained"], area(self._maps(self.untrained)), places=5
        )
        top_down = area(_spread(np.ones((len(self.labels), 30, 30))))
        self.assertNotAlmostEqual(areas["chance"], top_down, places=5)


class MaskScoresTest(absltest.TestCase):
    def _result(self, evidence, **kwargs):
        mask = np.zeros((1, 24, 24), bool)
        mask[0, :8] = True
        scores = MaskScores(
            PatchGeometry(receptive_field=9, stride=8),
            lambda images: np.ones((len(images), 2)),
            MaskScoring(tolerance=0, **kwargs),
        )
        empty = EvidenceBatch(
            images=np.zeros((0, 24, 24, 3)),
            labels=np.zeros(0, int),
            masks=mask[:0],
            evidence=np.zeros((0, 2, 2)),
            untrained=np.zeros((0, 2, 2)),
            num_with_mask=3,
        )
        scores.update(empty)
        for grid in evidence:
            batch = EvidenceBatch(
                images=np.zeros((1, 24, 24, 3)),
                labels=np.zeros(1, int),
                masks=mask,
                evidence=np.array([grid]),
                untrained=np.array([grid]),
                num_with_mask=1,
            )
            scores.update(batch)
        return scores.result()

    def test_means_are_over_the_images_where_a_score_is_defined(self):
        nothing, half = [[-1.0, -2.0], [-3.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]
        result = self._result([nothing, half])
        self.assertEqual((result["count"], result["num_with_mask"]), (2, 5))
        self.assertEqual(result["relevance_mass_accuracy"]["count"], 1)
        self.assertEqual(result["relevance_mass_accuracy"]["value"], 0.5)
        self.assertEqual(result["pixel_auroc"]["count"], 2)
        self.assertEqual(result["pixel_auroc"]["chance"], 0.5)

    def test_a_mean_over_nothing_is_none(self):
        result = self._result([[[-1.0, -2.0], [-3.0, 0.0]]])
        self.assertIsNone(result["relevance_mass_accuracy"]["value"])
        json.dumps(result, allow_nan=False)

    def test_curves_of_no_image(self):
        result = self._result([np.eye(2)], num_curve_images=0)
        self.assertNotIn("deletion_area", result)
        result = self._result([np.eye(2)] * 3, num_curve_images=2)
        self.assertEqual(result["deletion_area"]["count"], 2)

    def test_no_image(self):
        result = self._result([])
        self.assertEqual((result["count"], result["num_with_mask"]), (0, 3))
        self.assertNotIn("pixel_auroc", result)


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
        flags = [f"--{key}={value}" for key, value in arguments.items()]
        evaluate._FLAGS.unparse_flags()
        for flag in evaluate._FLAGS:
            evaluate._FLAGS[flag].unparse()
        evaluate._FLAGS(["evaluate", *flags])
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            evaluate.main()
        scores = None
        if self.output.exists():
            # NaN is no JSON.
            scores = json.loads(self.output.read_text(), parse_constant=float)
            self.assertNotIn("NaN", self.output.read_text())
        return printed.getvalue(), scores

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
