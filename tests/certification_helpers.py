"""Defences written naively: loops over windows, float64, one image at a time.

Nothing here comes from the library but the names of its arguments.
"""

import itertools

import numpy as np

DEFENSES = (
    ("masking", {"defense": "masking"}),
    ("masking_T", {"defense": "masking", "threshold": 0.3}),
    ("masking_clipped", {"defense": "masking", "clip": 1.5, "offset": -0.3}),
    ("confidence", {"defense": "masking", "features": "confidence"}),
    (
        "prediction",
        {"defense": "masking", "features": "prediction", "threshold": 0.2},
    ),
    ("double_masking", {"defense": "double_masking"}),
    ("tanh", {"defense": "clipping", "offset": 1.0, "scale": 12.0}),
    ("clip", {"defense": "clipping", "clip": 2.0}),
    ("voting", {"defense": "voting", "threshold": 0.3}),
    ("detection", {"defense": "detection", "threshold": 0.6}),
    ("detection_any", {"defense": "detection"}),
)


def grids(seed, shape, classes=4, images=40):
    """Patch logits, from what is hopeless to what is clear; and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, *shape, classes))
    place = np.arange(images)
    logits[place, :, :, labels] += rng.uniform(0, 5, (images, 1, 1))
    # Evidence in one place, which masking takes away, and negative one.
    logits[place[::3], :2, :2, labels[::3]] += 6
    logits[1::3] -= 1.5
    return logits.astype(np.float32), labels


def windows_of(grid_shape, window):
    """Every window as a bool map (rows, cols), in reading order."""
    rows, cols = grid_shape
    for top in range(rows - window[0] + 1):
        for left in range(cols - window[1] + 1):
            mask = np.zeros(grid_shape, bool)
            mask[top : top + window[0], left : left + window[1]] = True
            yield mask


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def features_of(logits, defense, settings):
    """What is summed, of (rows, cols, classes), and its lowest and highest."""
    logits = np.asarray(logits, np.float64)
    offset, clip = settings.get("offset", 0.0), settings.get("clip")
    kind = settings.get("features", "logits")
    if defense == "voting":
        threshold = settings.get("threshold", 0.2)
        return (softmax(logits) >= threshold).astype(float), 0, 1
    if kind == "prediction":
        return (softmax(logits) > 0.2).astype(float), 0, 1
    if kind == "confidence":
        return softmax(logits), 0, 1
    if clip is not None:
        return np.clip(logits + offset, 0, clip), 0, clip
    if defense == "clipping":
        scaled = settings.get("scale", 1.0) * (logits + offset)
        return np.tanh(0.05 * scaled - 1), -1, 1
    return np.maximum(logits + offset, 0), 0, np.inf


def decision(logits, window, defense, **settings):
    """What a defence decides on one image; None for an alert."""
    masks = list(windows_of(logits.shape[:2], window))
    if defense == "double_masking":
        return _double_masked(np.asarray(logits, np.float64), masks)
    if defense == "detection":
        threshold = settings.get("threshold", 0.0)
        return _detected(np.asarray(logits, np.float64), masks, threshold)
    features, *_ = features_of(logits, defense, settings)
    scores = features.sum(axis=(0, 1))
    if defense == "masking":
        threshold = settings.get("threshold", 0.0)
        for class_id, total in enumerate(scores):
            strongest = max(features[m, class_id].sum() for m in masks)
            if total > 0 and strongest / total > threshold:
                scores[class_id] = total - strongest
    return int(scores.argmax())


def _double_masked(logits, masks):
    def left(*hidden):
        kept = ~np.logical_or.reduce(hidden)
        return int(logits[kept].sum(axis=0).argmax())

    one = [left(mask) for mask in masks]
    majority = int(np.bincount(one).argmax())
    for mask, found in zip(masks, one, strict=True):
        if found != majority and all(left(mask, m) == found for m in masks):
            return found
    return majority


def _detected(logits, masks, threshold):
    plain = int(logits.mean(axis=(0, 1)).argmax())
    for mask in masks:
        masked = np.where(mask[..., None], 0, logits).mean(axis=(0, 1))
        alert = softmax(masked).max() > threshold
        if alert and masked.argmax() != plain:
            return None
    return plain


def is_certified(logits, label, window, defense, **settings):
    """Whether a window cannot change the decision, by the published rules.

    All classes are tested, and ties go against the certificate.
    """
    masks = list(windows_of(logits.shape[:2], window))
    others = [c for c in range(logits.shape[-1]) if c != label]
    logits = np.asarray(logits, np.float64)
    if defense == "double_masking":
        for pair in itertools.product(masks, masks):
            left = logits[~np.logical_or(*pair)].sum(axis=0)
            if any(left[label] <= left[c] for c in others):
                return False
        return True
    threshold = settings.get("threshold", 0.0)
    if defense == "detection":
        if logits.mean(axis=(0, 1)).argmax() != label:
            return False
        for mask in masks:
            left = np.where(mask[..., None], 0, logits).mean(axis=(0, 1))
            ahead = all(left[label] > left[c] for c in others)
            if not ahead or softmax(left)[label] <= threshold:
                return False
        return True
    features, low, high = features_of(logits, defense, settings)
    for mask in masks:
        left = features[~mask].sum(axis=0)
        if defense == "masking":
            worst = _worst_masked(features[..., label], mask, masks, threshold)
            lower = left[label] - worst
            upper = [left[c] / (1 - threshold) for c in others]
        else:
            lower = left[label] + low * mask.sum()
            upper = [left[c] + high * mask.sum() for c in others]
        if any(lower <= bound for bound in upper):
            return False
    return True


def _worst_masked(own, attacked, masks, threshold):
    """The most that masking can take beside the attacker's window."""
    beyond = [own[mask & ~attacked].sum() for mask in masks]
    left = own[~attacked].sum()
    if left > 0 and max(beyond) / left > threshold:
        return max(beyond)
    near = [
        value
        for value, mask in zip(beyond, masks, strict=True)
        if (mask & attacked).any()
    ]
    return max(near)
