import json
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf import geometry_of, patch_logits_model
from bagnet_tf.datasets import image_source
from bagnet_tf.model_info import ModelInfo
from tests.commands_here import run_here
from tests.small_models import tiny_model
from train import evaluate
from train.evaluation import Evaluator


def _examples(split):
    examples = list(image_source("glyphs").dataset(split))
    return (
        np.stack([e["image"] for e in examples]),
        np.array([int(e["label"]) for e in examples]),
        np.stack([e["mask"] for e in examples]),
    )


class EvaluatorTest(absltest.TestCase):
    def test_scores_and_hits_equal_a_loop_over_the_images(self):
        model = tiny_model(classes=10)
        images, labels, masks = _examples("validation[:60]")
        outputs = patch_logits_model(model)(images.astype("float32"))
        correct, hits, chances = 0, [], []
        for logits, evidence, label, mask in zip(
            outputs["logits"].numpy(),
            outputs["patch_logits"].numpy(),
            labels,
            masks,
            strict=True,
        ):
            if logits.argmax() != label:
                continue
            correct += 1
            centred = evidence[..., label] - evidence.mean(axis=-1)
            row, col = np.unravel_index(centred.argmax(), centred.shape)
            box = geometry_of(model).box(row, col)
            hits.append(
                mask[(box.top + box.bottom) // 2, (box.left + box.right) // 2]
            )
            # Receptive field 5, stride 2: centres at 2, 4, ... on 64 pixels.
            chances.append(mask[2:62:2, 2:62:2].mean())
        source = image_source("glyphs")
        result = Evaluator(model, source, (64, 64), 7)("validation[:60]")
        self.assertEqual(result["top1"]["value"], correct / 60)
        self.assertEqual(result["evidence_hits"]["count"], correct)
        self.assertGreater(correct, 0)
        self.assertAlmostEqual(result["evidence_hits"]["rate"], np.mean(hits))
        self.assertAlmostEqual(
            result["evidence_hits"]["chance"], np.mean(chances)
        )

    def test_another_number_of_classes(self):
        with self.assertRaisesRegex(ValueError, "10 classes, but .* has 4"):
            Evaluator(tiny_model(), image_source("glyphs"), (64, 64))


class EvaluateCommandTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        name = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(name)
        self.model = self.folder / "model.keras"
        tiny_model(classes=10).save(self.model)
        self.output = self.folder / "scores.json"

    def _evaluate(self, **changes):
        arguments = {
            "model": self.model,
            "dataset": "glyphs",
            "split": "validation[:20]",
            "image_size": 64,
            "output": self.output,
            **changes,
        }
        _, printed, self.errors = run_here(evaluate, **arguments)
        return printed

    def test_table_and_json(self):
        printed = self._evaluate()
        scores = json.loads(self.output.read_text())
        self.assertEqual(scores["count"], 20)
        self.assertEqual(scores["image_size"], [64, 64])
        self.assertEqual(np.sum(scores["confusion"]), 20)
        self.assertIn(f"{scores['top1']['value']:.4f}", printed)
        self.assertIn("strongest patch on target", printed)

    def test_existing_output_is_kept(self):
        self.output.write_text("mine")
        with self.assertRaisesRegex(ValueError, "--overwrite replaces it"):
            self._evaluate()
        self.assertEqual(self.output.read_text(), "mine")
        self._evaluate(overwrite=True)
        self.assertIn("top1", self.output.read_text())

    def test_json_is_all_that_is_printed(self):
        printed = self._evaluate(json=True)
        scores = json.loads(printed)
        self.assertEqual(scores, json.loads(self.output.read_text()))
        self.assertEqual(scores["count"], 20)
        self.assertIn("top-1 accuracy", self.errors)

    def test_a_network_without_patches(self):
        model = bagnet_tf.BagNet(bagnet_tf.CONTROL, classes=10, width=0.05)
        model.save(self.model)
        printed = self._evaluate()
        scores = json.loads(self.output.read_text())
        images, labels, _ = _examples("validation[:20]")
        decisions = model(images, training=False).numpy().argmax(axis=1)
        self.assertEqual(scores["top1"]["value"], np.mean(decisions == labels))
        self.assertNotIn("evidence_hits", scores)
        self.assertNotIn("strongest patch", printed)

    @parameterized.named_parameters(
        ("patch_logits", "store_patch_logits", "BagNet: .*'control'"),
        ("masks", "masks", "BagNet for --masks"),
    )
    def test_patches_of_a_network_without_them(self, flag, rule):
        model = bagnet_tf.BagNet(bagnet_tf.CONTROL, classes=10, width=0.05)
        model.save(self.model)
        place = self.folder / "stored" if flag.startswith("store") else True
        with self.assertRaisesRegex(ValueError, f"^model must be a {rule}"):
            self._evaluate(**{flag: place})
        self.assertEqual(
            [p.name for p in self.folder.iterdir()], [self.model.name]
        )

    def test_stored_patch_logits(self):
        self._evaluate(
            store_patch_logits=self.folder / "stored",
            shard_size=8,
            batch_size=7,
        )
        stored = bagnet_tf.StoredPatchLogits(self.folder / "stored")
        images, labels, _ = _examples("validation[:20]")
        model = keras.models.load_model(self.model)
        expected = patch_logits_model(model)(images.astype("float32"))
        columns = zip(*stored.batches(), strict=True)
        _, found, logits, maps = (np.concatenate(c) for c in columns)
        np.testing.assert_array_equal(found, labels)
        np.testing.assert_allclose(logits, expected["logits"], atol=1e-5)
        np.testing.assert_allclose(maps, expected["patch_logits"], atol=1e-4)
        self.assertEqual(stored.labels, image_source("glyphs").labels)
        self.assertEqual(stored.geometry, geometry_of(model))
        self.assertEqual(stored.grid_shape, maps.shape[1:3])
        self.assertEqual(stored.manifest["split"], "validation[:20]")
        rule = "^store_patch_logits: folder exists; --overwrite"
        with self.assertRaisesRegex(ValueError, rule):
            self._evaluate(
                model="none.keras",  # Not even looked for.
                store_patch_logits=self.folder / "stored",
                overwrite=False,
                output=self.folder / "other.json",
            )

    def test_labels_in_another_order(self):
        order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]  # Of the model's classes.
        labels = [image_source("glyphs").labels[i] for i in order]
        model = keras.models.load_model(self.model)
        ModelInfo((64, 64), tuple(labels)).save(model, self.model)
        self._evaluate()
        images, classes, _ = _examples("validation[:20]")
        decisions = model(images, training=False).numpy().argmax(axis=1)
        confusion = np.zeros((10, 10))
        for label, decision in zip(classes, decisions, strict=True):
            confusion[label, order[decision]] += 1
        scores = json.loads(self.output.read_text())
        self.assertEqual(scores["confusion"], confusion.tolist())

    def test_labels_that_the_model_lacks(self):
        labels = ("dragon", *image_source("glyphs").labels[1:])
        model = keras.models.load_model(self.model)
        ModelInfo((64, 64), labels).save(model, self.model)
        lacking = image_source("glyphs").labels[0]
        with self.assertRaisesRegex(ValueError, f"the model lacks {lacking}"):
            self._evaluate()

    @parameterized.named_parameters(
        ("dataset", {"dataset": "glyps"}, "glyphs"),
        ("split", {"split": "test"}, "validation"),
        ("model", {"model": "missing.keras"}, "missing.keras"),
        ("image_size", {"image_size": 3}, "image_size must be at least 5"),
        ("output", {"output": "/missing/scores.json"}, "existing folder"),
    )
    def test_mistakes(self, changes, message):
        with self.assertRaisesRegex(ValueError, message):
            self._evaluate(**changes)
        self.assertFalse(self.output.exists())


if __name__ == "__main__":
    absltest.main()
