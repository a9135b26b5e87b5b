"""Are parts removed as promised, and maps judged by what that does?"""

import json
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.analysis import (
    glyph_interventions,
    grid_pointing,
    single_deletion,
)
from bagnet_tf.analysis.intervention_rows import over_networks, row_of
from bagnet_tf.analysis.rank_correlation import rank_agreement
from bagnet_tf.analysis.runner import run_experiment
from bagnet_tf.datasets import glyphs, image_source
from bagnet_tf.model_info import ModelInfo
from tests.small_models import tiny_model


class GlyphTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.scene = glyph_interventions.scenes_of(seed=0, count=3)[2]
        self.images = glyph_interventions.altered_images(
            self.scene, np.random.default_rng(0)
        )

    def test_images_are_others_than_those_of_the_dataset(self):
        own, _, _ = glyphs.generate("validation", range(3))
        self.assertTrue((self.scene.image() != own[2]).any())

    @parameterized.parameters(*glyph_interventions.INTERVENTIONS)
    def test_only_the_glyph_s_square_changes(self, intervention):
        before = self.scene.image()
        for glyph, image in zip(
            self.scene.glyphs, self.images[intervention], strict=True
        ):
            changed = (image != before).any(axis=-1)
            self.assertTrue(changed[glyph.place].any())
            changed[glyph.place] = False
            self.assertFalse(changed.any())

    def test_where_a_glyph_was_removed_is_background(self):
        glyph = self.scene.glyphs[1]
        expected = self.scene.background + self.scene.grain
        expected = np.round(255 * np.clip(expected, 0, 1))[glyph.place]
        found = self.images["removed"][1][glyph.place]
        np.testing.assert_array_equal(found, expected)

    def test_effects_are_falls_of_the_score(self):
        # The score is the sum of all pixels, and glyphs are lighter than what
        # is behind them.
        found = glyph_interventions.effects(
            lambda images: images.astype(float).sum(axis=(1, 2, 3)),
            self.scene,
            np.random.default_rng(0),
        )
        before = float(self.scene.image().sum())
        after = [float(image.sum()) for image in self.images["removed"]]
        np.testing.assert_allclose(found["removed"], before - np.array(after))
        self.assertTrue((found["removed"] > 0).all())

    def test_a_map_is_added_up_over_the_square(self):
        heatmap = np.full((64, 64), np.nan)
        top, left = self.scene.glyphs[0].top, self.scene.glyphs[0].left
        heatmap[top, left : left + 3] = [1, 2, 4]
        heatmap[top + 12, left] = 100
        found = glyph_interventions.map_on_glyphs(heatmap, self.scene)
        self.assertEqual(found[0], 7)

    def test_the_rival_is_the_strongest_other_class(self):
        pair = glyph_interventions.class_and_rival([5.0, 9.0, 7.0], 1)
        self.assertEqual(pair, (1, 2))


class SingleDeletionTest(absltest.TestCase):
    def test_each_square_alone_is_removed(self):
        rng = np.random.default_rng(0)
        image = rng.integers(0, 255, (8, 8, 1)).astype(np.float32)
        kernel = rng.normal(size=(8, 8, 1))

        def score(images):
            return (images * kernel).sum(axis=(1, 2, 3))

        drops = single_deletion.deletion_drops(score, image)
        # Of a linear score: what the square adds beyond the mean colour.
        parts = ((image - image.mean()) * kernel)[..., 0]
        expected = [
            [parts[r : r + 2, c : c + 2].sum() for c in range(0, 8, 2)]
            for r in range(0, 8, 2)
        ]
        np.testing.assert_allclose(drops, expected, rtol=1e-4)
        # So that map finds the whole order, and its opposite none of it.
        agreement = single_deletion.deletion_agreement
        self.assertAlmostEqual(agreement(parts, drops), 1)
        self.assertAlmostEqual(agreement(-parts, drops), -1)

    def test_a_map_that_says_nothing_agrees_as_chance_does(self):
        self.assertEqual(rank_agreement(np.ones(4), np.arange(4)), 0)

    def test_where_nothing_matters_there_is_nothing_to_say(self):
        self.assertIsNone(rank_agreement(np.arange(4), np.zeros(4)))


