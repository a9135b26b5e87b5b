"""How is a text file written whole or not at all?"""

import json
import pathlib
from collections.abc import Mapping


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
