"""How does a SavedModel become the next version that TF Serving loads?

TF Serving watches a folder whose sub-folders are versions, named by numbers,
and takes the highest. It ignores other names, so that a version can be
copied under one of those and appears at once, whole.
"""

import os
import pathlib
import shutil
from collections.abc import Sequence

# Where an export has its SavedModel.
SAVED_MODEL = "saved_model/1"


def check_base(base: str | os.PathLike[str], formats: Sequence[str]) -> None:
    """Refuses, before any work, what `add_version` would refuse.

    Args:
        base: The folder of versions.
        formats: What will be exported.

    Raises:
        ValueError: If `base` is a file, or no SavedModel will be exported.
    """
    if "saved_model" not in formats:
        raise ValueError(
            "formats must have saved_model for --saved_model_base. "
            f"Received: formats={','.join(formats)}"
        )
    if os.path.lexists(base) and not pathlib.Path(base).is_dir():
        raise ValueError(
            "saved_model_base must be a folder, or not exist. "
            f"Received: saved_model_base={str(base)!r}"
        )


def add_version(
    export: str | os.PathLike[str], base: str | os.PathLike[str]
) -> pathlib.Path:
    """Copies the SavedModel of an export to the next version number.

    Args:
        export: A verified export with a SavedModel.
        base: The folder of versions, made if need be. What is in it stays.

    Returns:
        The new folder, such as `base/3`.

    Example:
        >>> add_version("exported", "/models/bagnet")
        PosixPath('/models/bagnet/1')
    """
    base = pathlib.Path(base)
    base.mkdir(parents=True, exist_ok=True)
    temporary = base / f"incoming-{os.getpid()}"
    shutil.copytree(pathlib.Path(export) / SAVED_MODEL, temporary)
    try:
        while True:
            names = [path.name for path in base.iterdir()]
            newest = max(map(int, filter(str.isdecimal, names)), default=0)
            version = base / str(newest + 1)
            try:
                # Fails where another process has made that version meanwhile.
                return temporary.rename(version)
            except OSError:
                if not version.exists():
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
