"""Which classes decide, and which answers are right?"""

import json
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.datasets import image_source
from bagnet_tf.datasets.classes import (
    OnlyClasses,
    check_labels,
    fitted_of,
    matching_classes,
)
from bagnet_tf.model_info import ModelInfo, numbered_labels
from tests.commands_here import run_here
from tests.small_models import compute, random_images, tiny_model
from tests.training_helpers import ArraySource
from train import evaluate
from train.evaluation import Evaluator

_INFO = ModelInfo((16, 16), ("crane", "ant", "bee", "crane", "cat"))
_SIZE = 16, 16


def _source(labels=None, count=9, names=None, any_of=False):
    """Noise, and what it shows."""
    if labels is None:
        labels = np.arange(count) % len(names)
    images = random_images(*_SIZE, batch=len(labels)).astype("uint8")
    source = ArraySource(images, labels, 3)
    if any_of:
        source.multi_label, source.any_of = False, True
    source.labels = source.labels if names is None else tuple(names)
    return source, images.astype("float32")


def _softmax(logits):
    exponentials = np.exp(np.float64(logits))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


class MatchingClassesTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("same", ("crane", "ant", "bee", "crane", "cat"), (0, 1, 2, 3, 4)),
        ("others_order", ("cat", "bee"), (4, 2)),
        ("of_one_name_in_their_order", ("crane", "cat", "crane"), (0, 4, 3)),
    )
    def test_by_names(self, names, expected):
        source, _ = _source(names=names)
        self.assertEqual(matching_classes(_INFO, source), expected)

    @parameterized.named_parameters(
        ("lacking", ("ant", "dog", "cow"), "the model lacks dog, cow. Rec"),
        ("ambiguous", ("crane", "ant"), "the model has several of crane. Rec"),
        ("twice", ("ant", "ant"), "the model lacks ant. Received"),
        ("many", tuple("vwxyz") + ("u",), "lacks v, w, x, y, z, ...."),
    )
    def test_wrong_names(self, names, message):
        source, _ = _source(names=names)
        with self.assertRaisesRegex(ValueError, message):
            matching_classes(_INFO, source)

    def test_without_names(self):
        info = ModelInfo(_SIZE, numbered_labels(3))
        source, _ = _source(names=("bee", "ant", "cat"))
        self.assertEqual(matching_classes(info, source), (0, 1, 2))
        source, _ = _source(names=("bee", "ant"))
        with self.assertRaisesRegex(ValueError, "has 2 classes, but .* has 3"):
            matching_classes(info, source)


class FittedTest(parameterized.TestCase):
    def _fitted(self, head, class_ids):
        points = [
            {"class_id": 1, "threshold": 0.25},
            {"class_id": 2, "threshold": 0.75},
        ]
        metrics = {"temperature": 1.5, "operating_points": points}
        info = ModelInfo(_SIZE, ("a", "b", "c"), metrics, head)
        fitted = fitted_of(info, class_ids)
        self.assertEqual(fitted["temperature"], 1.5)
        return {
            point["class_id"]: point["threshold"]
            for point in fitted["operating_points"]
        }

    def test_thresholds_follow_their_classes(self):
        self.assertEqual(self._fitted("sigmoid", (2, 0)), {0: 0.75})
        self.assertEqual(self._fitted("sigmoid", (2, 1)), {0: 0.75, 1: 0.25})

    def test_of_two_classes_that_choose(self):
        self.assertEqual(self._fitted("softmax", (0, 1)), {1: 0.25})
        self.assertEmpty(self._fitted("softmax", (1, 0)))
        self.assertEmpty(self._fitted("softmax", (1, 2)))

    def test_nothing_fitted(self):
        fitted = fitted_of(_INFO, (0, 1))
        self.assertEqual(fitted, {"temperature": None, "operating_points": []})


class CheckLabelsTest(absltest.TestCase):
    def test_labels_that_a_head_cannot_give(self):
        source, _ = _source(np.eye(3, dtype="float32"))
        check_labels(source, "sigmoid", 3)
        with self.assertRaisesRegex(ValueError, "chooses one: its head is"):
            check_labels(source, "softmax", 3)
        source, _ = _source(np.eye(3, dtype="float32"), any_of=True)
        check_labels(source, "softmax", 3)
        with self.assertRaisesRegex(ValueError, "sets of right answers, but"):
            check_labels(source, "sigmoid", 3)


