"""How do published weights get into a model? By name, checked as a whole.

Four layouts of names are known: "official" (the PyTorch code of Brendel &
Bethge, 2019), "pytorchcv" and "tf2cv" (osmr/imgclsmob, PyTorch and TensorFlow
2) and "keras" (this library's own). The values may be anything that NumPy
reads as an array, so that this module needs no PyTorch.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np

from bagnet_tf.architecture import CLASSIFIER_LAYER

# Keras layer name -> stem of the keys in each layout; `{index}` is the block
# counted from 0.
_BLOCK = r"stage(?P<stage>\d+)_block(?P<block>\d+)"
_LAYER_NAMES = (
    # (Keras, official, pytorchcv, tf2cv)
    (
        r"stem_conv1",
        "conv1",
        "features.init_block.conv1",
        "init_block/conv1/conv",
    ),
    (
        r"stem_conv2",
        "conv2",
        "features.init_block.conv2.conv",
        "init_block/conv2/conv/conv",
    ),
    (
        r"stem_bn",
        "bn1",
        "features.init_block.conv2.bn",
        "init_block/conv2/bn",
    ),
    (
        _BLOCK + r"_conv(?P<number>\d)",
        "layer{stage}.{index}.conv{number}",
        "features.stage{stage}.unit{block}.body.conv{number}.conv",
        "stage{stage}/unit{block}/body/conv{number}/conv/conv",
    ),
    (
        _BLOCK + r"_bn(?P<number>\d)",
        "layer{stage}.{index}.bn{number}",
        "features.stage{stage}.unit{block}.body.conv{number}.bn",
        "stage{stage}/unit{block}/body/conv{number}/bn",
    ),
    (
        _BLOCK + r"_shortcut_conv",
        "layer{stage}.{index}.downsample.0",
        "features.stage{stage}.unit{block}.identity_conv.conv",
        "stage{stage}/unit{block}/identity_conv/conv/conv",
    ),
    (
        _BLOCK + r"_shortcut_bn",
        "layer{stage}.{index}.downsample.1",
        "features.stage{stage}.unit{block}.identity_conv.bn",
        "stage{stage}/unit{block}/identity_conv/bn",
    ),
    (CLASSIFIER_LAYER, "fc", "output", "output1"),
)

# Keras layer class -> {attribute: leaf of a PyTorch key}.
_VARIABLES = {
    "Conv2D": {"kernel": "weight"},
    "Dense": {"kernel": "weight", "bias": "bias"},
    "BatchNormalization": {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
}

# Rank -> the axes of a Keras variable in the order of a PyTorch checkpoint:
# convolution (out, in, rows, cols), linear (out, in), vector.
_PYTORCH_AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the weights of a file are named and laid out.

    Attributes:
        column: Which of the names of `_LAYER_NAMES` are used, as they are in
            column 0.
        separator: Stands between the stem of a key and its leaf.
        pytorch: Whether leaves and axes are PyTorch's instead of Keras's.
    """

    column: int
    separator: str
    pytorch: bool

    @property
    def classifier(self) -> str:
        """Stem of the classifier's keys."""
        return _LAYER_NAMES[-1][self.column]

    def stem(self, layer_name: str) -> str | None:
        """Begins the keys of a layer's weights; `None` for no BagNet's."""
        for pattern, *stems in _LAYER_NAMES:
            match = re.fullmatch(pattern, layer_name)
            if match:
                numbers = match.groupdict()
                index = int(numbers.get("block") or 1) - 1
                stem = (layer_name, *stems)[self.column]
                return stem.format(index=index, **numbers)
        return None

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes of a Keras variable in the order of this layout."""
        return _PYTORCH_AXES[rank] if self.pytorch else tuple(range(rank))


LAYOUTS = {
    "keras": Layout(0, "/", pytorch=False),
    "official": Layout(1, ".", pytorch=True),
    "pytorchcv": Layout(2, ".", pytorch=True),
    "tf2cv": Layout(3, "/", pytorch=False),
}

_WRAPPER_PREFIX = "module."  # torch.nn.DataParallel puts it before every key.
_IGNORED_LEAF = "num_batches_tracked"
_MOST_NAMED = 3


def load_official_state_dict(
    model: keras.Model, state_dict: Mapping[str, np.ndarray]
) -> None:
    """Loads the state dict of a published checkpoint into a BagNet.

    Either all weights of the model are replaced or, on an error, none. For a
    model without its top the checkpoint's classifier is ignored.

    Args:
        model: A BagNet of this library, of the checkpoint's architecture,
            width and number of classes.
        state_dict: Arrays by name, in the layout "official"
            (`layer1.0.bn1.running_mean`) or "pytorchcv"
            (`features.stage1.unit1.body.conv1.bn.running_mean`); a prefix
            `module.` before all names is accepted.

    Raises:
        ValueError: If `model` is not a BagNet, or entries are missing, of no
            use to the model, or of another shape.

    Example:
        >>> checkpoint = torch.load("bagnet32.pth.tar", map_location="cpu")
        >>> arrays = {name: t.numpy() for name, t in checkpoint.items()}
        >>> model = bagnet_tf.BagNet33()
        >>> load_official_state_dict(model, arrays)
    """
    entries, layout = of_state_dict(state_dict)
    problems = differences(model, entries, layout)
    if problems:
        raise ValueError(
            "state_dict must hold exactly the weights of the model, "
            f"{model.name!r}. Received: state_dict with entries {problems}"
        )
    assign(model, entries, layout)


def of_state_dict(
    state_dict: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], Layout]:
    """Returns the weights in a PyTorch state dict and their layout.

    Args:
        state_dict: Arrays by name, in one of the two PyTorch layouts.

    Returns:
        The arrays that a model has a use for, by name, and the layout.
    """
    wrapped = all(key.startswith(_WRAPPER_PREFIX) for key in state_dict)
    start = len(_WRAPPER_PREFIX) if wrapped else 0
    entries = {
        key[start:]: np.asarray(value)
        for key, value in state_dict.items()
        if key.rpartition(".")[2] != _IGNORED_LEAF
    }
    pytorchcv = any(key.startswith("features.") for key in entries)
    return entries, LAYOUTS["pytorchcv" if pytorchcv else "official"]


def differences(
    model: keras.Model, entries: Mapping[str, np.ndarray], layout: Layout
) -> str:
    """Says all that keeps the entries from being the weights of the model.

    Args:
        model: A BagNet of this library.
        entries: Arrays by name. The classifier's are ignored if the model has
            none.
        layout: Of the entries.

    Returns:
        For example `1 missing (fc.bias); 1 unexpected (x)`; empty if they
        fit.

    Raises:
        ValueError: If `model` is not a BagNet.
    """
    expected = {
        key: tuple(variable.shape[axis] for axis in axes)
        for key, variable, axes in _variables(model, layout)
    }
    has_top = any(layer.name == CLASSIFIER_LAYER for layer in model.layers)
    missing = [key for key in expected if key not in entries]
    unexpected = [
        key
        for key in entries.keys() - expected.keys()
        if has_top or key.rpartition(layout.separator)[0] != layout.classifier
    ]
    misshaped = [
        f"{key} {entries[key].shape} instead of {shape}"
        for key, shape in expected.items()
        if key in entries and entries[key].shape != shape
    ]
    problems = (
        _named("missing", missing),
        _named("unexpected", sorted(unexpected)),
        _named("of another shape", misshaped),
    )
    return "; ".join(filter(None, problems))


def assign(
    model: keras.Model, entries: Mapping[str, np.ndarray], layout: Layout
) -> None:
    """Replaces all weights of a model by entries without `differences`."""
    for key, variable, axes in _variables(model, layout):
        variable.assign(entries[key].transpose(np.argsort(axes)))


def _variables(
    model: keras.Model, layout: Layout
) -> Iterator[tuple[str, keras.Variable, tuple[int, ...]]]:
    """Yields (key, variable, axes) for every weight of the model."""
    for layer in model.layers:
        if not layer.weights:
            continue
        stem = layout.stem(layer.name)
        leaves = _VARIABLES.get(type(layer).__name__)
        if stem is None or leaves is None:
            raise ValueError(
                "model must be a BagNet of this library. Received: "
                f"model={model.name!r} with a layer {layer.name!r}"
            )
        for attribute, leaf in leaves.items():
            variable = getattr(layer, attribute)
            leaf = leaf if layout.pytorch else attribute
            key = f"{stem}{layout.separator}{leaf}"
            yield key, variable, layout.axes(len(variable.shape))


def _named(problem: str, entries: Sequence[str]) -> str:
    """For example `2 missing (fc.weight, fc.bias)`; empty if there are none."""
    if not entries:
        return ""
    shown = ", ".join(entries[:_MOST_NAMED])
    more = ", ..." if len(entries) > _MOST_NAMED else ""
    return f"{len(entries)} {problem} ({shown}{more})"