class GridPointingTest(parameterized.TestCase):
    def test_photos_of_a_mosaic_are_of_different_classes(self):
        labels = np.repeat(np.arange(5), 3)
        chosen = grid_pointing.choose_photos(
            labels, 20, np.random.default_rng(0)
        )
        self.assertEqual(chosen.shape, (20, 4))
        for four in labels[chosen]:
            self.assertLen(set(four.tolist()), 4)
        self.assertGreater(len(np.unique(chosen)), 10)

    def test_too_few_classes(self):
        with self.assertRaisesRegex(ValueError, "Received: photos of 3"):
            grid_pointing.choose_photos(
                [0, 1, 2, 2], 1, np.random.default_rng(0)
            )

    def test_mosaic_is_row_by_row(self):
        photos = [np.full((2, 3, 1), value) for value in range(4)]
        joined = grid_pointing.mosaic(photos)
        self.assertEqual(joined.shape, (4, 6, 1))
        self.assertEqual(joined[::2, ::3, 0].tolist(), [[0, 1], [2, 3]])

    def test_share_and_strongest(self):
        heatmap = np.array(
            [
                [np.nan, 1.0, -5.0, 0.0],
                [2.0, 0.0, 0.0, 2.5],
                [0.0, 0.0, 6.0, 0.0],
                [0.0, 0.0, 0.0, 1.0],
            ]
        )
        self.assertEqual(grid_pointing.in_own_tile(heatmap, 0), (0.24, 0.0))
        self.assertEqual(grid_pointing.in_own_tile(heatmap, 1), (0.2, 0.0))
        self.assertEqual(grid_pointing.in_own_tile(heatmap, 2), (0.0, 0.0))
        self.assertEqual(grid_pointing.in_own_tile(heatmap, 3), (0.56, 1.0))

    def test_a_map_that_says_nothing_scores_chance(self):
        found = grid_pointing.in_own_tile(np.zeros((4, 4)), 2)
        self.assertEqual(found, (0.25, 0.25))


class RowsTest(absltest.TestCase):
    def test_networks_of_one_architecture_have_a_row_of_their_means(self):
        rows = [
            row_of("p", "one", "m", [0.0, 1.0], "seeds"),
            row_of("p", "two", "m", [1.0, 2.0], "seeds"),
            row_of("p", "other", "m", [9.0, 9.0], "seeds"),
        ]
        kinds = {"one": "net", "two": "net", "other": "control"}
        (row,) = over_networks(rows, kinds)
        self.assertEqual((row["network"], row["mean"]), ("2 x net", 1.0))
        # Student's t with 1 degree of freedom: 12.7062; the error is 0.5.
        self.assertAlmostEqual(row["high"] - 1, 12.7062 * 0.5, 3)


class InterventionsExperimentTest(absltest.TestCase):
    def _run(self, folder, **options):
        source = image_source("glyphs")
        model, path = tiny_model(classes=10), folder / "tiny.keras"
        if not path.exists():
            model.save(path)
            ModelInfo((64, 64), source.labels).save(model, path)
        run_experiment(
            "interventions",
            str(path),
            source,
            folder / "out",
            num_images=8,
            options={
                "methods": ("evidence", "gradcam", "random"),
                "num_seeds": 2,
                "num_mosaics": 2,
            },
            **options,
        )
        return json.loads((folder / "out" / "interventions.json").read_text())

    def test_on_glyphs(self):
        temporary = self.enterContext(tempfile.TemporaryDirectory())
        found = self._run(pathlib.Path(temporary))["summary"]["results"]
        self.assertCountEqual(
            found,
            (
                "glyph removed",
                "glyph swapped",
                "single deletion",
                "mosaic share",
                "mosaic strongest",
            ),
        )
        self.assertCountEqual(
            found["mosaic share"], ("tiny", "tiny, untrained")
        )
        # A BagNet's logits are sums of its patches: removing a glyph changes
        # only what the patches that see it say.
        evidence = found["glyph removed"]["tiny"]["evidence"]["mean"]
        random = found["glyph removed"]["tiny"]["random"]["mean"]
        self.assertGreater(evidence, random)
        again = self._run(pathlib.Path(temporary), overwrite=True)
        self.assertEqual(again["summary"]["results"], found)


if __name__ == "__main__":
    absltest.main()
