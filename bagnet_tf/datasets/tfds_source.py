"""Which images has a dataset of TensorFlow Datasets (TFDS)?"""

import difflib
import os
import pathlib
import re
import tempfile
import textwrap

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from bagnet_tf.datasets import base, labels
from bagnet_tf.tensorflow_files import damaged

_OTHER_SOURCES = ("glyphs", "folder:PATH")
# Features of ImageNet, labelled again, that hold the acceptable classes of an
# image: imagenet2012_real and imagenet2012_multilabel. In other datasets a
# sequence of labels means other things.
_ANY_OF_FEATURES = ("real_label", "correct_multi_labels")


class TfdsSource(base.ImageSource):
    """A TFDS dataset with a feature for images and one for class labels.

    Images stay encoded, unless they shall be grey. The features used are
    those called `image` and `label`, else those that TFDS names as supervised
    keys, else the only ones of their type. The labels of `imagenet2012_real`
    and `imagenet2012_multilabel` are sets of acceptable classes (`any_of`).
    """

    def __init__(
        self, name: str, data_dir: str | None = None, channels: int = 3
    ):
        """Opens the dataset; downloads and prepares it if it is not on disk.

        Args:
            name: A TFDS name, `dataset[/config][:version]`.
            data_dir: The folder of TFDS datasets; by default that of TFDS.
            channels: 3 for RGB, 1 for grey.

        Raises:
            ValueError: If the name is unknown, the dataset has no feature
                for images or none for class labels, `data_dir` is no folder,
                or `channels` is another number.
            FileNotFoundError: If it is neither on disk nor to be had.
        """
        base.check_colours(channels, name)
        # A slip would make a folder, and download what is there already.
        if data_dir is not None:
            data_dir = os.path.expanduser(data_dir)  # Of `--data_dir=~/...`.
        if data_dir is not None and not tf.io.gfile.isdir(data_dir):
            raise ValueError(
                "data_dir must be an existing folder: that of the TFDS "
                "datasets, or an empty one to download to. "
                f"Received: data_dir={data_dir!r}"
            )
        self.name = name
        self.channels = channels
        self._builder = _builder(name, data_dir)
        # Checked before the download, which may be large.
        self._image = _feature_name(self._builder.info, name, "image")
        self._label = _feature_name(self._builder.info, name, "label")
        _prepare(self._builder, name)
        feature = self._builder.info.features[self._label]
        if isinstance(feature, tfds.features.Sequence):
            self.any_of = True
            feature = feature.feature
        self.labels = labels.in_words(
            feature.int2str(index) for index in range(feature.num_classes)
        )

    def split_sizes(self) -> dict[str, int]:
        """Returns the number of examples of each split, by split name."""
        splits = self._builder.info.splits
        return {name: info.num_examples for name, info in splits.items()}

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`; see `ImageSource.dataset`."""
        return self.decoded(self.undecoded(split))

    def undecoded(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`, their images encoded."""
        return self._examples(split, {"image": self._image})

    def label_dataset(self, split: str) -> tf.data.Dataset:
        """Returns labels and ids of the examples of `split`.

        The files are read, as TFDS keeps labels and images together; no image
        is decoded.
        """
        return self._examples(split, {})

    def _examples(self, split, image):
        """Reads label, id and, if named, the encoded image of examples."""
        self.ranges(split)  # Refuses a wrong split in our words.
        features = {"label": self._label} | image
        try:
            examples = self._builder.as_dataset(
                split=split,
                shuffle_files=False,
                decoders=tfds.decode.PartialDecoding(
                    dict.fromkeys(features.values(), True),
                    decoders=dict.fromkeys(
                        image.values(), tfds.decode.SkipDecoding()
                    ),
                ),
                read_config=tfds.ReadConfig(
                    add_tfds_id=True,
                    try_autocache=False,
                    # One file after the other: the order does not depend on
                    # how the dataset is cut into files.
                    interleave_cycle_length=1,
                ),
            )
        except Exception as error:  # Of a dataset_info.json of no sense.
            raise damaged(self.name, error) from error

        def renamed(example):
            read = {role: example[key] for role, key in features.items()}
            tf.debugging.Assert(
                tf.reduce_all(
                    (0 <= read["label"]) & (read["label"] < len(self.labels))
                ),
                ["a label is of no class:", read["label"]],
            )
            if self.any_of:
                one_hot = tf.one_hot(read["label"], len(self.labels))
                # The sum of none is 0; a class may be there twice.
                read["label"] = tf.minimum(tf.reduce_sum(one_hot, axis=0), 1)
            return read | {"id": example["tfds_id"]}

        return examples.map(renamed, num_parallel_calls=tf.data.AUTOTUNE)


def _builder(name, data_dir):
    """Returns the TFDS builder of a name; it need not be on disk yet."""
    try:
        return tfds.builder(name, data_dir=data_dir)
    # TFDS raises ValueError, AssertionError and others for a wrong name.
    except Exception as error:
        raise _mistake(name, data_dir, error) from error


def _mistake(name, data_dir, error) -> ValueError:
    """What to say of a dataset that TFDS cannot open."""
    known = tfds.list_builders(with_community_datasets=False)
    dataset = re.split("[/:]", name)[0]
    folder = pathlib.Path(data_dir or tfds.core.constants.DATA_DIR, dataset)
    if dataset in known:
        has_damage = _is_right(name)
    else:  # TFDS has no builder of those that others wrote.
        has_damage = dataset.isidentifier() and os.path.isdir(folder)
    if has_damage:
        return ValueError(
            f"dataset {name!r} must be whole in {str(folder)!r}, with "
            "dataset_info.json and features.json as TFDS has written them. "
            f"Received: {type(error).__name__}: "
            + _one_line(str(error).strip().partition("\n")[0])
        )
    if dataset in known:
        builder_class = tfds.builder_cls(dataset)
        configs = ", ".join(builder_class.builder_configs) or "none"
        return ValueError(
            "dataset must have a configuration and version that TFDS knows "
            f"(configurations: {configs}; version: {builder_class.VERSION}). "
            f"Received: dataset={name!r}"
        )
    close = difflib.get_close_matches(dataset, [*known, "glyphs"], n=5)
    hint = f" Close names: {', '.join(close)}." if close else ""
    return ValueError(
        "dataset must be a TFDS dataset (tensorflow.org/datasets/catalog), "
        f"{' or '.join(_OTHER_SOURCES)}.{hint} Received: dataset={name!r}"
    )


def _is_right(name) -> bool:
    """Whether TFDS knows the name, so that only files can be wrong."""
    with tempfile.TemporaryDirectory() as empty:
        try:
            tfds.builder(name, data_dir=empty)
        except Exception:
            return False
    return True


def _prepare(builder, name):
    """Downloads and prepares a dataset that is not on disk."""
    if builder.is_prepared():
        return
    folder = builder.data_path
    logging.warning("Downloading and preparing %s in %s.", name, folder)
    try:
        builder.download_and_prepare()
    # Whatever goes wrong: network, disk, manual download, missing package.
    except Exception as error:
        raise FileNotFoundError(
            f"Dataset {name!r} is not in {str(folder)!r} and cannot be "
            f"prepared there ({_one_line(error)}). Give the data_dir that has "
            "it, or see tensorflow.org/datasets/catalog/"
            f"{builder.name} for what to download."
        ) from error


def _feature_name(info, name, role):
    """Returns the name of the feature in the role `"image"` or `"label"`."""
    found = [
        key
        for key, feature in dict(info.features or {}).items()
        if (
            _is_image(feature)
            if role == "image"
            else _is_label(feature) or key in _ANY_OF_FEATURES
        )
    ]
    for key in (role, *(info.supervised_keys or ())):
        if key in found:
            return key
    if len(found) == 1:
        return found[0]
    kind = "uint8 image" if role == "image" else "class label"
    features = ", ".join(
        f"{key} ({type(feature).__name__})"
        for key, feature in dict(info.features or {}).items()
    )
    raise ValueError(
        f"dataset must be a dataset with one {kind} feature; this one has "
        f"{features or 'no features'}. Received: dataset={name!r}"
    )


def _is_image(feature):
    return (
        isinstance(feature, tfds.features.Image)
        and feature.np_dtype == np.uint8
    )


def _is_label(feature):
    return isinstance(feature, tfds.features.ClassLabel)


def _one_line(error):
    return textwrap.shorten(str(error), 240, placeholder=" ...")
