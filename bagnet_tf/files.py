"""How is a text file written whole or not at all?"""

import csv
import io
import json
import pathlib
from collections.abc import Mapping, Sequence


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes under a temporary name beside `path`, then renames.

    Args:
        path: The file; replaced if it exists.
        text: What it shall hold.
    """
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


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
