"""How is an image evaluated that does not fit into memory? Tile by tile.

A patch sees a bounded part of the image, so tiles that overlap by (receptive
field - stride) pixels give exactly what the whole image would: there is
nothing to blend, and no seam. No network with global context can do this.
"""

import json
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import tqdm

from bagnet_tf.evidence import check_class_ids
from bagnet_tf.files import write_json
from bagnet_tf.geometry import Box
from bagnet_tf.heatmap import HeatmapNetwork
from bagnet_tf.readers import RegionReader


def tiled_heatmap(
    network: HeatmapNetwork,
    image: RegionReader,
    output: str | os.PathLike[str],
    class_ids: Sequence[int] | np.ndarray,
    padding: str = "valid",
    centred: bool = False,
    tile_size: int = 768,
    overwrite: bool = False,
) -> np.memmap:
    """Writes the map of an image of any size to a `.npy` file.

    Memory stays flat: that of one tile, and of the rows that the reader
    holds. While it is written, the file is called `OUTPUT.partial`, and
    `OUTPUT.partial.json` says how far it is; a call with the same arguments
    goes on there.

    With a network of the model's own stride, `"valid"` padding and all
    classes, the map is the patch logits, and its mean the logits of the whole
    image.

    Args:
        network: A model made ready for the stride that is wanted.
        image: From which parts are read: `ArrayReader`, `CallbackReader`,
            `FileReader` or your own. Values in the model's input range.
        output: The file to write, ending in `.npy`.
        class_ids: The classes wanted.
        padding: `"valid"` or `"same"` (see `dense_heatmap`).
        centred: Whether to subtract the mean over all classes.
        tile_size: Side of a tile without its halo, pixels. Larger ones read
            fewer pixels twice and need more memory.
        overwrite: Whether to replace an existing output.

    Returns:
        The file, mapped into memory, read-only: float32, logits,
        (rows, cols, len(class_ids)).

    Raises:
        ValueError: If an argument is not as above, the output exists, or what
            was begun there is of other arguments.

    Example:
        >>> network = HeatmapNetwork(model, stride=8)
        >>> slide = FileReader("slide.tif")
        >>> maps = tiled_heatmap(network, slide, "slide.npy", range(10))
        >>> logits = maps.mean(axis=(0, 1))
    """
    output = pathlib.Path(output)
    _check_output(output, overwrite)
    _check_tile_size(tile_size, network.stride)
    check_class_ids(class_ids, network.classes)
    rows, cols = network.map_shape(*image.shape[:2], padding)
    parts = list(_parts(rows, cols, tile_size // network.stride))
    record = {
        "image": image.name,
        "image_shape": [int(side) for side in image.shape],
        "network": network.digest,
        "class_ids": [int(class_id) for class_id in class_ids],
        "padding": padding,
        "centred": centred,
        "tile_size": tile_size,
    }
    partial = _PartialMap(output, (rows, cols, len(class_ids)), record)
    for part in tqdm.tqdm(
        parts[partial.num_parts :],
        initial=partial.num_parts,
        total=len(parts),
        unit="tile",
        disable=None,  # Shown where stderr is a terminal.
    ):
        seen = _within(network.pixels_of(part, padding), image.shape)
        maps = network.evaluate_part(
            image.read(seen)[np.newaxis],
            (seen.top, seen.left),
            part,
            class_ids,
            padding,
            centred,
        )
        partial.write(part, maps[0])
    partial.finish()
    return np.load(output, mmap_mode="r")


class _PartialMap:
    """A `.npy` file that is being written, and how far it is.

    Attributes:
        num_parts: Number of parts written, also by an earlier call.
    """

    def __init__(self, output, shape, record):
        self._output = output
        self._data = output.with_name(output.name + ".partial")
        self._progress = output.with_name(output.name + ".partial.json")
        self._record = record
        self.num_parts = 0
        if self._data.exists() and self._progress.exists():
            self._resume()
        else:
            self._map(mode="w+", dtype=np.float32, shape=shape)
            self._save_progress()

    def write(self, part: Box, values: np.ndarray) -> None:
        """Writes the next part."""
        # Mapped anew each time, so that written pages leave memory.
        data = self._map(mode="r+")
        data[part.top : part.bottom, part.left : part.right] = values
        data.flush()
        self.num_parts += 1
        self._save_progress()

    def finish(self) -> None:
        """Gives the whole file its name."""
        self._data.replace(self._output)
        self._progress.unlink()

    def _map(self, **arguments) -> np.memmap:
        return np.lib.format.open_memmap(self._data, **arguments)

    def _resume(self):
        stored = self._stored()
        self.num_parts = stored["num_parts"]
        different = [
            k for k in self._record if stored.get(k) != self._record[k]
        ]
        if different:
            raise ValueError(
                "output was begun with another "
                f"{', '.join(different)}; remove {self._data} and "
                f"{self._progress} to begin anew. "
                f"Received: output={str(self._output)!r}"
            )

    def _stored(self) -> dict:
        """What an earlier call has written of its progress."""
        try:
            stored = json.loads(self._progress.read_text(encoding="utf-8"))
            if type(stored["num_parts"]) is not int or stored["num_parts"] < 0:
                raise ValueError(f"num_parts is {stored['num_parts']!r}")
            self._map(mode="r")
            return stored
        # json and NumPy raise many kinds for damaged files.
        except Exception as error:
            raise ValueError(
                "what was begun at output must be whole "
                f"({type(error).__name__}: {error}); remove {self._data} and "
                f"{self._progress} to begin anew. "
                f"Received: output={str(self._output)!r}"
            ) from error

    def _save_progress(self):
        write_json(
            self._progress, {**self._record, "num_parts": self.num_parts}
        )


def _parts(rows: int, cols: int, step: int) -> Iterator[Box]:
    """The map in tiles of at most `step` elements a side, from the top."""
    for top in range(0, rows, step):
        for left in range(0, cols, step):
            yield Box(top, left, min(top + step, rows), min(left + step, cols))


def _within(box: Box, shape: Sequence[int]) -> Box:
    """The part of a box that lies in an image."""
    return Box(
        max(box.top, 0),
        max(box.left, 0),
        min(box.bottom, shape[0]),
        min(box.right, shape[1]),
    )


def _check_output(output, overwrite):
    if output.suffix != ".npy" or output.is_dir() or not output.parent.is_dir():
        raise ValueError(
            "output must be a .npy file in an existing folder. "
            f"Received: output={str(output)!r}"
        )
    if output.exists() and not overwrite:
        raise ValueError(
            "output exists; overwrite=True replaces it. "
            f"Received: output={str(output)!r}"
        )


def _check_tile_size(tile_size, stride):
    if tile_size < stride or tile_size % stride:
        raise ValueError(
            f"tile_size must be a multiple of the stride, {stride} pixels. "
            f"Received: tile_size={tile_size}"
        )
