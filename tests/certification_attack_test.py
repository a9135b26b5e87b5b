"""Attacks on pixels, through the network and the defence."""

import functools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

import bagnet_tf
from tests.small_models import TINY

_PATCH = 4  # Pixels.
_STEPS = 12


@functools.lru_cache
def _network_and_images():
    """A network that is not trained, but undecided, and its patch logits."""
    keras.utils.set_random_seed(5)
    model = bagnet_tf.BagNet(TINY, classes=3)
    rng = np.random.default_rng(1)
    colours = rng.uniform(60, 195, (48, 1, 1, 3))
    images = colours + rng.normal(0, 40, (48, 21, 25, 3))
    images = images.clip(0, 255).astype(np.float32)
    network = bagnet_tf.patch_logits_model(model)
    patch_logits = network(images)["patch_logits"].numpy()
    kernel, bias = model.layers[-1].get_weights()
    scale = 2 / patch_logits.std()
    model.layers[-1].set_weights(
        [scale * kernel, scale * (bias - patch_logits.mean(axis=(0, 1, 2)))]
    )
    return network, images, bagnet_tf.geometry_of(model)


def _loss(patch_logits, target, label, defense, window):
    """What an attacker raises: the target's lead, as the defence sees it."""
    if defense.name == "masking":
        patch_logits = tf.nn.relu(patch_logits + defense.offset)
    scores = tf.reduce_mean(patch_logits, axis=(1, 2))
    target, label = tf.one_hot(target, 3), tf.one_hot(label, 3)
    lead = tf.reduce_sum(scores * (target - label), axis=-1)
    cells = patch_logits.shape[1] * patch_logits.shape[2]
    inside = tf.nn.avg_pool2d(patch_logits, window, 1, "VALID")
    inside *= window[0] * window[1] / cells
    if defense.name == "masking":
        # A share up to the threshold is not masked; more would be lost.
        strongest = tf.reduce_max(inside, axis=(1, 2))
        lost = tf.nn.relu(strongest - 0.95 * defense.threshold * scores)
        lead -= 2 * tf.reduce_sum(lost * target, axis=-1)
    elif defense.name == "detection":
        # No masked decision is to tell: every one is to be the target.
        masked = scores[:, None, None] - inside
        leads = masked * (target - label)[:, None, None]
        leads = tf.minimum(tf.reduce_sum(leads, axis=-1), 0.1)
        lead = tf.reduce_mean(leads, axis=(1, 2))
    return tf.reduce_sum(lead)


@tf.function(reduce_retracing=True)
def _gradient(network, images, target, label, defense, window):
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = network(images)["patch_logits"]
        loss = _loss(logits, target, label, defense, window)
    return tape.gradient(loss, images), logits


def _attack(network, images, clean, decide, seed):
    """Which images a patch at a random place has turned, bool (batch,)."""
    rng = np.random.default_rng(seed)
    height, width = images.shape[1:3]
    mask = np.zeros((*images.shape[:3], 1), bool)
    for one in mask:
        top = rng.integers(height - _PATCH + 1)
        left = rng.integers(width - _PATCH + 1)
        one[top : top + _PATCH, left : left + _PATCH] = True
    others = clean.predictions + rng.integers(1, 3, len(images))
    target = tf.constant(others % 3)
    noise = rng.uniform(0, 255, images.shape).astype(np.float32)
    attacked = np.where(mask, noise, images)
    turned = np.zeros(len(images), bool)
    for step in range(_STEPS):
        gradient, patch_logits = _gradient(
            network,
            tf.constant(attacked),
            target,
            tf.constant(clean.predictions),
            clean.defense,
            clean.window,
        )
        found = decide(patch_logits.numpy())
        turned |= (found.predictions != clean.predictions) & ~found.alerts
        moved = attacked + 128 / (1 + step) * np.sign(gradient)
        attacked = np.where(mask, moved.clip(0, 255), images)
    return turned


class AttackTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("masking", bagnet_tf.Defense("masking")),
        ("masking_T", bagnet_tf.Defense("masking", threshold=0.2)),
        ("double_masking", bagnet_tf.Defense("double_masking")),
        ("clip", bagnet_tf.Defense("clipping", clip=4.0, offset=2.0)),
        ("voting", bagnet_tf.Defense("voting", threshold=0.5)),
        ("detection", bagnet_tf.Defense("detection", threshold=0.5)),
    )
    def test_no_certified_image_is_turned(self, defense):
        network, images, geometry = _network_and_images()

        def decide(patch_logits):
            return bagnet_tf.certify(
                patch_logits, None, _PATCH, geometry, defense
            )

        clean = decide(network(images)["patch_logits"].numpy())
        turned = np.zeros(len(images), bool)
        for seed in range(4):
            turned |= _attack(network, images, clean, decide, seed)
        self.assertFalse((turned & clean.certified).any())
        # Else certificate and attack were never put to the test.
        self.assertGreater(clean.certified.sum(), 4)
        self.assertGreater(turned.sum(), 0)
        print(
            f"{defense.name}: {clean.certified.sum()} of {len(images)} are "
            f"certified; {turned.sum()} of the others were turned"
        )


if __name__ == "__main__":
    absltest.main()
