"""Where do the results of `explain` go?"""

import pathlib
from collections.abc import Collection, Sequence

from bagnet_tf.files import Files, check_results

# What follows an image's stem, by the kind of result.
SUFFIXES = {
    "png": ".png",
    "svg": ".svg",
    "overlay": "-overlay.png",
    "numbers": ".json",
    "table": ".csv",
    "maps": ".npy",
}
# Results of a run, by kind.
RUN_FILES = {
    "sheet_png": "contact-sheet.png",
    "sheet_svg": "contact-sheet.svg",
    "regions_table": "regions.csv",
    "regions": "regions.json",
}


def image_files(
    images: Sequence[str],
    output: pathlib.Path,
    kinds: Collection[str],
    reserved: Collection[pathlib.Path] = (),
) -> list[Files]:
    """Where each image's results go; all distinct.

    Args:
        images: Paths of the images.
        output: The folder of the results.
        kinds: Keys of `SUFFIXES`.
        reserved: Files of the folder that no image may have.

    Returns:
        A dict by kind for each image: STEM.png and so on. Where one of these
        is taken (by case-insensitive name), STEM-2 and so on.
    """
    taken = {file.name.casefold() for file in reserved}
    found = []
    for image in images:
        stem = pathlib.Path(image).stem
        name, number = stem, 1
        while not taken.isdisjoint(
            (name + SUFFIXES[kind]).casefold() for kind in kinds
        ):
            number += 1
            name = f"{stem}-{number}"
        files = {kind: output / (name + SUFFIXES[kind]) for kind in kinds}
        taken.update(file.name.casefold() for file in files.values())
        found.append(files)
    return found


def check_files(
    output: pathlib.Path,
    files: Collection[pathlib.Path],
    inputs: Collection[str | pathlib.Path],
    overwrite: bool,
) -> None:
    """Checks that results can be written and replace nothing they may not.

    Args:
        output: The folder of the results.
        files: All results.
        inputs: Files that are read: never replaced.
        overwrite: Whether results that exist may be replaced.

    Raises:
        ValueError: If not.
    """
    read = {pathlib.Path(path).resolve() for path in inputs}
    for file in files:
        if file.resolve() in read:
            raise ValueError(
                "output must be a folder where no image and no model is "
                f"replaced. Received: output={str(output)!r} with {file.name}"
            )
    check_results(output, files, overwrite)
