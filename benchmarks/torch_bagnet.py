"""The peer: a BagNet in PyTorch, written from the architecture.

Only for timing: its weights are random.
"""

import torch
from torch import nn

from bagnet_tf.architecture import Architecture


class _Block(nn.Module):
    """A bottleneck block whose shortcut is cropped at the bottom and right."""

    def __init__(self, channels, middle, out, kernel_size, stride):
        super().__init__()
        self.body = nn.Sequential(
            *_conv(channels, middle, 1, 1),
            nn.ReLU(inplace=True),
            *_conv(middle, middle, kernel_size, stride),
            nn.ReLU(inplace=True),
            *_conv(middle, out, 1, 1),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(*_conv(channels, out, 1, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.body(x)
        shortcut = self.shortcut(x)[..., : y.shape[-2], : y.shape[-1]]
        return self.relu(y + shortcut)


class TorchBagNet(nn.Module):
    """Image (batch, 3, height, width), normalised, to logits."""

    def __init__(self, architecture: Architecture, classes: int = 1000):
        """Builds the network with random weights."""
        super().__init__()
        channels = architecture.stem_channels
        layers = [
            nn.Conv2d(3, channels, 1, bias=False),
            *_conv(channels, channels, 3, 1),
            nn.ReLU(inplace=True),
        ]
        for stage in architecture.stages:
            out = stage.channels * architecture.expansion
            for index, kernel_size in enumerate(stage.kernel_sizes):
                stride = stage.stride if index == 0 else 1
                layers.append(
                    _Block(channels, stage.channels, out, kernel_size, stride)
                )
                channels = out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""
        return self.classifier(self.features(image).mean((-2, -1)))


def _conv(channels, out, kernel_size, stride):
    return (
        nn.Conv2d(channels, out, kernel_size, stride, bias=False),
        nn.BatchNorm2d(out),
    )
