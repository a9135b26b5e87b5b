"""Which image source does a name mean?"""

from bagnet_tf.datasets.base import ImageSource
from bagnet_tf.datasets.corrupt import WithoutCorrupt
from bagnet_tf.datasets.folder_source import FolderSource
from bagnet_tf.datasets.glyphs_source import GlyphsSource
from bagnet_tf.datasets.tfds_source import TfdsSource

_FOLDER_PREFIX = "folder:"


def image_source(
    dataset: str,
    data_dir: str | None = None,
    skip_corrupt: bool = False,
    channels: int = 3,
) -> ImageSource:
    """Returns the image source of a name; every command spells it this way.

    Example:
        >>> source = image_source("glyphs")
        >>> example = next(iter(source.dataset("validation")))
        >>> source.labels[example["label"]], example["image"].shape

    Args:
        dataset: `"glyphs"`, the built-in dataset; `"folder:PATH"`, a folder of
            images, or `"folder:PATH/FILE.csv"`, a list of images (see
            `FolderSource`); or a TFDS name such as
            `"imagenette/320px-v2"`, which is downloaded and prepared if it is
            not on disk.
        data_dir: The folder of TFDS datasets; by default that of TFDS. Other
            sources have no use for it.
        skip_corrupt: Whether to go without images that cannot be decoded and
            class folders without images; to find the former, every split that
            is used is decoded once. `skipped` of the source names them.
        channels: 3 for RGB; 1 for grey; or, in a folder, as many as its .npy
            files have, or 4 for RGB with transparency.

    Returns:
        The image source.

    Raises:
        ValueError: If the dataset is unknown, or is not one of labelled
            images, or cannot have so many channels.
        FileNotFoundError: If a TFDS dataset is neither on disk nor to be had.
    """
    source = _source(dataset, data_dir, skip_corrupt, channels)
    return WithoutCorrupt(source) if skip_corrupt else source


def _source(name, data_dir, skip_empty, channels) -> ImageSource:
    if name == GlyphsSource.name:
        return GlyphsSource(channels)
    if name.startswith(_FOLDER_PREFIX):
        path = name.removeprefix(_FOLDER_PREFIX)
        return FolderSource(path, skip_empty, channels)
    return TfdsSource(name, data_dir, channels)
