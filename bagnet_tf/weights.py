"""How do published weights get into a model? By name, checked as a whole.

A published checkpoint is a PyTorch state dict. Two layouts of names are
known: "official" (the reference code of Brendel & Bethge, 2019) and
"pytorchcv" (osmr/imgclsmob). The values may be anything that NumPy reads as
an array, so that this module needs no PyTorch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np

from bagnet_tf.models import CLASSIFIER_LAYER

# Keras layer name -> stem of the checkpoint's keys in each layout; `{index}`
# is the block counted from 0.
_BLOCK = r"stage(?P<stage>\d+)_block(?P<block>\d+)"
_LAYER_NAMES = (
    # (Keras, official, pytorchcv)
    (r"stem_conv1", "conv1", "features.init_block.conv1"),
    (r"stem_conv2", "conv2", "features.init_block.conv2.conv"),
    (r"stem_bn", "bn1", "features.init_block.conv2.bn"),
    (
        _BLOCK + r"_conv(?P<number>\d)",
        "layer{stage}.{index}.conv{number}",
        "features.stage{stage}.unit{block}.body.conv{number}.conv",
    ),
    (
        _BLOCK + r"_bn(?P<number>\d)",
        "layer{stage}.{index}.bn{number}",
        "features.stage{stage}.unit{block}.body.conv{number}.bn",
    ),
    (
        _BLOCK + r"_shortcut_conv",
        "layer{stage}.{index}.downsample.0",
        "features.stage{stage}.unit{block}.identity_conv.conv",
    ),
    (
        _BLOCK + r"_shortcut_bn",
        "layer{stage}.{index}.downsample.1",
        "features.stage{stage}.unit{block}.identity_conv.bn",
    ),
    (CLASSIFIER_LAYER, "fc", "output"),
)
_CLASSIFIERS = _LAYER_NAMES[-1][1:]

# Keras layer class -> {leaf of the checkpoint's key: attribute}.
_VARIABLES = {
    "Conv2D": {"weight": "kernel"},
    "Dense": {"weight": "kernel", "bias": "bias"},
    "BatchNormalization": {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
}

# Rank -> the axes of a Keras variable in the order of the checkpoint:
# convolution (out, in, rows, cols), linear (out, in), vector.
_CHECKPOINT_AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}

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
    entries = {
        key: np.asarray(value)
        for key, value in _unwrapped(state_dict).items()
        if key.rpartition(".")[2] != _IGNORED_LEAF
    }
    pytorchcv = any(key.startswith("features.") for key in entries)
    variables = dict(_variables(model, pytorchcv))
    expected = {key: _checkpoint_shape(v) for key, v in variables.items()}
    _check(model, entries, expected)
    for key, variable in variables.items():
        axes = np.argsort(_CHECKPOINT_AXES[len(variable.shape)])
        variable.assign(entries[key].transpose(axes))


def _unwrapped(state_dict: Mapping[str, np.ndarray]) -> dict:
    wrapped = all(key.startswith(_WRAPPER_PREFIX) for key in state_dict)
    start = len(_WRAPPER_PREFIX) if wrapped else 0
    return {key[start:]: value for key, value in state_dict.items()}


def _variables(
    model: keras.Model, pytorchcv: bool
) -> Iterator[tuple[str, keras.Variable]]:
    """Yields (checkpoint key, variable) for every weight of the model."""
    for layer in model.layers:
        if not layer.weights:
            continue
        stem = _checkpoint_stem(layer.name, pytorchcv)
        leaves = _VARIABLES.get(type(layer).__name__)
        if stem is None or leaves is None:
            raise ValueError(
                "model must be a BagNet of this library. Received: "
                f"model={model.name!r} with a layer {layer.name!r}"
            )
        for leaf, attribute in leaves.items():
            yield f"{stem}.{leaf}", getattr(layer, attribute)


def _checkpoint_stem(layer_name: str, pytorchcv: bool) -> str | None:
    for pattern, *stems in _LAYER_NAMES:
        match = re.fullmatch(pattern, layer_name)
        if match:
            numbers = match.groupdict()
            index = int(numbers.get("block") or 1) - 1
            return stems[pytorchcv].format(index=index, **numbers)
    return None


def _checkpoint_shape(variable: keras.Variable) -> tuple[int, ...]:
    axes = _CHECKPOINT_AXES[len(variable.shape)]
    return tuple(variable.shape[axis] for axis in axes)


def _check(
    model: keras.Model,
    entries: Mapping[str, np.ndarray],
    expected: Mapping[str, tuple[int, ...]],
) -> None:
    """Raises one error that says all that is wrong with the entries."""
    has_top = any(layer.name == CLASSIFIER_LAYER for layer in model.layers)
    missing = [key for key in expected if key not in entries]
    unexpected = [
        key
        for key in entries.keys() - expected.keys()
        if has_top or key.rpartition(".")[0] not in _CLASSIFIERS
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
    if any(problems):
        raise ValueError(
            "state_dict must hold exactly the weights of the model, "
            f"{model.name!r}. Received: state_dict with entries "
            + "; ".join(filter(None, problems))
        )


def _named(problem: str, entries: Sequence[str]) -> str:
    """For example `2 missing (fc.weight, fc.bias)`; empty if there are none."""
    if not entries:
        return ""
    shown = ", ".join(entries[:_MOST_NAMED])
    more = ", ..." if len(entries) > _MOST_NAMED else ""
    return f"{len(entries)} {problem} ({shown}{more})"
