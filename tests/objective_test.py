"""Is what is minimised what the formulas say?"""

import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import BagNet9
from tests.training_helpers import tiny_config
from train.objective import Objective, load_teacher


def _softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


class ObjectiveTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(0)
        self.model = BagNet9(classes=3, width=0.05)
        rng = np.random.default_rng(0)
        self.images = rng.uniform(0, 255, (4, 25, 33, 3)).astype("float32")
        self.labels = np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]

    def _losses(self, teacher=None, **changes):
        objective = Objective(tiny_config(**changes), teacher)
        outputs = objective.network(self.model)(self.images)
        logits = objective.logits(outputs)
        np.testing.assert_allclose(logits, self.model(self.images), atol=1e-5)
        return objective(self.images, self.labels, outputs).numpy()

    def _cross_entropy(self, labels):
        probabilities = _softmax(self.model(self.images).numpy().astype(float))
        return -(labels * np.log(probabilities)).sum(-1)

    def test_smoothed_cross_entropy(self):
        for smoothing in (0.0, 0.3):
            labels = self.labels * (1 - smoothing) + smoothing / 3
            np.testing.assert_allclose(
                self._losses(label_smoothing=smoothing),
                self._cross_entropy(labels),
                rtol=1e-5,
                atol=1e-6,
            )

    def test_sparse_evidence_is_the_mean_over_every_image(self):
        features = keras.Model(
            self.model.input, self.model.get_layer("avg_pool").input
        )(self.images).numpy()
        kernel, bias = self.model.get_layer("classifier").get_weights()
        evidence = features.astype(float) @ kernel + bias
        np.testing.assert_allclose(
            self._losses(evidence_l1=0.7),
            self._cross_entropy(self.labels)
            + 0.7 * np.abs(evidence).mean(axis=(1, 2, 3)),
            rtol=1e-5,
            atol=1e-6,
        )

    def test_teacher(self):
        teacher = BagNet9(classes=3, width=0.05)
        taught = _softmax(teacher(self.images).numpy().astype(float))
        student = _softmax(self.model(self.images).numpy().astype(float))
        divergence = (taught * np.log(taught / student)).sum(-1)
        hard = self._cross_entropy(self.labels)
        np.testing.assert_allclose(
            self._losses(teacher, distillation_weight=0.25),
            0.75 * hard + 0.25 * divergence,
            rtol=1e-4,
            atol=1e-6,
        )

    def test_teacher_who_knows_nothing_new(self):
        losses = self._losses(self.model, distillation_weight=1.0)
        np.testing.assert_allclose(losses, 0, atol=1e-5)


class LoadTeacherTest(absltest.TestCase):
    def test_files(self):
        model = BagNet9(classes=3, width=0.05)
        self.assertIsNone(load_teacher(tiny_config(), model))
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder, "teacher.keras"))
            with self.assertRaisesRegex(ValueError, "teacher must be a whole"):
                load_teacher(tiny_config(teacher=path), model)
            model.save(path)
            teacher = load_teacher(tiny_config(teacher=path), model)
            np.testing.assert_array_equal(
                teacher.get_layer("classifier").kernel,
                model.get_layer("classifier").kernel,
            )
            other = BagNet9(classes=4, width=0.05)
            with self.assertRaisesRegex(ValueError, r"logits of \(None, 4\)"):
                load_teacher(tiny_config(teacher=path), other)


if __name__ == "__main__":
    absltest.main()
