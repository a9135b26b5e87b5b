"""What becomes of the decision when the most relevant pixels go, or come?

Deletion takes the pixels out of the image, the most relevant first; insertion
adds them to an image that shows nothing yet. Images in between are such as
the network was never trained on, and a map of patches removes patches: set
every area beside that of a random map on the same grid.
"""

from collections.abc import Callable

import numpy as np

BASELINES = ("zeros", "grey", "mean", "blur")

# Those of the reference code of RISE, pixels.
_BLUR_DEVIATION = 5.0
_BLUR_RADIUS = 5


def deletion_curves(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    maps: np.ndarray,
    class_ids: np.ndarray,
    num_steps: int = 32,
    baseline: str | np.ndarray = "grey",
) -> np.ndarray:
    """Class probabilities while the most relevant pixels are removed.

    Args:
        predict: Takes images like `images`, float32, and returns their
            probabilities, (batch, classes). It is called `num_steps + 1`
            times, with the whole batch.
        images: (batch, height, width, channels), as `predict` takes them.
        maps: Relevance of each pixel, signed, (batch, height, width). Pixels
            where it is NaN (the rim of a spread grid) come last, whatever
            their order; of equal ones, those further up and left come first.
        class_ids: The class to follow in each image, (batch,).
        num_steps: Number of steps, each of the same number of pixels (of
            whole ones, so give or take one).
        baseline: What removed pixels become: a key of `baseline_images` or
            an array of (or that broadcasts to) the images' shape.

    Returns:
        (batch, num_steps + 1): the probability with 0, 1, ..., all
        `num_steps` steps done. See `curve_areas`; lower is better.

    Raises:
        ValueError: If an argument has the wrong shape or value.

    Example:
        >>> curves = deletion_curves(predict, images, maps, class_ids)
        >>> curve_areas(curves).mean()

    Source: Petsiuk, Das & Saenko, RISE, BMVC 2018, and its reference
    code, where removed pixels are the mean of the training data ("grey" is
    close to it) and a step has as many pixels as a row.
    """
    baseline = _full_baseline(images, baseline)
    return _curves(
        predict, images, baseline, maps, np.asarray(class_ids), num_steps
    )


def insertion_curves(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    maps: np.ndarray,
    class_ids: np.ndarray,
    num_steps: int = 32,
    baseline: str | np.ndarray = "blur",
) -> np.ndarray:
    """Class probabilities while the most relevant pixels are added.

    Args:
        predict: As for `deletion_curves`.
        images: As for `deletion_curves`.
        maps: As for `deletion_curves`.
        class_ids: As for `deletion_curves`.
        num_steps: As for `deletion_curves`.
        baseline: What the pixels are before they come: a key of
            `baseline_images` or an array.

    Returns:
        (batch, num_steps + 1), from the baseline to the whole image. See
        `curve_areas`; higher is better.

    Raises:
        ValueError: If an argument has the wrong shape or value.

    Source: As for `deletion_curves`; a blurred image has no edges that would
    speak for another class.
    """
    baseline = _full_baseline(images, baseline)
    return _curves(
        predict, baseline, images, maps, np.asarray(class_ids), num_steps
    )


def curve_areas(curves: np.ndarray) -> np.ndarray:
    """Area under each curve over the share of pixels, 0 to 1 (trapezoids).

    Args:
        curves: (batch, num_steps + 1).

    Returns:
        (batch,), 0 to 1.

    Example:
        >>> curve_areas(np.array([[1.0, 0.5, 0.0]]))
        array([0.5])
    """
    return ((curves[:, 1:] + curves[:, :-1]) / 2).mean(axis=1)


def baseline_images(images: np.ndarray, baseline: str) -> np.ndarray:
    """Images that show (almost) nothing.

    Args:
        images: (batch, height, width, channels).
        baseline: `"zeros"`; `"grey"`, 127.5, the middle of RGB 0..255;
            `"mean"`, each image's own mean colour; or `"blur"`, a Gaussian
            with a standard deviation of 5 pixels, cut at 5 pixels.

    Returns:
        float32, of the images' shape.

    Raises:
        ValueError: If `baseline` is none of these.
    """
    images = np.asarray(images, np.float32)
    if baseline == "zeros":
        return np.zeros_like(images)
    if baseline == "grey":
        return np.full_like(images, 127.5)
    if baseline == "mean":
        means = images.mean(axis=(1, 2), keepdims=True)
        return np.broadcast_to(means, images.shape)
    if baseline == "blur":
        return _blurred(_blurred(images, axis=1), axis=2)
    raise ValueError(
        f"baseline must be one of {', '.join(BASELINES)}, or an array. "
        f"Received: baseline={baseline!r}"
    )


def _blurred(images, axis) -> np.ndarray:
    """Blurs along one axis; the image goes on beyond its edges as it ends.

    The reference pads with zeros, which frames its baselines in black.
    """
    offsets = np.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1)
    weights = np.exp(-0.5 * (offsets / _BLUR_DEVIATION) ** 2)
    weights /= weights.sum()
    places = np.arange(images.shape[axis])
    blurred = np.zeros_like(images)
    for offset, weight in zip(offsets, weights, strict=True):
        neighbours = (places + offset).clip(0, len(places) - 1)
        blurred += np.float32(weight) * images.take(neighbours, axis=axis)
    return blurred


def _full_baseline(images, baseline):
    if isinstance(baseline, str):
        return baseline_images(images, baseline)
    try:
        return np.broadcast_to(np.asarray(baseline, np.float32), images.shape)
    except ValueError as error:
        raise ValueError(
            "baseline must broadcast to the images' shape, "
            f"{images.shape}. Received: baseline.shape={np.shape(baseline)}"
        ) from error


def _curves(predict, before, after, maps, class_ids, num_steps):
    """Probabilities on the way from the images `before` to those `after`."""
    batch, height, width = after.shape[:3]
    if maps.shape != after.shape[:3] or class_ids.shape != (batch,):
        raise ValueError(
            "images, maps and class_ids must be (batch, height, width, "
            "channels), (batch, height, width) and (batch,). Received: "
            f"images.shape={after.shape}, maps.shape={maps.shape}, "
            f"class_ids.shape={class_ids.shape}"
        )
    pixels = height * width
    if not 1 <= num_steps <= pixels:
        raise ValueError(
            f"num_steps must be in [1, {pixels}], at most one a pixel. "
            f"Received: num_steps={num_steps}"
        )
    # NaN is sorted to the end.
    order = np.argsort(-maps.reshape(batch, -1), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable").reshape(maps.shape)
    curves = np.empty((batch, num_steps + 1))
    for step in range(num_steps + 1):
        changed = rank < round(step * pixels / num_steps)
        mixed = np.where(changed[..., None], after, before)
        probabilities = np.asarray(predict(mixed.astype(np.float32)))
        curves[:, step] = probabilities[np.arange(batch), class_ids]
    return curves
