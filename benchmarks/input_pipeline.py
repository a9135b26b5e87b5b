"""Is the input pipeline ever the bottleneck? Photos a second, no network.

    python benchmarks/input_pipeline.py --dataset=imagenette/320px-v2 \
        --data_dir=DIR

Reads the first photos of a training split in turns: decoding whole JPEGs and
nothing else (the limit of any pipeline that decodes them), the batches of
`train.main` (random resized crops that are decoded alone, flips), the same
with CutMix, and the batches of an evaluation. The step of `train.main` itself
is in `benchmarks/training.py`.
"""

import argparse
import functools
import pathlib
from collections.abc import Callable

import measure


def main() -> None:
    """Measures and reports."""
    options = _options()
    readers = _readers(options)
    seconds = {
        name: measure.median(times)
        for name, times in measure.in_turns(readers, options.turns).items()
    }
    limit = seconds["decoding whole JPEGs"]
    rows = [
        {
            "what": name,
            "images/s": options.images / time,
            "of the limit": limit / time,
        }
        for name, time in seconds.items()
    ]
    measure.report(
        f"Input pipeline, {options.dataset}, {options.images} photos, crops "
        f"of {options.image_size} px, median of {options.turns} turns",
        rows,
        f"python benchmarks/input_pipeline.py --dataset={options.dataset} "
        f"--data_dir=DIR --image_size={options.image_size} "
        f"--images={options.images} --turns={options.turns}",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dataset", default="imagenette/320px-v2")
    parser.add_argument("--data_dir", help="folder of TFDS datasets")
    parser.add_argument("--image_size", type=int, default=128, help="pixels")
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


def _readers(options) -> dict[str, Callable[[], None]]:
    """By name, what reads all photos once."""
    import tensorflow as tf
    from bagnet_tf.train.configs import imagenette
    from bagnet_tf.train.pipeline import training_batches

    from bagnet_tf.datasets import image_source
    from bagnet_tf.datasets.batches import evaluation_batches
    from bagnet_tf.preprocessing import decode_image

    source = image_source(options.dataset, options.data_dir)
    split = f"train[:{options.images}]"
    size = options.image_size, options.image_size

    def batches(**changes):
        config = imagenette.get_config()
        config.update(
            dataset=options.dataset,
            train_split=split,
            image_size=options.image_size,
            **changes,
        )
        return training_batches(source, config, epoch=0)

    decoded = source.dataset(split).map(
        lambda example: decode_image(example["image"]),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    datasets = {
        "decoding whole JPEGs": decoded.prefetch(tf.data.AUTOTUNE),
        "training batches": batches(),
        "training batches with CutMix": batches(cutmix=1.0),
        "evaluation batches": evaluation_batches(source, split, size, 64),
    }
    return {
        name: functools.partial(_read, dataset)
        for name, dataset in datasets.items()
    }


def _read(dataset):
    for _ in dataset:
        pass


if __name__ == "__main__":
    main()
