"""How does a command say on which images it works?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from absl import flags

if TYPE_CHECKING:  # A command's --help need not wait for TensorFlow.
    from .request import Images

# The flags belong to the commands, not to this module.
flags.disclaim_key_flags()


@dataclasses.dataclass(frozen=True)
class ImageFlags:
    """The three flags that say on which images.

    Attributes:
        purpose: What for; part of their names.
        dataset: `--PURPOSE_dataset`.
        split: `--PURPOSE_split`.
        num_images: `--num_PURPOSE_images`.
    """

    purpose: str
    dataset: flags.FlagHolder[str | None]
    split: flags.FlagHolder[str]
    num_images: flags.FlagHolder[int]

    def images(self, data_dir: str | None, channels: int) -> Images | None:
        """The images, or None if no dataset was named.

        Args:
            data_dir: The folder of TFDS datasets.
            channels: Of the model's input.

        Raises:
            ValueError: If there are no such images.
        """
        from .images import real_images

        if self.dataset.value is None:
            return None
        return real_images(
            self.dataset.value,
            self.split.value,
            data_dir,
            self.num_images.value,
            channels,
            self.purpose,
        )


def verification(flag_values: flags.FlagValues) -> ImageFlags:
    """Images on which files are compared with the model."""
    return _define(
        "verification", "to compare on", "glyphs", "validation", 64, flag_values
    )


def calibration(flag_values: flags.FlagValues) -> ImageFlags:
    """Images on which the ranges of 8-bit activations are measured."""
    return _define(
        "calibration",
        "on which litert_int8 measures the ranges of activations",
        None,
        "train",
        200,
        flag_values,
    )


def _define(purpose, use, dataset, split, num_images, flag_values):
    return ImageFlags(
        purpose,
        flags.DEFINE_string(
            f"{purpose}_dataset",
            dataset,
            f"Images {use}: a TFDS name, folder:PATH or glyphs.",
            flag_values=flag_values,
        ),
        flags.DEFINE_string(
            f"{purpose}_split", split, "Their split.", flag_values=flag_values
        ),
        flags.DEFINE_integer(
            f"num_{purpose}_images",
            num_images,
            "How many of them.",
            lower_bound=1,
            flag_values=flag_values,
        ),
    )
