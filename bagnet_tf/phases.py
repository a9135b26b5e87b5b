"""How is a network run without its strides, no position computed twice?

A convolution of stride 2 is computed at stride 1 instead. Its output then
holds four maps of half the size, the *phases* of even and odd rows and
columns, of which the strided network would have had the first. They go on
side by side on the batch axis, through layers that know nothing of it, and
are interleaved again at the end.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from bagnet_tf.architecture import POOLING_LAYER
from bagnet_tf.geometry import geometry_of

# Arrays of a residual block that are alive at once: input, shortcut, sum.
_LIVE_ARRAYS = 3


class PhaseNetwork:
    """A BagNet up to its last feature map, at a smaller stride than its own.

    Attributes:
        num_phases: Into how many phases a map is split on each axis, all
            splits together. The number of positions must be a multiple of it.
    """

    def __init__(self, inference: keras.Model, stride: int, max_memory: int):
        """Cuts a network where its strides are undone.

        Args:
            inference: From `inference_model`.
            stride: Distance between neighbouring positions, pixels.
            max_memory: About how much the activations of one part of the
                network may take, bytes. Images and phases are worked through
                in slices of that size, at least one at a time.

        Raises:
            ValueError: If `stride` is not the model's own, divided by the
                strides of its last blocks.
        """
        blocks = _blocks_to_split(inference, stride)
        self.num_phases = math.prod(block.stride for block in blocks)
        self._segments = _segments(inference, blocks)
        self._max_memory = max_memory

    def __call__(
        self, images: tf.Tensor, head: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """Evaluates every position.

        Args:
            images: (batch, height, width, channels).
            head: From features (batch, rows, cols, features) to what is
                wanted of each position, (batch, rows, cols, k).

        Returns:
            (batch, all rows, all cols, k).
        """
        return self._maps(0, images, head)

    def _maps(self, index, x, head):
        """The maps of a batch of phases that has come to segment `index`."""
        if index == len(self._segments):
            return head(x)
        segment = self._segments[index]
        size = segment.bytes_per_position * x.shape[1] * x.shape[2]
        at_once = max(1, self._max_memory // size)
        maps = []
        for first in range(0, x.shape[0], at_once):
            features = segment.run(x[first : first + at_once])
            deeper = self._maps(index + 1, features, head)
            maps.append(_interleaved(deeper, segment.num_phases))
        return tf.concat(maps, axis=0)


@dataclasses.dataclass(frozen=True)
class _Block:
    """A strided block, whose output is split into phases.

    Attributes:
        prefix: With which the names of its layers begin.
        stride: Of the block; as many phases on each axis.
    """

    prefix: str
    stride: int


def _blocks_to_split(inference: keras.Model, stride: int) -> list[_Block]:
    """The last blocks, without whose strides that of the model is `stride`."""
    model_stride = geometry_of(inference).stride
    blocks = [
        _Block(layer.name.removesuffix("_conv2"), layer.strides[0])
        for layer in inference.layers
        if layer.name.endswith("_conv2") and layer.strides[0] > 1
    ]
    possible = {model_stride: []}
    for first in reversed(range(len(blocks))):
        product = math.prod(block.stride for block in blocks[first:])
        possible[model_stride // product] = blocks[first:]
    if stride not in possible:
        raise ValueError(
            f"stride must be one of {', '.join(map(str, sorted(possible)))}. "
            f"Received: stride={stride!r}"
        )
    return possible[stride]


@dataclasses.dataclass(frozen=True)
class _Segment:
    """A part of the network, from one split into phases to the next.

    Attributes:
        run: Takes a batch of feature maps, gives that of the next segment.
        num_phases: How many phases on each axis it makes of a map.
        bytes_per_position: Memory for each position of its input.
    """

    run: Callable[[tf.Tensor], tf.Tensor]
    num_phases: int
    bytes_per_position: int


def _segments(
    inference: keras.Model, blocks: Sequence[_Block]
) -> list[_Segment]:
    """Cuts a network before each of the blocks in which it is split."""
    dense = _without_strides(inference, blocks)
    starts = [dense.get_layer(f"{b.prefix}_conv1").input for b in blocks]
    cuts = [dense.input, *starts, dense.get_layer(POOLING_LAYER).input]
    num_phases = [1, *(block.stride for block in blocks)]
    return [
        _segment(start, end, count)
        for start, end, count in zip(
            cuts[:-1], cuts[1:], num_phases, strict=True
        )
    ]


def _segment(start, end, num_phases) -> _Segment:
    model = keras.Model(start, end)
    run = tf.function(lambda x: model(x, training=False), autograph=False)
    widest = max(layer.output.shape[-1] for layer in model.layers)
    return _Segment(
        run.get_concrete_function(tf.TensorSpec(start.shape, start.dtype)),
        num_phases,
        _LIVE_ARRAYS * widest * tf.as_dtype(end.dtype).size,
    )


def _without_strides(inference, blocks) -> keras.Model:
    """The network with phases in place of the strides of some blocks."""
    # Where there is least to move: before the 1x1 of the shortcut, and after
    # the ReLU, which TensorFlow fuses with the convolution before it.
    split_before = {f"{b.prefix}_shortcut_conv": b.stride for b in blocks}
    split_after = {f"{b.prefix}_relu2": b.stride for b in blocks}
    without_stride = {f"{b.prefix}_conv2" for b in blocks} | set(split_before)

    def counterpart(layer):
        config = layer.get_config()
        if layer.name in without_stride:
            config["strides"] = 1
        return type(layer).from_config(config)

    def call(layer, inputs, **kwargs):
        if layer.name in split_before:
            inputs = _Phases(split_before[layer.name])(inputs)
        outputs = layer(inputs, **kwargs)
        if layer.name in split_after:
            outputs = _Phases(split_after[layer.name])(outputs)
        return outputs

    channels = inference.input_shape[-1]
    dense = keras.models.clone_model(
        inference,
        input_tensors=keras.Input((None, None, channels), name="image"),
        clone_function=counterpart,
        call_function=call,
    )
    dense.set_weights(inference.get_weights())
    return dense


class _Phases(keras.layers.Layer):
    """Splits feature maps into phases, side by side on the batch axis."""

    def __init__(self, count: int):
        super().__init__()
        self._count = count

    def call(self, inputs):
        block = [self._count, self._count]
        return tf.space_to_batch(inputs, block, [[0, 0], [0, 0]])


def _interleaved(maps: tf.Tensor, num_phases: int) -> tf.Tensor:
    """Undoes `_Phases`."""
    if num_phases == 1:
        return maps
    block = [num_phases, num_phases]
    return tf.batch_to_space(maps, block, [[0, 0], [0, 0]])
