"""How is a `.keras` file opened that anyone may have made?

Keras does not unpickle, and in its safe mode it builds nothing but layers of
its own: no code of the file's is run. Beyond that, an archive that claims to
be far larger unpacked than it is stays packed.
"""

import os
import zipfile

import keras

# Of one member of an archive, bytes; beyond it, weights do not shrink by so
# much. Keras's own guard begins at four times as many.
_MOST_BYTES = 1 << 30
_MOST_EXPANSION = 20


def open_keras_file(
    path: str | os.PathLike[str], argument: str = "model"
) -> keras.Model:
    """Reads a model; runs nothing that is in the file.

    Args:
        path: The `.keras` file.
        argument: What to call it in messages.

    Returns:
        The model, not compiled.

    Raises:
        ValueError: If the file is missing, damaged, or would run code.
    """
    try:
        _check_members(path)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a damaged file.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{argument} must be a whole .keras file ({reason[0][:500]}). "
            f"Received: {argument}={os.fspath(path)!r}"
        ) from error


def _check_members(path):
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            allowed = max(_MOST_BYTES, _MOST_EXPANSION * member.compress_size)
            if member.file_size > allowed:
                raise ValueError(
                    f"{member.filename} of {member.compress_size} bytes claims "
                    f"{member.file_size} unpacked"
                )
