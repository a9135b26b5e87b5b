"""Models that are small enough for a test, and what they compute."""

import dataclasses
import functools

import keras
import numpy as np

import bagnet_tf

VARIANTS = tuple((name, name) for name in bagnet_tf.ARCHITECTURES)

# One block: where a test is not about a variant, it need not wait for one.
TINY = bagnet_tf.Architecture(
    "tiny", (bagnet_tf.Stage((3,), channels=4, stride=2),), stem_channels=4
)


def shallow(architecture: bagnet_tf.Architecture) -> bagnet_tf.Architecture:
    """The same patches and grid from the first block of each stage alone.

    All 3x3 kernels, strides and shortcuts are in first blocks.
    """
    stages = tuple(
        dataclasses.replace(stage, kernel_sizes=stage.kernel_sizes[:1])
        for stage in architecture.stages
    )
    return dataclasses.replace(architecture, stages=stages)


@functools.lru_cache
def tiny_model(**kwargs) -> keras.Model:
    """A model of one block (receptive field 5, stride 2), not to be changed."""
    keras.utils.set_random_seed(5)
    return bagnet_tf.BagNet(TINY, **({"classes": 4} | kwargs))


@functools.lru_cache
def narrow_model(variant: str, **kwargs) -> keras.Model:
    """A variant of a quarter of the width; tests must not change it."""
    keras.utils.set_random_seed(2)
    arguments = {"classes": 5, "width": 0.25} | kwargs
    return bagnet_tf.BagNet(bagnet_tf.ARCHITECTURES[variant], **arguments)


@functools.lru_cache
def narrow_patch_logits_model(variant: str) -> keras.Model:
    """The same, with its patch logits."""
    return bagnet_tf.patch_logits_model(narrow_model(variant))


def random_images(height, width, batch=1, seed=0, channels=3) -> np.ndarray:
    """Noise in 0..255, float32 (batch, height, width, channels)."""
    rng = np.random.default_rng(seed)
    shape = (batch, height, width, channels)
    return rng.uniform(0, 255, shape).astype("float32")


def compute(model: keras.Model, images: np.ndarray):
    """What a model computes, as NumPy arrays."""
    # Not `predict`, which takes a second to trace each new image size.
    outputs = model(images, training=False)
    if isinstance(outputs, dict):
        return {name: value.numpy() for name, value in outputs.items()}
    return outputs.numpy()
