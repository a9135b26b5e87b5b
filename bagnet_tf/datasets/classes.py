"""Which of a model's classes does a dataset ask for?"""

import collections
from collections.abc import Sequence

import tensorflow as tf

from bagnet_tf.datasets.base import ImageSource
from bagnet_tf.heads import check_head
from bagnet_tf.model_info import ModelInfo

_MOST_NAMED = 5


def matching_classes(info: ModelInfo, source: ImageSource) -> tuple[int, ...]:
    """The model's class id of each class of a dataset, by their names.

    A name that several classes have means them in their order.

    Args:
        info: Of the model. If its classes have no names, they are taken to be
            those of the dataset, in the same order.
        source: The dataset.

    Raises:
        ValueError: If the model lacks a class of the dataset, or has more of
            its name; or has no names, and another number of classes.
    """
    if not info.has_names:
        _check_number(source, len(info.labels))
        return tuple(range(len(info.labels)))
    places = collections.defaultdict(collections.deque)
    for class_id, label in enumerate(info.labels):
        places[label].append(class_id)
    wanted = collections.Counter(source.labels)
    for problem, names in (
        ("lacks", [n for n in wanted if len(places[n]) < wanted[n]]),
        ("has several of", [n for n in wanted if len(places[n]) > wanted[n]]),
    ):
        if names:
            more = ", ..." if len(names) > _MOST_NAMED else ""
            raise ValueError(
                "dataset must have classes of the model, by their names; the "
                f"model {problem} {', '.join(names[:_MOST_NAMED])}{more}. "
                f"Received: dataset={source.name!r}"
            )
    return tuple(places[label].popleft() for label in source.labels)


def fitted_of(info: ModelInfo, class_ids: Sequence[int]) -> dict:
    """What was fitted with a model, under the class ids of a dataset.

    Args:
        info: Of the model.
        class_ids: The model's class id of each class of the dataset.

    Returns:
        As `Evaluator` takes it: `temperature`, if known, and
        `operating_points` of the classes that have one. Under a softmax head
        these are of class 1 against class 0, and of nothing else.

    Raises:
        ValueError: If the model's metrics are none.
    """
    places = {class_id: index for index, class_id in enumerate(class_ids)}
    thresholds = info.thresholds
    if info.head == "softmax" and tuple(class_ids) != (0, 1):
        thresholds = {}
    return {
        "temperature": info.temperature,
        "operating_points": [
            {"class_id": places[class_id], "threshold": threshold}
            for class_id, threshold in thresholds.items()
            if class_id in places
        ],
    }


def check_labels(source: ImageSource, head: str, classes: int) -> None:
    """Makes sure that logits can be compared with the labels of a dataset.

    Args:
        source: The dataset.
        head: What the logits mean (see `bagnet_tf.heads`).
        classes: How many there are.

    Raises:
        ValueError: If the dataset has another number of classes, or its labels
            need another head.
    """
    check_head(head)
    _check_number(source, classes)
    if source.multi_label and head != "sigmoid":
        raise ValueError(
            f"dataset {source.name!r} has any number of classes an image, but "
            f"the model chooses one: its head is {head}"
        )
    if source.any_of and head != "softmax":
        raise ValueError(
            f"dataset {source.name!r} has sets of right answers, but the model "
            f"does not choose one: its head is {head}"
        )


class OnlyClasses(ImageSource):
    """A source with some of its classes, which are numbered anew.

    Its photos must show no others; of sets of right answers the others are
    dropped.
    """

    def __init__(self, source: ImageSource, class_ids: Sequence[int]):
        """Wraps a source.

        Args:
            source: The source.
            class_ids: Which of its classes there shall be, in this order.
        """
        self._source = source
        self._class_ids = tuple(class_ids)
        self.name = source.name
        self.labels = tuple(source.labels[i] for i in self._class_ids)
        self.has_masks = source.has_masks
        self.multi_label = source.multi_label
        self.any_of = source.any_of
        self.channels = source.channels

    @property
    def skipped(self) -> dict[str, list[str]]:
        """What was left out so far; see `ImageSource`."""
        return self._source.skipped

    def split_sizes(self) -> dict[str, int]:
        """Returns the number of examples of each split, by split name."""
        return self._source.split_sizes()

    def num_examples(self, split: str) -> int:
        """Returns the number of examples of `split`."""
        return self._source.num_examples(split)

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`; see `ImageSource`."""
        return self._renumbered(self._source.dataset(split))

    def label_dataset(self, split: str) -> tf.data.Dataset:
        """Returns labels and ids of the examples; see `ImageSource`."""
        return self._renumbered(self._source.label_dataset(split))

    def undecoded(self, split: str) -> tf.data.Dataset:
        """Returns the examples, not yet decoded; see `ImageSource`."""
        return self._renumbered(self._source.undecoded(split))

    def decode(self, image: tf.Tensor) -> tf.Tensor:
        """Decodes an image; see `ImageSource`."""
        return self._source.decode(image)

    def _renumbered(self, examples):
        if examples.element_spec["label"].shape.rank:
            ids = tf.constant(self._class_ids)
            return examples.map(
                lambda e: e | {"label": tf.gather(e["label"], ids)}
            )
        new_ids = [-1] * len(self._source.labels)
        for new, old in enumerate(self._class_ids):
            new_ids[old] = new
        table = tf.constant(new_ids, tf.int64)
        return examples.map(lambda e: e | {"label": table[e["label"]]})


def _check_number(source, classes):
    if classes != len(source.labels):
        raise ValueError(
            f"dataset {source.name!r} has {len(source.labels)} classes, but "
            f"the model has {classes}"
        )
