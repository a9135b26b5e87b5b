"""Where may a command write its one result?"""

import pathlib


def checked_output(output: str | None, overwrite: bool) -> pathlib.Path | None:
    """The file that --output names, if it can be written; None without one.

    Args:
        output: What the user gave.
        overwrite: Whether a file that exists may be replaced.

    Raises:
        ValueError: If it is no file in an existing folder, or exists and may
            not be replaced.
    """
    if output is None:
        return None
    path = pathlib.Path(output)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(
            "output must be a file in an existing folder. "
            f"Received: output={output!r}"
        )
    if path.exists() and not overwrite:
        raise ValueError(
            "output exists; --overwrite replaces it. "
            f"Received: output={output!r}"
        )
    return path
