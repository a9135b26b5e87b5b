"""Does the preset's evidence lie where the thing is? Mosaics of four photos.

    python benchmarks/preset_localization.py --data_dir=DIR

The grid pointing game (Böhle et al., Convolutional Dynamic Alignment Networks,
CVPR 2021): four photos of different classes side by side are one image, and
the evidence for each of the four classes should lie in its own photo. Scored
are the share of its positive class-centred evidence that does, by the centres
of patches, and whether the strongest patch does. Chance is a quarter; a network
of the same architecture with random weights is scored as well. Every photo
counts, also where the network does not know it: the authors take only those
of which it is sure. `analyze interventions` plays it by the pixels of any map.
"""

import argparse
import pathlib
from collections.abc import Iterator

import measure
import numpy as np

_BATCH = 32


def main() -> None:
    """Measures and reports."""
    options = _options()
    import keras

    from bagnet_tf.loading import load_model

    model, info = load_model("imagenette")
    keras.utils.set_random_seed(0)
    networks = {"preset": model, "untrained": keras.models.clone_model(model)}
    scores = {name: [] for name in networks}
    for mosaics, class_ids in _mosaics(options, info.image_size):
        for name, network in networks.items():
            scores[name].append(_scores(network, mosaics, class_ids))
    rows = [
        {
            "network": name,
            "share of evidence": _mean(found, 0),
            "strongest patch": _mean(found, 1),
        }
        for name, found in scores.items()
    ]
    measure.report(
        f"In the right photo of {options.mosaics} mosaics of validation "
        "photos (mean, half of a 95 % interval); chance 0.25",
        rows,
        f"python benchmarks/preset_localization.py --mosaics={options.mosaics}"
        " --data_dir=DIR",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data_dir", help="folder of TFDS datasets")
    parser.add_argument("--mosaics", type=int, default=500)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _mosaics(options, size) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields batches of mosaics, and the class ids of their photos, by row."""
    from bagnet_tf.analysis.grid_pointing import TILES, mosaic
    from bagnet_tf.datasets import image_source
    from bagnet_tf.datasets.batches import evaluation_batches

    source = image_source("imagenette/320px-v2", options.data_dir)
    photos, labels = [], []
    for batch in evaluation_batches(source, "validation", size, _BATCH):
        photos.extend(batch["image"].numpy())
        labels.extend(batch["label"].numpy())
    labels = np.array(labels)
    of_class = [np.flatnonzero(labels == c) for c in range(len(source.labels))]
    rng = np.random.default_rng(0)
    for start in range(0, options.mosaics, _BATCH):
        number = min(_BATCH, options.mosaics - start)
        class_ids = np.stack(
            [
                rng.choice(len(of_class), TILES**2, replace=False)
                for _ in range(number)
            ]
        )
        mosaics = [
            mosaic([photos[rng.choice(of_class[c])] for c in four])
            for four in class_ids
        ]
        yield np.stack(mosaics), class_ids


def _scores(network, mosaics, class_ids) -> np.ndarray:
    """Share and hit of each mosaic, means over its photos: (batch, 2)."""
    import bagnet_tf
    from bagnet_tf.analysis.grid_pointing import TILES
    from bagnet_tf.evidence import class_centred
    from bagnet_tf.localization import mask_at_centres

    outputs = bagnet_tf.patch_logits_model(network)(mosaics)
    evidence = class_centred(outputs["patch_logits"].numpy())
    geometry = bagnet_tf.geometry_of(network)
    height, width = mosaics.shape[1:3]
    scores = np.zeros((len(mosaics), TILES**2, 2))
    for tile in range(TILES**2):
        row, col = divmod(tile, TILES)
        mask = np.zeros((1, height, width), bool)
        tall, wide = height // TILES, width // TILES
        mask[
            :, row * tall : (row + 1) * tall, col * wide : (col + 1) * wide
        ] = 1
        inside = mask_at_centres(mask, evidence.shape[1:3], geometry)[0]
        for index, class_id in enumerate(class_ids[:, tile]):
            of_class = evidence[index, :, :, class_id]
            positive = np.maximum(of_class, 0)
            total = positive.sum()
            # A map that is nowhere positive points as well as chance does.
            share = positive[inside].sum() / total if total else inside.mean()
            scores[index, tile] = share, inside.flat[of_class.argmax()]
    return scores.mean(axis=1)


def _mean(found, column) -> str:
    """Over mosaics, whose four maps are not independent of each other."""
    values = np.concatenate(found)[:, column]
    error = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
