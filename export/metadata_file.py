"""How is the metadata of an export written, with the hashes of its files?"""

import json
import pathlib
from collections.abc import Mapping

from bagnet_tf.files import num_bytes, sha256_of

from .client.metadata import METADATA_FILE


def write_metadata(metadata: Mapping, folder: pathlib.Path) -> None:
    """Writes the metadata and the hashes of all files; call this last.

    Args:
        metadata: What `describe` gave.
        folder: The export, with all other files in it.
    """
    content = {**metadata, "files": _files(folder)}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / METADATA_FILE).write_text(text, encoding="utf-8")


def _files(folder):
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        files[path.relative_to(folder).as_posix()] = {
            "bytes": num_bytes(path),
            "sha256": sha256_of(path),
        }
    return files
