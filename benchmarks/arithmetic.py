"""How many multiply-accumulates does a network need? Counted, not measured."""

from collections.abc import Iterator

from bagnet_tf.architecture import Architecture


def multiply_accumulates(
    architecture: Architecture, height: int, width: int, dense: bool = False
) -> int:
    """Those of all convolutions but the stem's first, which is folded.

    Args:
        architecture: Which network, at full width.
        height: Of the input, padding included, pixels.
        width: The same.
        dense: Whether every position of every layer is computed (stride 1).
    """
    total = 0
    for receptive_field, stride, kernel_size, channels, out in _convolutions(
        architecture
    ):
        step = 1 if dense else stride
        rows, cols = (
            (side - receptive_field) // step + 1 for side in (height, width)
        )
        total += rows * cols * kernel_size**2 * channels * out
    return total


def _convolutions(
    architecture: Architecture,
) -> Iterator[tuple[int, int, int, int, int]]:
    """Yields receptive field, stride (pixels), kernel size, channels, out."""
    channels, receptive_field, stride = architecture.stem_channels, 3, 1
    yield receptive_field, stride, 3, 3, channels
    for stage in architecture.stages:
        middle, out = stage.channels, stage.channels * architecture.expansion
        for index, kernel_size in enumerate(stage.kernel_sizes):
            step = stage.stride if index == 0 else 1
            if step != 1 or channels != out:
                yield receptive_field, stride * step, 1, channels, out
            yield receptive_field, stride, 1, channels, middle
            receptive_field += (kernel_size - 1) * stride
            stride *= step
            yield receptive_field, stride, kernel_size, middle, middle
            yield receptive_field, stride, 1, middle, out
            channels = out
