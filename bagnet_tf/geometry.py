"""Which pixels does a grid cell see? Grid cell <-> pixel box, in integers.

No convolution of a BagNet is padded, so cell (i, j) of the last feature map
sees exactly the pixels of rows `stride * i` to `stride * i + receptive_field`
(exclusive), and the same for columns.
"""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # Clients of exported models have no Keras.
    import keras


class Box(NamedTuple):
    """A half-open rectangle: rows top..bottom-1, columns left..right-1."""

    top: int
    left: int
    bottom: int
    right: int


@dataclasses.dataclass(frozen=True)
class PatchGeometry:
    """Where the patches of a network lie in its input.

    Attributes:
        receptive_field: Side of a patch, pixels.
        stride: Distance between neighbouring patches, pixels.

    Example:
        >>> geometry = PatchGeometry(receptive_field=33, stride=8)
        >>> geometry.grid_shape(224, 224)
        (24, 24)
        >>> geometry.box(1, 0)
        Box(top=8, left=0, bottom=41, right=33)
    """

    receptive_field: int
    stride: int

    @classmethod
    def of_convolutions(
        cls, kernels_and_strides: Iterable[tuple[int, int]]
    ) -> "PatchGeometry":
        """The geometry of a chain of unpadded convolutions.

        Args:
            kernels_and_strides: (kernel size, stride) of each convolution,
                from the input to the last feature map.
        """
        receptive_field, stride = 1, 1
        for kernel_size, step in kernels_and_strides:
            receptive_field += (kernel_size - 1) * stride
            stride *= step
        return cls(receptive_field, stride)

    def grid_shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches in an image of this size (pixels).

        Raises:
            ValueError: If the image is smaller than one patch.
        """
        if min(height, width) < self.receptive_field:
            raise ValueError(
                "The image must be at least as large as the receptive field, "
                f"{self.receptive_field}x{self.receptive_field} pixels. "
                f"Received: height={height}, width={width}"
            )
        return (
            (height - self.receptive_field) // self.stride + 1,
            (width - self.receptive_field) // self.stride + 1,
        )

    def box(self, row: int, col: int) -> Box:
        """The pixels that grid cell (row, col) sees."""
        top, left = row * self.stride, col * self.stride
        return Box(
            top, left, top + self.receptive_field, left + self.receptive_field
        )

    def centre(self, row: int, col: int) -> tuple[int, int]:
        """The pixel (y, x) in the middle of the patch of a grid cell."""
        half = (self.receptive_field - 1) // 2
        return row * self.stride + half, col * self.stride + half

    def cells_touching(
        self,
        top: int,
        left: int,
        height: int,
        width: int,
        grid_shape: tuple[int, int],
    ) -> Box:
        """The grid cells that see any pixel of a rectangle.

        Args:
            top: First row of the rectangle, pixels.
            left: First column of the rectangle, pixels.
            height: Rows of the rectangle, pixels.
            width: Columns of the rectangle, pixels.
            grid_shape: (rows, cols) of the grid.

        Returns:
            A half-open `Box` in grid cells; empty (top == bottom or
            left == right) where the rectangle lies in the unseen rim.
        """
        rows, cols = grid_shape
        first_row, last_row = self._touching(top, height, rows)
        first_col, last_col = self._touching(left, width, cols)
        return Box(first_row, first_col, last_row, last_col)

    def _touching(self, start: int, length: int, cells: int) -> tuple[int, int]:
        """Half-open range of cells along one axis that see a pixel range."""
        if length < 1:
            return 0, 0
        first = -((self.receptive_field - 1 - start) // self.stride)
        last = (start + length - 1) // self.stride
        first, stop = max(first, 0), min(last + 1, cells)
        return min(first, cells), max(stop, min(first, cells))

    def unseen_margin(self, height: int, width: int) -> tuple[int, int]:
        """Pixel (rows, columns) at the bottom and right that no cell sees.

        Raises:
            ValueError: If the image is smaller than one patch.
        """
        rows, cols = self.grid_shape(height, width)
        last = self.box(rows - 1, cols - 1)
        return height - last.bottom, width - last.right

    def covering_size(self, size: int) -> int:
        """The smallest side >= size of which every pixel is seen, pixels."""
        beyond = max(size - self.receptive_field, 0)
        return self.receptive_field + -(-beyond // self.stride) * self.stride


# Words in the class names of Keras layers that move pixels or mix positions.
_MIXERS = (
    "Attention",
    "Flatten",
    "Padding",
    "Permute",
    "Pooling",
    "Reshape",
    "Transpose",
    "UpSampling",
)


def geometry_of(model: "keras.Model") -> PatchGeometry:
    """The patch geometry of a built model, read off its convolutions.

    Args:
        model: A `keras.Model` made by this library (also one that came from
            `keras.models.load_model`).

    Raises:
        ValueError: If the model holds layers for which no patch geometry
            exists (padded or dilated convolutions, pooling between
            convolutions, whole models), or no convolution at all.
    """
    chain = []
    for layer in model.layers:
        kind = type(layer).__name__
        mixes = any(word in kind for word in _MIXERS)
        nested = hasattr(layer, "layers")
        if nested or (mixes and not kind.startswith("Global")):
            raise ValueError(_no_geometry(model, layer.name))
        if not kind.endswith("Conv2D") or "_shortcut_" in layer.name:
            continue
        square = len(set(layer.kernel_size)) == len(set(layer.strides)) == 1
        dilated = set(layer.dilation_rate) != {1}
        padded = layer.padding != "valid" and set(layer.kernel_size) != {1}
        if not square or dilated or padded:
            raise ValueError(_no_geometry(model, layer.name))
        chain.append((layer.kernel_size[0], layer.strides[0]))
    if not chain:
        raise ValueError(_no_geometry(model, None))
    return PatchGeometry.of_convolutions(chain)


def has_patches(model: "keras.Model") -> bool:
    """Whether a built model is a BagNet, so that it has a patch geometry."""
    try:
        geometry_of(model)
    except ValueError:
        return False
    return True


def _no_geometry(model, layer_name: str | None) -> str:
    return (
        "model must be a BagNet: square, unpadded convolutions and nothing "
        "else that mixes positions. "
        f"Received: model={model.name!r}, first other layer={layer_name!r}"
    )
