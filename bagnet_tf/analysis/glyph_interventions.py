"""What does a glyph do to a decision? Known, since it can be taken away.

For each glyph and distractor of an image the effect of removing it, or of
putting another shape in its place, on the difference of two logits is set
beside what a map says of its square.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bagnet_tf.datasets import glyphs
from bagnet_tf.datasets.glyph_shapes import DISTRACTOR_SHAPES

INTERVENTIONS = ("removed", "swapped")
# Streams of random numbers apart from those of the images themselves.
_SWAPS = 2


def scenes_of(seed: int, count: int) -> list[glyphs.Scene]:
    """Images that no network was trained on: the dataset has seed 0.

    Args:
        seed: From 0.
        count: Number of images.
    """
    return glyphs.scenes("validation", range(count), seed + 1)


def altered_images(
    scene: glyphs.Scene, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The image of a scene with one glyph removed, or swapped.

    Args:
        scene: What the image is made of.
        rng: Chooses the shapes that come instead: distractors, which speak
            for no class, of another shape.

    Returns:
        By intervention, uint8 (glyphs, 64, 64, 3): in each image another one
        is changed.
    """
    others = [
        [name for name in DISTRACTOR_SHAPES if name != glyph.name]
        for glyph in scene.glyphs
    ]
    return {
        "removed": np.stack(
            [scene.without(i).image() for i in range(len(scene.glyphs))]
        ),
        "swapped": np.stack(
            [
                scene.swapped(i, str(rng.choice(names))).image()
                for i, names in enumerate(others)
            ]
        ),
    }


def effects(
    score: Callable[[np.ndarray], np.ndarray],
    scene: glyphs.Scene,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """By how much the score falls when a glyph is removed, or swapped.

    Args:
        score: Takes images (batch, 64, 64, 3), gives numbers (batch,).
        scene: What the image is made of.
        rng: See `altered_images`.

    Returns:
        By intervention, (glyphs,).
    """
    before = score(scene.image()[None])[0]
    return {
        name: before - score(images)
        for name, images in altered_images(scene, rng).items()
    }


def map_on_glyphs(heatmap: np.ndarray, scene: glyphs.Scene) -> np.ndarray:
    """What a map says of each glyph: its sum over the glyph's square.

    Args:
        heatmap: (64, 64); where it is NaN it says nothing.
        scene: What the image is made of.

    Returns:
        (glyphs,).
    """
    return np.array([np.nansum(heatmap[glyph.place]) for glyph in scene.glyphs])


def swap_stream(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one scene's swaps."""
    return np.random.default_rng([seed, number, _SWAPS])


def class_and_rival(logits: Sequence[float], label: int) -> tuple[int, int]:
    """The class that is shown, and the strongest of the others."""
    others = np.array(logits, float)
    others[label] = -np.inf
    return label, int(others.argmax())
