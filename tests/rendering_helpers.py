"""What the tests of pictures share: explanations by hand, drawn pixels."""

import numpy as np

from bagnet_tf.explanation import Explanation
from bagnet_tf.geometry import PatchGeometry

GEOMETRY = PatchGeometry(receptive_field=17, stride=8)


def explanation_of(maps, geometry=GEOMETRY, top_k=5):
    """Of one image, from class-centred maps (rows, cols, classes)."""
    maps = np.asarray(maps, np.float32)[None]
    logits = maps.mean(axis=(1, 2))
    exponentials = np.exp(logits - logits.max())
    return Explanation(
        logits=logits,
        probabilities=exponentials / exponentials.sum(),
        class_ids=np.arange(maps.shape[-1])[None],
        class_evidence=maps,
        centred_evidence=maps,
        geometry=geometry,
        top_k=top_k,
    )


def one_hot(grid_shape, cell):
    maps = np.zeros((*grid_shape, 1))
    maps[cell] = 1
    return maps


def names(count):
    return [f"name {index}" for index in range(count)]


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def pixels_of(figure):
    """The picture as drawn: (height, width, 3), uint8."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def cut(pixels, place):
    return pixels[place.top : place.bottom, place.left : place.right]


def bounds(mask):
    """(top, left, bottom, right) of the true pixels, half-open."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return rows[0], cols[0], rows[-1] + 1, cols[-1] + 1
