"""How does a folder come to be that any web server can host?"""

import pathlib
import shutil
from collections.abc import Mapping

import numpy as np

from ..metadata_file import write_metadata
from ..signatures import PHOTO_CHANNELS
from .litert_js import write_litert_js

WEB_FOLDER = "web"
# Those of which the page needs at least one, and takes all.
LITERT_FORMATS = ("litert", "litert_fp16", "litert_dynamic", "litert_int8")

_PAGE = pathlib.Path(__file__).parent / "page"


def write_web_kit(
    folder: pathlib.Path, metadata: Mapping, images: np.ndarray
) -> None:
    """Writes `web/`: a page, LiteRT.js, the LiteRT files and their metadata.

    The page needs no build and nothing from elsewhere. LiteRT.js comes from
    the npm registry at the first time, and then from the cache.

    Args:
        folder: The export, with its LiteRT files.
        metadata: What will be its metadata.json, without the hashes.
        images: Not used: photos of a dataset are not ours to publish.

    Raises:
        ValueError: If there is no LiteRT file, or the model takes images of
            other channels than a photo's.
        OSError: If LiteRT.js cannot be downloaded.

    Example:
        >>> write_web_kit(pathlib.Path("exported"), metadata, images)
    """
    del images
    formats = {
        name: value
        for name, value in metadata["formats"].items()
        if name.startswith(LITERT_FORMATS)
    }
    if not formats:
        raise ValueError(
            f"formats must have one of {', '.join(LITERT_FORMATS)} beside web. "
            f"Received: formats={','.join(metadata['formats'])}"
        )
    channels = metadata["input"]["channels"]
    if channels not in PHOTO_CHANNELS:
        raise ValueError(
            "model must take images of one channel (grey) or three (RGB) to "
            f"be run in a browser. Received: channels={channels}"
        )
    web = folder / WEB_FOLDER
    shutil.copytree(_PAGE, web)
    write_litert_js(web / "vendor" / "litertjs")
    paths = [value["path"] for value in formats.values()]
    for path in paths:
        (web / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, web / path)
    verification = [
        entry
        for entry in metadata["verification"]
        if entry["artefact"] in paths
    ]
    write_metadata(
        {**metadata, "formats": formats, "verification": verification}, web
    )
