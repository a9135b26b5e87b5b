"""Which image source does a name mean?"""

from bagnet_tf.datasets.base import ImageSource
from bagnet_tf.datasets.corrupt import WithoutCorrupt
from bagnet_tf.datasets.folder_source import FolderSource
from bagnet_tf.datasets.glyphs_source import GlyphsSource
from bagnet_tf.datasets.tfds_source import TfdsSource

_FOLDER_PREFIX = "folder:"


def image_source(
    name: str, data_dir: str | None = None, skip_corrupt: bool = False
) -> ImageSource:
    """Returns the image source of a name; every command spells it this way.

    Example:
        >>> source = image_source("glyphs")
        >>> example = next(iter(source.dataset("validation")))
        >>> source.labels[example["label"]], example["image"].shape

    Args:
        name: `"glyphs"`, the built-in dataset; `"folder:PATH"`, a folder of
            images (see `FolderSource`); or a TFDS name such as
            `"imagenette/320px-v2"`, which is downloaded and prepared if it is
            not on disk.
        data_dir: The folder of TFDS datasets; by default that of TFDS. Other
            sources have no use for it.
        skip_corrupt: Whether to go without images that cannot be decoded; to
            find them, every split that is used is decoded once.

    Returns:
        The image source.

    Raises:
        ValueError: If the name is unknown, or the dataset is not one of
            labelled images.
        FileNotFoundError: If a TFDS dataset is neither on disk nor to be had.
    """
    source = _source(name, data_dir)
    return WithoutCorrupt(source) if skip_corrupt else source


def _source(name: str, data_dir: str | None) -> ImageSource:
    if name == GlyphsSource.name:
        return GlyphsSource()
    if name.startswith(_FOLDER_PREFIX):
        return FolderSource(name.removeprefix(_FOLDER_PREFIX))
    return TfdsSource(name, data_dir)