class OnlyClassesTest(absltest.TestCase):
    def test_class_ids(self):
        source, images = _source(np.array([2, 0, 0, 2, 0]))
        chosen = OnlyClasses(source, (2, 0))
        self.assertEqual(chosen.labels, ("kind 2", "kind 0"))
        examples = list(chosen.dataset("train").as_numpy_iterator())
        self.assertEqual([e["label"] for e in examples], [0, 1, 1, 0, 1])
        for example, image in zip(examples, images, strict=True):
            np.testing.assert_array_equal(example["image"], image)
        self.assertEqual(chosen.label_counts("train").tolist(), [2, 3])
        self.assertEqual(chosen.num_examples("train[1:4]"), 3)

    def test_sets(self):
        sets = np.array([[0, 0, 1], [1, 1, 0], [0, 1, 0]], "float32")
        source, _ = _source(sets, any_of=True)
        chosen = OnlyClasses(source, (2, 0))
        self.assertTrue(chosen.any_of)
        labels = [
            e["label"].tolist()
            for e in chosen.label_dataset("train").as_numpy_iterator()
        ]
        self.assertEqual(labels, [[1, 0], [0, 1], [0, 0]])


class RestrictedDecisionTest(absltest.TestCase):
    def test_softmax_over_the_classes_of_the_dataset(self):
        model, names = tiny_model(classes=5), ("cat", "ant", "bee")
        source, images = _source(names=names, count=11)
        class_ids = matching_classes(_INFO, source)
        scores = Evaluator(
            model, source, _SIZE, batch_size=4, class_ids=class_ids
        )("train", {"temperature": 0.5})
        logits = compute(model, images)[:, [4, 1, 2]]
        labels = np.arange(11) % 3
        confusion = np.zeros((3, 3))
        np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
        self.assertEqual(scores["confusion"], confusion.tolist())
        for found, scaled in (
            (scores, logits),
            (scores["with_temperature"], logits / 0.5),
        ):
            probabilities = _softmax(scaled)
            true = probabilities[np.arange(11), labels]
            self.assertAlmostEqual(found["loss"], -np.log(true).mean(), 5)
            errors = np.square(probabilities - np.eye(3)[labels])
            self.assertAlmostEqual(
                found["brier_score"], errors.sum(axis=1).mean(), 5
            )

    def test_only_present_classes(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        model, glyphs = tiny_model(classes=10), image_source("glyphs")
        model.save(folder / "model.keras")
        _, printed, table = run_here(
            evaluate,
            model=folder / "model.keras",
            dataset="glyphs",
            split="validation[:4]",
            image_size=64,
            json=True,
            only_present_classes=True,
        )
        examples = list(glyphs.dataset("validation[:4]").as_numpy_iterator())
        labels = np.array([example["label"] for example in examples])
        present = np.unique(labels)
        self.assertLess(len(present), 5)
        images = np.stack([e["image"] for e in examples]).astype("float32")
        logits = compute(model, images)[:, present]
        places = np.searchsorted(present, labels)
        scores = json.loads(printed)
        true = _softmax(logits)[np.arange(4), places]
        self.assertAlmostEqual(scores["loss"], -np.log(true).mean(), 4)
        self.assertEqual(
            scores["top1"]["value"], np.mean(logits.argmax(axis=1) == places)
        )
        self.assertEqual(scores["labels"], [glyphs.labels[i] for i in present])
        self.assertEqual(
            scores["classes"],
            {"scored": len(present), "dataset": 10, "model": 10},
        )
        self.assertIn(f"{len(present)} of the model's 10, of the", table)


class SetsOfRightAnswersTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(1)
        self.sets = (rng.uniform(size=(11, 3)) < 0.4).astype("float32")
        self.sets[3] = 0  # Nothing is right.
        self.source, self.images = _source(self.sets, any_of=True)
        self.model = tiny_model(classes=3)

    def test_a_decision_for_any_of_them_is_right(self):
        evaluate = Evaluator(self.model, self.source, _SIZE, batch_size=4)
        scores = evaluate("train")
        logits = compute(self.model, self.images)
        with_answer = [i for i in range(11) if self.sets[i].any()]
        right = [self.sets[i, np.argmax(logits[i])] == 1 for i in with_answer]
        self.assertEqual(scores["count"], len(with_answer))
        self.assertEqual(scores["num_without_label"], 11 - len(with_answer))
        self.assertEqual(scores["top1"]["value"], np.mean(right))

    def test_nothing_is_fitted_on_them(self):
        evaluate = Evaluator(self.model, self.source, _SIZE, batch_size=4)
        with self.assertRaisesRegex(ValueError, "labels to fit on, not sets"):
            evaluate.fit("train")


if __name__ == "__main__":
    absltest.main()
