"""What tests of TFDS's own files share: a small dataset that it has written."""

import contextlib
import pathlib

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

DATASET = "bolts"
RECORDS = f"{DATASET}-validation.tfrecord-00000-of-00001"
LABELS = ("bolt", "nut")
NUM_PHOTOS = 3  # Of each split.


def write_tfds(data_dir: pathlib.Path) -> pathlib.Path:
    """Writes a dataset that TFDS does not know; returns the folder of it."""
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=LABELS),
        }
    )
    photos = np.random.default_rng(0).integers(
        0, 256, (NUM_PHOTOS, 21, 30, 3), np.uint8
    )
    examples = {"image": photos, "label": np.arange(NUM_PHOTOS) % 2}
    with contextlib.redirect_stdout(None):
        tfds.dataset_builders.store_as_tfds_dataset(
            name=DATASET,
            version="1.0.0",
            features=features,
            split_datasets={
                split: tf.data.Dataset.from_tensor_slices(examples)
                for split in ("train", "validation")
            },
            data_dir=data_dir,
            disable_shuffling=True,
        )
    return data_dir / DATASET / "1.0.0"


def read_records(folder: pathlib.Path) -> list[bytes]:
    """The examples of its validation split, serialized."""
    records = tf.data.TFRecordDataset(str(folder / RECORDS))
    return list(records.as_numpy_iterator())


def write_records(folder: pathlib.Path, examples: list[bytes]) -> None:
    """Replaces them, with the checksums that they should have."""
    with tf.io.TFRecordWriter(str(folder / RECORDS)) as writer:
        for example in examples:
            writer.write(example)


def with_label(example: bytes, label: int) -> bytes:
    """The same example of another class."""
    parsed = tf.train.Example.FromString(example)
    parsed.features.feature["label"].int64_list.value[:] = [label]
    return parsed.SerializeToString()
