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
        path: str | os.PathLike[str],
        facts: Mapping,
        overwrite: bool = False,
    ):
        """Reads what is there; writes nothing yet.

        Args:
            path: The file.
            facts: What the run is of, JSON-ready. What a run of other facts
                has left is refused.
            overwrite: Whether it is replaced instead.

        Raises:
            ValueError: If the file is of a run of other facts.
        """
        self._path = pathlib.Path(path)
        self._file = None
        header = json.loads(json.dumps(dict(facts)))
        self._lines = _whole_lines(self._path) or [header]
        if self._lines[0] != header:
            if not overwrite:
                raise _changed(self._path, self._lines[0], header)
            self._lines = [header]
        self._values = collections.defaultdict(list)
        for line in self._lines[1:]:
            self._values[line["pass"]].append(line["value"])

    def __enter__(self) -> "PartialResults":
        """Nothing more to do."""
        return self

    def __exit__(self, kind, error, traceback) -> None:
        """Keeps the file, for another try."""
        if self._file:
            self._file.close()

    def values(self, pass_name: str) -> list:
        """All values of a pass, in the order of the images."""
        return self._values[pass_name]

    def begin(self) -> None:
        """Makes the file: while it is there, the whole result is not."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Again, without a line that was cut off.
            self._file = self._path.open("w", encoding="utf-8")
            self._file.writelines(map(_as_line, self._lines))
            self._file.flush()

    def add(self, pass_name: str, values: Iterable) -> None:
        """Keeps the values of some more images."""
        values = json.loads(json.dumps(list(values), allow_nan=False))
        self._values[pass_name].extend(values)
        self.begin()
        self._file.writelines(
            _as_line({"pass": pass_name, "value": value}) for value in values
        )
        self._file.flush()

    def remove(self) -> None:
        """Deletes the file: the whole result is written."""
        if self._file:
            self._file.close()
        self._path.unlink(missing_ok=True)


def _as_line(value) -> str:
    return json.dumps(value) + "\n"


def _whole_lines(path: pathlib.Path) -> list[dict]:
    """The lines up to the first that is not whole, or not ours."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_bytes().splitlines():
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not (_is_value(content) if lines else isinstance(content, dict)):
            break
        lines.append(content)
    return lines


def _is_value(line) -> bool:
    """Whether a line is one that `add` writes."""
    whole = isinstance(line, dict) and line.keys() == {"pass", "value"}
    return whole and isinstance(line["pass"], str)


def _changed(path, found, expected) -> ValueError:
    keys = sorted(
        key
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    )
    return ValueError(
        "output must hold what the same command has left, to go on, or "
        f"--overwrite be given; {', '.join(keys)} changed. "
        f"Received: {str(path)!r}"
    )
