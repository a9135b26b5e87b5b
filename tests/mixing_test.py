"""Do mixed photos get the labels of what is in them?"""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from bagnet_tf.datasets import image_source
from tests.training_helpers import tiny_config
from train.mixing import mixed
from train.pipeline import training_batches

_COUNT = 64


def _mixed(seed=0, **changes):
    """Each image has one value, by which it is known; so have the labels."""
    values = np.linspace(0, 252, _COUNT).round().astype(np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (_COUNT, 20, 30, 3))
    labels = np.eye(_COUNT, dtype=np.float32)
    images, labels = mixed(
        tf.constant(images),
        tf.constant(labels),
        tf.constant([0, seed], tf.int64),
        tiny_config(**changes),
    )
    return values, np.roll(values, 1), images.numpy(), labels.numpy()


class MixingTest(parameterized.TestCase):
    def test_cutmix_labels_are_the_visible_shares(self):
        own, other, images, labels = _mixed(cutmix=1.0)
        self.assertEqual(images.dtype, np.uint8)
        for index in range(_COUNT):
            pixels = images[index]
            share = (pixels == own[index]).mean()
            self.assertAlmostEqual((pixels == other[index]).mean(), 1 - share)
            self.assertAlmostEqual(labels[index, index], share, places=5)
            self.assertAlmostEqual(labels[index].sum(), 1, places=5)
            # The part that was cut in is one rectangle.
            rows, cols, _ = np.nonzero(pixels == other[index])
            if len(rows):
                area = (np.ptp(rows) + 1) * (np.ptp(cols) + 1)
                self.assertEqual(area * 3, len(rows))

    def test_mixup_labels_are_the_shares(self):
        own, other, images, labels = _mixed(mixup=1.0)
        shares = np.diag(labels)
        expected = shares * own + (1 - shares) * other
        np.testing.assert_allclose(images[:, 3, 4, 1], expected, atol=0.51)
        np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-5)

    @parameterized.parameters("mixup", "cutmix")
    def test_shares_are_spread_as_asked(self, kind):
        # Beta(20, 20) is nearly a half; Beta(0.1, 0.1) nearly all or nothing.
        extremes = []
        for concentration in (0.1, 20.0):
            labels = _mixed(**{kind: concentration})[3]
            extremes.append(np.mean(np.abs(np.diag(labels) - 0.5) > 0.4))
        self.assertGreater(extremes[0], 0.4)
        self.assertLess(extremes[1], 0.25)

    def test_a_coin_decides_between_both(self):
        kinds = set()
        for seed in range(8):
            own, other, images, _ = _mixed(seed, mixup=1.0, cutmix=1.0)
            pure = (images == own[:, None, None, None]) | (
                images == other[:, None, None, None]
            )
            kinds.add(bool(pure.all()))
        self.assertEqual(kinds, {True, False})


class PipelineTest(absltest.TestCase):
    def _batches(self, epoch, first_step=0):
        source = image_source("glyphs")
        config = tiny_config(cutmix=1.0)
        batches = training_batches(source, config, epoch, first_step)
        return [(i.numpy(), y.numpy()) for i, y in batches]

    def test_any_step_is_the_same_again(self):
        whole, rest = self._batches(1), self._batches(1, 1)
        for expected, actual in zip(whole[1:], rest, strict=True):
            np.testing.assert_array_equal(actual[0], expected[0])
            np.testing.assert_array_equal(actual[1], expected[1])

    def test_steps_and_epochs_differ(self):
        shares = {
            tuple(np.sort(labels.max(axis=1)))
            for epoch in (0, 1)
            for _, labels in self._batches(epoch)
        }
        self.assertLen(shares, 6)


if __name__ == "__main__":
    absltest.main()
