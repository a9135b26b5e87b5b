"""How are files written, whole or not at all, and told from one another?"""

import contextlib
import csv
import hashlib
import io
import json
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence

Files = dict[str, pathlib.Path]


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes under a temporary name beside `path`, then renames.

    Args:
        path: The file; replaced if it exists.
        text: What it shall hold.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:  # Such as a full disk, which the rest may not fill.
        temporary.unlink(missing_ok=True)
        raise


def check_results(
    output: pathlib.Path, files: Iterable[pathlib.Path], overwrite: bool
) -> None:
    """Refuses, before any work, to replace what may not be replaced.

    Args:
        output: The folder of the results.
        files: Where they will be in it.
        overwrite: Whether results that exist may be replaced.

    Raises:
        ValueError: If `output` is no folder, or has results that may not be
            replaced.
    """
    if output.exists() and not output.is_dir():
        raise ValueError(
            f"output must be a folder. Received: output={str(output)!r}"
        )
    for file in files:
        if file.exists() and not overwrite:
            raise ValueError(
                "output has results already; --overwrite replaces them. "
                f"Received: output={str(output)!r} with {file.name}"
            )


def num_bytes(path: pathlib.Path) -> int:
    """Size of a file, or of all files in a folder, bytes."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def sha256_of(path: pathlib.Path) -> str:
    """Hash of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: pathlib.Path, content: Mapping) -> None:
    """Writes JSON, indented, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_csv(
    path: pathlib.Path, rows: Sequence[Mapping], columns: Sequence[str]
) -> None:
    """Writes a table with a line of column names, whole or not at all."""
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())


@contextlib.contextmanager
def written_whole(files: Mapping[str, pathlib.Path]) -> Iterator[Files]:
    """Gives temporary files by kind, and renames them when all are written.

    Example:
        >>> with written_whole({"numbers": output / "cat.json"}) as temporary:
        ...     temporary["numbers"].write_text("{}")
    """
    folder = next(iter(files.values())).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        staged = {
            kind: pathlib.Path(temporary, file.name)
            for kind, file in files.items()
        }
        yield staged
        for kind, file in files.items():
            staged[kind].replace(file)
