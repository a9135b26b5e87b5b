"""What did an interrupted run find? JSON lines, which the same command reads.

The first line says what the run is of; every other one is an image's part of
one pass: `{"pass": NAME, "value": ...}`.
"""

import collections
import json
import os
import pathlib
from collections.abc import Iterable, Mapping


class PartialResults:
    """Results an image, kept in a file until the whole is written.

    Example:
        >>> with PartialResults(path, facts) as partial:
        ...     done = partial.values("logits")  # Of an earlier run.
        ...     partial.add("logits", [[0.5, 1.5]])
    """

    def __init__(
        self,
        path: str | os.PathLike,
        facts: Mapping,
        overwrite: bool = False,
    ):
        """Reads what is there.

        Args:
            path: The file; made if it is missing.
            facts: What the run is of, JSON-ready. What another run has left
                is refused.
            overwrite: Whether to start anew instead.

        Raises:
            ValueError: If the file is of a run of other facts.
        """
        self._path = pathlib.Path(path)
        self._values = collections.defaultdict(list)
        header = json.loads(json.dumps(dict(facts)))
        lines = [] if overwrite else _whole_lines(self._path)
        if lines:
            _check(self._path, lines[0], header)
            for line in lines[1:]:
                self._values[line["pass"]].append(line["value"])
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        # Without the rest of a line that was cut off.
        text = "".join(json.dumps(line) + "\n" for line in lines or [header])
        self._path.write_text(text, encoding="utf-8")
        self._file = self._path.open("a", encoding="utf-8")

    def __enter__(self) -> "PartialResults":
        """Nothing more to do."""
        return self

    def __exit__(self, kind, error, traceback) -> None:
        """Keeps the file, for another try."""
        self._file.close()

    def values(self, pass_name: str) -> list:
        """All values of a pass, in the order of the images."""
        return self._values[pass_name]

    def add(self, pass_name: str, values: Iterable) -> None:
        """Keeps the values of some more images."""
        values = json.loads(json.dumps(list(values), allow_nan=False))
        self._values[pass_name].extend(values)
        for value in values:
            line = json.dumps({"pass": pass_name, "value": value})
            self._file.write(line + "\n")
        self._file.flush()

    def remove(self) -> None:
        """Deletes the file: the whole result is written."""
        self._file.close()
        self._path.unlink()


def _whole_lines(path: pathlib.Path) -> list[dict]:
    """The lines up to the first that is not whole."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def _check(path, found, expected) -> None:
    if found == expected:
        return
    keys = sorted(
        key
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    )
    raise ValueError(
        "output must hold what the same command has left, to go on, or "
        f"--overwrite be given; {', '.join(keys)} changed. "
        f"Received: {str(path)!r}"
    )
