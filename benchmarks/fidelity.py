"""How far is each exported file from the model? What the export has found.

    python -m export.main --model=imagenette --output=exported \
        --formats=saved_model,litert,litert_fp16,litert_dynamic,litert_int8 \
        --calibration_dataset=imagenette/320px-v2 \
        --verification_dataset=imagenette/320px-v2 \
        --num_verification_images=3925 --data_dir=DIR
    python benchmarks/fidelity.py --export=exported

Largest differences from the Keras model, of logits and of patch logits, both
relative to the largest patch logit; `additivity`, the largest difference
between a file's logits and the mean of its patch logits, relative to the
largest logit. `maps`: correlation of the contrast map (best
class minus second) with the model's, median and 5th percentile over images.
"""

import argparse
import json
import pathlib

import measure


def main() -> None:
    """Reads and reports."""
    options = _options()
    metadata = json.loads((options.export / "metadata.json").read_text("utf-8"))
    found = metadata["verification"]
    count = min(verification["num_images"] for verification in found)
    measure.report(
        f"Exported files of {metadata['model']} against it, {count} images",
        [_row(verification, metadata["files"]) for verification in found],
        "python benchmarks/fidelity.py --export=exported",
        options.output,
    )


def _row(found, files) -> dict:
    artefact = found["artefact"]
    differences = {
        name: found["errors"][name] / found["largest_patch_logit"]
        for name in ("serving_default.logits", "patch_logits.patch_logits")
        if name in found["errors"]
    }
    # Of a SavedModel all files in its folder, less those for a server.
    size = sum(
        file["bytes"]
        for name, file in files.items()
        if name == artefact or name.startswith(f"{artefact}/")
        if "assets.extra" not in name
    )
    return {
        "file": artefact,
        "MB": size / 1e6,
        "logits": differences.get("serving_default.logits"),
        "patch logits": differences.get("patch_logits.patch_logits"),
        "additivity": found["additivity_error"] / found["largest_logit"]
        if differences
        else None,
        "decisions": found["decision_agreement"],
        "maps": found["contrast_correlation"],
        "worst 5 %": found["contrast_correlation_p5"],
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--export", type=pathlib.Path, required=True, help="folder of an export"
    )
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
