import json

import keras
import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import (
    PatchGeometry,
    mask_scores,
    patch_logits_model,
    perturbation,
)
from bagnet_tf.datasets import image_source
from tests.small_models import tiny_model
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


if __name__ == "__main__":
    absltest.main()
