"""Is the loss of masked images what masking by hand gives?"""

import itertools
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import BagNet9
from tests.training_helpers import shallow_networks, stop_after, tiny_config
from train.masking import without_random_windows, without_strongest_window
from train.objective import Objective
from train.trainer import train


def _windows(grid_shape, window):
    """Masks of all windows, bool (windows, rows, cols)."""
    masks = []
    for row, col in itertools.product(
        *(
            range(cells - side + 1)
            for cells, side in zip(grid_shape, window, strict=True)
        )
    ):
        mask = np.zeros(grid_shape, bool)
        mask[row : row + window[0], col : col + window[1]] = True
        masks.append(mask)
    return np.array(masks)


class MaskingTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(0)
        self.patch_logits = rng.normal(size=(300, 5, 6, 3)).astype("float32")
        self.labels = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 300)]

    @parameterized.parameters(((2, 3),), ((1, 1),), ((5, 4),))
    def test_strongest_window(self, window):
        evidence = np.maximum(self.patch_logits.astype(float), 0)
        expected = evidence.mean(axis=(1, 2))
        for image, label in enumerate(self.labels.argmax(-1)):
            expected[image, label] -= max(
                evidence[image, mask, label].sum() / 30
                for mask in _windows((5, 6), window)
            )
        actual = without_strongest_window(
            self.patch_logits, self.labels, window
        )
        np.testing.assert_allclose(actual, expected, atol=1e-6)

    def test_a_mixture_loses_parts(self):
        whole = np.maximum(self.patch_logits, 0).mean(axis=(1, 2))
        lost = whole - without_strongest_window(
            self.patch_logits, np.ones((300, 3), np.float32), (2, 3)
        )
        mixture = np.float32([0.25, 0.75, 0.0]) * np.ones((300, 1), np.float32)
        actual = without_strongest_window(self.patch_logits, mixture, (2, 3))
        np.testing.assert_allclose(actual, whole - mixture * lost, atol=1e-6)

    def test_random_windows_are_each_pair(self):
        # With a power of two in each cell, what is left tells the cells.
        cells = 2.0 ** np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
        same = np.broadcast_to(cells, (2000, 3, 4, 1))
        masks = _windows((3, 4), (2, 2))
        expected = {
            same[0, ..., 0][~(first | second)].mean()
            for first, second in itertools.product(masks, repeat=2)
        }
        actual = without_random_windows(same, (2, 2), [3, 4]).numpy()
        self.assertEqual(set(actual[:, 0]), expected)
        # All pairs are as likely: twice the same window one time in six.
        twice = [same[0, ..., 0][~mask].mean() for mask in masks]
        share = np.isin(actual[:, 0], twice).mean()
        self.assertAlmostEqual(share, 1 / 6, delta=0.035)  # 4 deviations.

    def test_windows_follow_from_the_seed(self):
        first, again, other = (
            without_random_windows(self.patch_logits, (2, 2), seed).numpy()
            for seed in ([0, 1], [0, 1], [0, 2])
        )
        np.testing.assert_array_equal(first, again)
        self.assertGreater(np.abs(first - other).max(axis=1).mean(), 0.05)

    def test_nothing_left(self):
        left = without_random_windows(self.patch_logits, (5, 6), [0, 0])
        np.testing.assert_array_equal(left, np.zeros((300, 3)))


class MaskedTrainingTest(parameterized.TestCase):
    def test_the_loss_is_of_the_masked_class(self):
        # 4 pixels reach 12 pixels, 2 cells a side; grid 3 x 4.
        keras.utils.set_random_seed(0)
        model = BagNet9(classes=3, width=0.05)
        images = np.random.default_rng(0).uniform(0, 255, (4, 25, 33, 3))
        labels = np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]
        objective = Objective(
            tiny_config(
                masked_training="true_class",
                masked_patch_size=4,
                architecture="bagnet9",
            )
        )
        outputs = objective.network(model)(images.astype("float32"))
        evidence = np.maximum(outputs["patch_logits"].numpy().astype(float), 0)
        logits = evidence.mean(axis=(1, 2))
        for image, label in enumerate(labels.argmax(-1)):
            logits[image, label] -= max(
                evidence[image, mask, label].sum() / 12
                for mask in _windows((3, 4), (2, 2))
            )
        expected = np.log(np.exp(logits).sum(-1)) - (labels * logits).sum(-1)
        np.testing.assert_allclose(
            objective(images, labels, outputs, [0, 0]), expected, rtol=1e-5
        )

    def test_a_resumed_run_draws_the_same_windows(self):
        self.enterContext(shallow_networks())
        config = tiny_config(
            masked_training="window_pairs",
            masked_patch_size=8,
            accumulation_steps=2,
            architecture="bagnet9",
        )
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        train(config, str(folder / "whole"))
        with stop_after(4):
            train(config, str(folder / "parts"))
        self.assertTrue(train(config, str(folder / "parts")).finished)
        plain = tiny_config(architecture="bagnet9", accumulation_steps=2)
        train(plain, str(folder / "plain"))
        whole, parts, plain = (
            keras.models.load_model(folder / name / "last.keras").get_weights()
            for name in ("whole", "parts", "plain")
        )
        for expected, actual in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(actual, expected)
        self.assertGreater(np.abs(whole[-2] - plain[-2]).max(), 1e-4)

    @parameterized.named_parameters(
        ("kind", {"masked_training": "all"}, "true_class, window_pairs"),
        ("size", {"masked_patch_size": 0}, "at least 1"),
        ("too_large", {"masked_patch_size": 56}, "all 6x6 cells"),
        ("control", {"architecture": "control"}, "with patches"),
    )
    def test_unusable_configurations(self, changes, message):
        config = tiny_config(
            **{"masked_training": "true_class", "masked_patch_size": 8}
        )
        config.update(changes)
        with (
            tempfile.TemporaryDirectory() as folder,
            self.assertRaisesRegex(ValueError, message),
        ):
            train(config, folder)


if __name__ == "__main__":
    absltest.main()
