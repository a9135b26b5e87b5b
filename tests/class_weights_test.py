"""Do classes weigh what a configuration says?"""

import pathlib
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from tests.training_helpers import ArraySource, shallow_networks, tiny_config
from train import trainer
from train.class_weights import weights_of_classes
from train.objective import Objective


def _source(labels, classes):
    labels = np.asarray(labels)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(labels), 24, 24, 3), np.uint8)
    return ArraySource(images, labels, classes)


class WeightsOfClassesTest(parameterized.TestCase):
    def _weights(self, source, **changes):
        return weights_of_classes(
            tiny_config(train_split="train", **changes), source
        )

    def test_balanced_softmax(self):
        # Of 8: 4, 1 and 3. 8 / (3 x 4), 8 / (3 x 1), 8 / (3 x 3).
        source = _source([0, 0, 2, 1, 0, 2, 2, 0], 3)
        np.testing.assert_allclose(
            self._weights(source, class_weights=("balanced",)),
            (2 / 3, 8 / 3, 8 / 9),
        )

    def test_balanced_counts_the_training_split_only(self):
        source = _source([0, 0, 0, 1, 1, 1, 1, 1], 2)
        config = tiny_config(
            train_split="train[:4]", class_weights=("balanced",)
        )
        np.testing.assert_allclose(
            weights_of_classes(config, source), (4 / 6, 4 / 2)
        )

    def test_balanced_sigmoid(self):
        # Of 5 the first class is in 1, the second in 4, the third in 2.
        labels = [[1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 1, 1], [0, 0, 0]]
        source = _source(np.asarray(labels, np.float32), 3)
        np.testing.assert_allclose(
            self._weights(source, head="sigmoid", class_weights=("balanced",)),
            (4.0, 0.25, 1.5),
        )

    def test_given_numbers_and_none(self):
        source = _source([0, 1, 1], 2)
        self.assertEqual(self._weights(source), ())
        self.assertEqual(
            self._weights(source, class_weights=(1, 2.5)), (1.0, 2.5)
        )

    @parameterized.parameters(
        [(1.0,)],
        [(1.0, 0.0)],
        [(1.0, -2.0)],
        [(1.0, float("nan"))],
        [(1.0, float("inf"))],
        [("equal",)],
        [("balanced", "balanced")],
        [(True, True)],
    )
    def test_what_is_no_weight(self, wanted):
        with self.assertRaisesRegex(ValueError, "'balanced', 2 positive"):
            self._weights(_source([0, 1, 1], 2), class_weights=wanted)

    def test_balanced_without_examples(self):
        source = _source([0, 2, 2], 3)
        with self.assertRaisesRegex(ValueError, "lacks them for 'kind 1'"):
            self._weights(source, class_weights=("balanced",))
        labels = np.asarray([[1, 1], [1, 0]], np.float32)
        with self.assertRaisesRegex(ValueError, "lacks them for 'kind 0'"):
            self._weights(
                _source(labels, 2), head="sigmoid", class_weights=("balanced",)
            )


class TrainerTest(parameterized.TestCase):
    def test_the_objective_gets_them(self):
        self.enterContext(shallow_networks())
        source = _source([0] * 6 + [1] * 2, 2)
        config = tiny_config(
            train_split="train",
            holdout_split="train",
            eval_split="train",
            class_weights=("balanced",),
        )
        seen = []

        def objective(*arguments):
            seen.append(arguments)
            return Objective(*arguments)

        folder = self.enterContext(tempfile.TemporaryDirectory())
        workdir = str(pathlib.Path(folder, "run"))
        with (
            mock.patch.object(trainer, "Objective", objective),
            mock.patch.object(trainer, "image_source", lambda *_: source),
        ):
            trainer.train(config, workdir)
        ((_, teacher, weights),) = seen
        self.assertIsNone(teacher)
        np.testing.assert_allclose(weights, (8 / 12, 8 / 4))


if __name__ == "__main__":
    absltest.main()
