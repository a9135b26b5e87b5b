"""What is a BagNet variant? Stages, kernels and strides as plain frozen data.

Source: Brendel & Bethge, ICLR 2019, and its reference PyTorch code. No
TensorFlow here: everything is integers.
"""

import dataclasses

from bagnet_tf.geometry import PatchGeometry

# Names by which the other modules find the parts of a (loaded) model.
NORMALIZATION_LAYER = "normalization"
STEM_LAYERS = ("stem_conv1", "stem_conv2")
POOLING_LAYER = "avg_pool"
CLASSIFIER_LAYER = "classifier"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stack of bottleneck blocks at one resolution.

    Attributes:
        kernel_sizes: Size of the middle convolution of each block, 1 or 3;
            its length is the number of blocks.
        channels: Bottleneck channels; the stage puts out `expansion` times
            as many.
        stride: Stride of the first block's middle convolution.
    """

    kernel_sizes: tuple[int, ...]
    channels: int
    stride: int


@dataclasses.dataclass(frozen=True)
class Architecture:
    """All that decides the graph of a BagNet, except classes and width.

    Attributes:
        name: Name of the model built from it.
        stages: The stages in order.
        stem_channels: Channels of both convolutions of the stem (a 1x1
            without normalisation, then a 3x3).
        expansion: Output channels of a block per bottleneck channel.
        padding: `"valid"`; or `"same"`, 3x3 convolutions padded with zeros:
            no BagNet, but a control that fits in small images.
    """

    name: str
    stages: tuple[Stage, ...]
    stem_channels: int = 64
    expansion: int = 4
    padding: str = "valid"

    def __post_init__(self) -> None:
        """Refuses an unknown padding."""
        if self.padding not in ("valid", "same"):
            raise ValueError(
                "padding must be 'valid' or 'same'. "
                f"Received: padding={self.padding!r}"
            )

    @property
    def geometry(self) -> PatchGeometry | None:
        """Receptive field and stride of a cell of the last feature map.

        `None` with padding: cells then differ in what they see.
        """
        if self.padding == "same":
            return None
        kernels_and_strides = [(3, 1)]
        for stage in self.stages:
            for block, kernel_size in enumerate(stage.kernel_sizes):
                stride = stage.stride if block == 0 else 1
                kernels_and_strides.append((kernel_size, stride))
        return PatchGeometry.of_convolutions(kernels_and_strides)


_DEPTHS_CHANNELS_STRIDES = (
    (3, 64, 2),
    (4, 128, 2),
    (6, 256, 2),
    (3, 512, 1),
)


def _bagnet(receptive_field: int, stages_with_3x3: int) -> Architecture:
    """A ResNet-50 with a 3x3 in the first block of its first stages only."""
    stages = []
    for index, (blocks, channels, stride) in enumerate(
        _DEPTHS_CHANNELS_STRIDES
    ):
        first = 3 if index < stages_with_3x3 else 1
        kernel_sizes = (first,) + (1,) * (blocks - 1)
        stages.append(Stage(kernel_sizes, channels, stride))
    return Architecture(f"bagnet{receptive_field}", tuple(stages))


BAGNET9 = _bagnet(9, stages_with_3x3=2)
"""Patches of 9x9 pixels: a 3x3 in the first block of two stages."""
BAGNET17 = _bagnet(17, stages_with_3x3=3)
"""Patches of 17x17 pixels: a 3x3 in the first block of three stages."""
BAGNET33 = _bagnet(33, stages_with_3x3=4)
"""Patches of 33x33 pixels: a 3x3 in the first block of all four stages."""

ARCHITECTURES = {a.name: a for a in (BAGNET9, BAGNET17, BAGNET33)}
"""BAGNET9, BAGNET17 and BAGNET33 by their names."""

# The price of locality is measured against it.
CONTROL = Architecture(
    "control",
    tuple(
        Stage((3,) * blocks, channels, stride)
        for blocks, channels, stride in _DEPTHS_CHANNELS_STRIDES
    ),
    padding="same",
)
"""The same network with a 3x3 in every block, padded, so that a cell's
receptive field is 177 pixels wide: no BagNet, but what one is compared with."""


def batch_norm_name(convolution: str) -> str:
    """Name of the batch normalisation that follows a convolution."""
    if convolution == STEM_LAYERS[1]:
        return "stem_bn"
    return convolution.replace("conv", "bn")
