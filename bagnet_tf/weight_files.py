"""Which weights are in a file? Told by its content, whatever it is called."""

import importlib.util
import io
import os
import pathlib
import re
import zipfile

import h5py
import numpy as np

from bagnet_tf.weights import LAYOUTS, Layout, of_state_dict

KINDS = (
    ".weights.h5 or .keras of this library, .h5 or .h5.zip of tf2cv, "
    ".pth or .pth.tar of PyTorch"
)

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"  # torch.save wrote these before version 1.6.

_KERAS_MEMBER = "model.weights.h5"
_TORCH_MEMBER = "data.pkl"
# A file may claim any size; the largest BagNet has 75 MB.
_MOST_BYTES = 1 << 30

# Keras writes no names of variables. It writes them in this order, by number:
_KERAS_VARIABLES = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}
# What precedes these names in a file of tf2cv depends on the version of Keras
# and on how many models its author had made before.
_TF2CV_NAME = re.compile(
    r"(?:.*/)?((?:init_block|stage\d+/unit\d+)/.+?|output1/[^/]+?)(?::0)?"
)


def read_weights(
    path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], Layout]:
    """Reads a file of weights.

    Args:
        path: A `.weights.h5` or `.keras` file of this library, an `.h5` file
            of tf2cv or the zip archive of one, or a PyTorch state dict. For
            the last torch must be installed; nothing but arrays is unpickled.

    Returns:
        Arrays by name, and how they are named and laid out.

    Raises:
        ValueError: If the file is of no such kind or damaged, or if torch is
            missing.

    Example:
        >>> entries, layout = read_weights("bagnet33.pth.tar")
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(_HDF5))
        if start == _HDF5:
            return _read_hdf5(path)
        if start.startswith(_ZIP):
            return _read_zip(path)
        if start.startswith(_PICKLE):
            return _read_torch(path)
        raise ValueError("it is none of these")
    except ModuleNotFoundError as error:
        raise ValueError(_missing_torch(str(path))) from error
    # h5py, zipfile and torch raise many kinds for damaged files, and for files
    # that hold other things than they should.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"weights must be in a whole file, {KINDS} ({reason[0]}). "
            f"Received: weights={str(path)!r}"
        ) from error


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Reads the one member of exactly this name.

    Raises:
        ValueError: If it claims more bytes than a file of weights can have.
        KeyError: If there is none.
    """
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"{name} has over {_MOST_BYTES} bytes")
    return archive.read(name)


def check_torch(weights: str) -> None:
    """Raises unless torch is installed.

    Args:
        weights: What cannot be read without it.

    Raises:
        ValueError: If it is missing; says what to install.
    """
    if importlib.util.find_spec("torch") is None:
        raise ValueError(_missing_torch(weights))


def _missing_torch(weights) -> str:
    return (
        "weights of PyTorch need torch to be read: pip install torch. Weights "
        f"of another kind need nothing more. Received: weights={weights!r}"
    )


def _read_hdf5(file) -> tuple[dict[str, np.ndarray], Layout]:
    """Reads HDF5, from a path or a file in memory."""
    with h5py.File(file) as opened:
        if isinstance(opened.get("layers", getlink=True), h5py.ExternalLink):
            raise ValueError("its layers are in another file")
        if "layers" in opened:
            return _of_keras(opened["layers"]), LAYOUTS["keras"]
        return _of_tf2cv(opened), LAYOUTS["tf2cv"]


def _of_keras(layers) -> dict[str, np.ndarray]:
    """Weights by `LAYER/VARIABLE`, of layers as Keras 3 numbers them."""
    entries = {}
    for group in layers.values():
        variables = group.get("vars", {})
        if not len(variables):
            continue
        layer_name = variables.attrs["name"]
        numbers = tuple(map(str, range(len(variables))))
        for number, leaf in zip(
            numbers, _KERAS_VARIABLES.get(len(numbers), numbers), strict=True
        ):
            link = variables.get(number, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise ValueError(f"{layer_name} names another file")
            entries[f"{layer_name}/{leaf}"] = _array(variables[number])
    return entries


def _of_tf2cv(opened) -> dict[str, np.ndarray]:
    """Weights by what is the same in all files of tf2cv."""
    entries = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            match = _TF2CV_NAME.fullmatch(name)
            key = match[1] if match else name
            if key in entries:
                raise ValueError(f"{key} is in it twice")
            entries[key] = _array(item)

    opened.visititems(add)
    return entries


def _array(dataset) -> np.ndarray:
    # Values that lie elsewhere on this disk are none of this file's.
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} names other files")
    if dataset.nbytes > _MOST_BYTES:
        raise ValueError(f"{dataset.name} has over {_MOST_BYTES} bytes")
    return dataset[()]


def _read_zip(path) -> tuple[dict[str, np.ndarray], Layout]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(pathlib.PurePosixPath(n).name == _TORCH_MEMBER for n in names):
            return _read_torch(path)
        if _KERAS_MEMBER not in names:
            names = [name for name in names if name.endswith(".h5")]
            if len(names) != 1:
                raise ValueError(f"the archive has {len(names)} .h5 files")
        member = _KERAS_MEMBER if _KERAS_MEMBER in names else names[0]
        # Read in memory: nothing is unpacked to a path that a file names.
        return _read_hdf5(io.BytesIO(read_member(archive, member)))


def _read_torch(path) -> tuple[dict[str, np.ndarray], Layout]:
    import torch

    state_dict = torch.load(path, map_location="cpu", weights_only=True)
    # Training scripts keep it among other things.
    state_dict = state_dict.get("state_dict", state_dict)
    return of_state_dict(
        {name: value.detach().numpy() for name, value in state_dict.items()}
    )
