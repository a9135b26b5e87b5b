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

    def _losses(self, teacher=None, class_weights=(), **changes):
        objective = Objective(tiny_config(**changes), teacher, class_weights)
        outputs = objective.network(self.model)(self.images)
        logits = objective.logits(outputs)
        np.testing.assert_allclose(logits, self.model(self.images), atol=1e-5)
        return objective(self.images, self.labels, outputs, [0, 0]).numpy()

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

    @parameterized.named_parameters(
        ("one_hot", np.eye(3)[[0, 2, 1, 1]]),
        ("mixed", [[1, 0, 0], [0.25, 0, 0.75], [0, 0.5, 0.5], [0, 1, 0]]),
    )
    def test_classes_weigh_as_in_the_labels(self, labels):
        self.labels = np.asarray(labels, np.float32)
        weights = np.array([0.5, 3.0, 1.25])
        smoothed = self.labels * 0.9 + 0.1 / 3
        expected = self._cross_entropy(smoothed) * (labels * weights).sum(-1)
        np.testing.assert_allclose(
            self._losses(class_weights=weights, label_smoothing=0.1),
            expected,
            rtol=1e-5,
            atol=1e-6,
        )

    @parameterized.parameters("softmax", "sigmoid")
    def test_losses_add_up_over_parts_of_a_batch(self, head):
        # Nothing is divided by weights or examples of the part.
        images, labels = self.images, self.labels
        changes = {
            "class_weights": (0.5, 3.0, 1.25),
            "evidence_l1": 0.1,
            "head": head,
        }
        whole = self._losses(**changes)
        parts = []
        for part in (slice(0, 1), slice(1, 4)):
            self.images, self.labels = images[part], labels[part]
            parts.extend(self._losses(**changes))
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


class SigmoidObjectiveTest(absltest.TestCase):
    """Logits are given, as the network has no part in it."""

    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(1)
        self.logits = rng.normal(0, 3, (6, 4)).astype("float32")
        self.logits[0] = [0.5, -40, 40, -0.25]  # Rounded to 0 and 1.
        self.taught = rng.normal(0, 3, (6, 4)).astype("float32")
        self.labels = np.array(
            [
                [0, 0, 1, 0],
                [1, 1, 1, 1],
                [0, 0, 0, 0],
                [0, 1, 0, 1],
                [0.25, 1, 0, 0.75],  # Mixed.
                [0, 0.5, 0.5, 0],
            ],
            np.float32,
        )

    def _losses(self, class_weights=(), **changes):
        objective = Objective(
            tiny_config(head="sigmoid", **changes),
            (lambda images, training: self.taught)
            if "distillation_weight" in changes
            else None,
            class_weights,
        )
        return objective(None, self.labels, self.logits, [0, 0]).numpy()

    def _cross_entropy(self, labels, weights=1.0):
        # log p and log(1 - p), in float64.
        present = -np.logaddexp(0, -self.logits.astype(float))
        absent = -np.logaddexp(0, self.logits.astype(float))
        return -(weights * labels * present + (1 - labels) * absent).mean(-1)

    def test_smoothed_binary_cross_entropy(self):
        for smoothing in (0.0, 0.3):
            losses = self._losses(label_smoothing=smoothing)
            smoothed = self.labels * (1 - smoothing) + smoothing / 2
            np.testing.assert_allclose(
                losses, self._cross_entropy(smoothed), rtol=1e-5, atol=1e-6
            )
            by_keras = keras.losses.BinaryCrossentropy(
                from_logits=True, label_smoothing=smoothing, reduction=None
            )(self.labels, self.logits)
            np.testing.assert_allclose(losses, by_keras, rtol=1e-5, atol=1e-6)

    def test_weights_are_of_what_is_there(self):
        weights = np.array([0.5, 9.0, 1.0, 2.5])
        np.testing.assert_allclose(
            self._losses(weights),
            self._cross_entropy(self.labels, weights),
            rtol=1e-5,
            atol=1e-6,
        )

    def test_teacher(self):
        taught = 1 / (1 + np.exp(-self.taught.astype(float)))
        # KL(t, s) = cross-entropy of both minus the entropy of the teacher.
        entropy = -(
            taught * np.log(taught) + (1 - taught) * np.log(1 - taught)
        ).mean(-1)
        divergence = self._cross_entropy(taught) - entropy
        expected = 0.75 * self._cross_entropy(self.labels) + 0.25 * divergence
        np.testing.assert_allclose(
            self._losses(distillation_weight=0.25),
            expected,
            rtol=1e-4,
            atol=1e-5,
        )

    def test_teacher_who_knows_nothing_new(self):
        self.taught = self.logits
        losses = self._losses(distillation_weight=1.0)
        np.testing.assert_allclose(losses, 0, atol=1e-6)

    def test_accuracy_is_the_share_of_right_classes(self):
        objective = Objective(tiny_config(head="sigmoid"))
        logits = self.logits.copy()
        logits[5] = [-1, 2, 3, 4]  # Against 0, a half, a half, 0.
        shares = objective.accuracies(self.labels, logits)
        for label, logit, share in zip(
            self.labels, logits, shares.numpy(), strict=True
        ):
            right = [
                (1 / (1 + np.exp(-float(one))) >= 0.5) == (other >= 0.5)
                for one, other in zip(logit, label, strict=True)
            ]
            self.assertEqual(share, sum(right) / 4)
        self.assertEqual(shares[5], 0.75)


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
