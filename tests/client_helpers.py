"""Exports as clients find them, made by hand."""

import hashlib
import json
import pathlib

import numpy as np

from export.client.metadata import Metadata, read_metadata

SIZE = (21, 26)
GRID = (5, 6)
LABELS = ("bee", "cat, kitty", "dog", "elk", "fox")


def metadata_content(**changes) -> dict:
    """What an export of patches of 5x5 pixels, stride 4, says."""
    content = {
        "format_version": 2,
        "model": "tiny",
        "input": {
            "name": "image",
            "layout": "NHWC",
            "size": list(SIZE),
            "any_size": True,
            "range": [0, 255],
            "channels": 3,
            "channel_order": "RGB",
            "normalization": "included",
        },
        "geometry": {
            "receptive_field": 5,
            "stride": 4,
            "grid_shape": list(GRID),
            "unseen_margin": [0, 1],
        },
        "labels": list(LABELS),
        "head": "softmax",
        "metrics": {},
        "formats": {},
        "files": {},
        "verification": [],
        "versions": {},
    }
    return content | changes


def write_export(
    folder: pathlib.Path, files: dict[str, bytes] | None = None, **changes
) -> Metadata:
    """Writes files and the metadata.json that holds their hashes."""
    records = {}
    for name, content in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        records[name] = {"bytes": len(content), "sha256": digest}
    content = metadata_content(files=records, **changes)
    text = json.dumps(content, ensure_ascii=False)
    (folder / "metadata.json").write_text(text, encoding="utf-8")
    return read_metadata(folder)


def answer(seed: int = 0, classes: int = len(LABELS)):
    """Logits (classes,) and patch logits (*GRID, classes) of a BagNet."""
    generator = np.random.default_rng(seed)
    patch_logits = generator.normal(0, 3, (*GRID, classes))
    patch_logits = patch_logits.astype(np.float32)
    return patch_logits.mean(axis=(0, 1)), patch_logits
