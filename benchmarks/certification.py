"""How long does a certificate take? Against the same in vectorised NumPy.

    python benchmarks/certification.py --classes=1000
    python benchmarks/certification.py --images=64 --defenses masking

Masking and double masking on made-up patch logits: noise, and on half of an
image's patches evidence for its label, from none to plenty. The versions in
NumPy use cumulative sums and no loop over windows but, for memory, one over
parts of the pairs of double masking; they only certify, and skip what decides
on the images as they are. Both give the same certificates.
"""

import argparse
import functools
import pathlib

import measure
import numpy as np

_RECEPTIVE_FIELD, _STRIDE = 17, 8
_MOST_VALUES = 1 << 24  # Of one array of the NumPy version.


def main() -> None:
    """Measures and reports."""
    options = _options()
    import bagnet_tf
    from bagnet_tf.certification import window_shape

    geometry = bagnet_tf.PatchGeometry(_RECEPTIVE_FIELD, _STRIDE)
    logits, labels = _patch_logits(options)
    grid_shape = logits.shape[1:3]
    window = window_shape(options.patch_size, geometry, grid_shape)

    def ours(defense):
        return bagnet_tf.certify(
            logits, labels, options.patch_size, geometry, defense
        ).certified

    in_numpy = {"masking": _masking, "double_masking": _double_masking}
    candidates = {}
    for name in options.defenses:
        candidates[f"{name}, bagnet_tf"] = functools.partial(ours, name)
        candidates[f"{name}, NumPy"] = functools.partial(
            _each, in_numpy[name], logits, labels, window
        )
    certified = {name: run() for name, run in candidates.items()}
    for ours_name, name in zip(*[iter(candidates)] * 2, strict=True):
        if (certified[ours_name] != certified[name]).any():
            raise RuntimeError(f"{ours_name} differs from {name}")
    seconds = measure.in_turns(candidates, options.turns, warm=True)
    medians = {name: measure.median(times) for name, times in seconds.items()}
    measure.report(
        f"Certificates, {options.classes} classes, grid {grid_shape[0]}x"
        f"{grid_shape[1]}, windows of {window[0]}x{window[1]}, "
        f"{options.images} images, median of {options.turns} turns",
        [
            {
                "what": name,
                "ms/image": 1000 * medians[name] / options.images,
                "ratio": medians[name]
                / medians[f"{name.partition(',')[0]}, bagnet_tf"],
                # Of a machine that others use, too, less is lost.
                "fastest": 1000 * min(seconds[name]) / options.images,
                "certified": float(certified[name].mean()),
            }
            for name in candidates
        ],
        f"python benchmarks/certification.py --classes={options.classes} "
        f"--image_size={options.image_size} --patch_size={options.patch_size} "
        f"--images={options.images} --turns={options.turns} "
        f"--defenses {' '.join(options.defenses)}",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--image_size", type=int, default=224, help="pixels")
    parser.add_argument("--patch_size", type=int, default=32, help="pixels")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--turns", type=int, default=3)
    defenses = ["masking", "double_masking"]
    parser.add_argument(
        "--defenses",
        nargs="+",
        default=defenses,
        choices=defenses,
        help="double masking in NumPy takes seconds an image",
    )
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _patch_logits(options) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    cells = (options.image_size - _RECEPTIVE_FIELD) // _STRIDE + 1
    shape = options.images, cells, cells, options.classes
    logits = rng.normal(size=shape).astype(np.float32)
    labels = rng.integers(0, options.classes, options.images)
    evidence = rng.random(shape[:3]) < 0.5
    strength = rng.uniform(0, 3, (options.images, 1, 1))
    logits[np.arange(options.images), :, :, labels] += strength * evidence
    return logits, labels


def _each(certified, logits, labels, window) -> np.ndarray:
    pairs = zip(logits, labels, strict=True)
    return np.array([certified(image, y, window) for image, y in pairs])


def _box_sums(values, window) -> np.ndarray:
    """Over (..., rows, cols, classes), by cumulative sums in float32."""
    for axis, side in zip((-3, -2), window, strict=True):
        values = np.moveaxis(values, axis, 0)
        sums = np.cumsum(values, axis=0)
        before = np.zeros_like(values[:1])
        before = np.concatenate([before, sums[:-side]])
        values = np.moveaxis(sums[side - 1 :] - before, 0, axis)
    return values


def _windows(grid_shape, window) -> np.ndarray:
    """Bool (windows, rows, cols)."""
    inside = []
    for cells, side in zip(grid_shape, window, strict=True):
        starts = np.arange(cells - side + 1)[:, None]
        place = np.arange(cells)
        inside.append((place >= starts) & (place < starts + side))
    masks = inside[0][:, None, :, None] & inside[1][None, :, None, :]
    return masks.reshape(-1, *grid_shape)


def _masking(logits, label, window) -> bool:
    evidence = np.maximum(logits, 0)
    outside = evidence.sum(axis=(0, 1)) - _box_sums(evidence, window)
    outside = outside.reshape(-1, outside.shape[-1])
    own = evidence[..., label]
    hidden = np.where(_windows(own.shape, window), 0, own)
    beyond = _box_sums(hidden[..., None], window).max(axis=(1, 2, 3))
    lower = outside[:, label] - beyond
    outside[:, label] = -np.inf
    return bool((lower > outside.max(axis=-1)).all())


def _double_masking(logits, label, window) -> bool:
    lead = logits[..., label, None] - logits
    lead = np.delete(lead, label, axis=-1)
    masks = _windows(lead.shape[:2], window)
    sums = _box_sums(lead, window).reshape(len(masks), -1)
    kept = lead.sum(axis=(0, 1)) - sums
    if (kept <= 0).any():
        return False
    at_once = max(_MOST_VALUES // lead.size, 1)
    for first in range(0, len(masks), at_once):
        part = slice(first, first + at_once)
        hidden = np.where(masks[part, ..., None], 0, lead)
        beyond = _box_sums(hidden, window).max(axis=(1, 2))
        if (kept[part] <= beyond).any():
            return False
    return True


if __name__ == "__main__":
    main()
