r"""Makes the model of a finished run a preset that ships with the package.

Examples:
    python -m train.package --model=runs/imagenette_preset/model.keras \
        --name=imagenette --output=bagnet_tf/presets_data \
        --card=docs/presets/imagenette.md --data_dir=DIR \
        --hardware="2 cores of an AMD EPYC, no GPU"

Writes NAME.weights.h5, with kernels in float16, and NAME.json, with all that
is known of them, each under a temporary name that is then renamed. Both models,
the run's and the one that the written file gives, are scored on the run's
reported split, so that the JSON tells what ships and what the rounding costs.
The part of the model card between its two markers is written anew from that
JSON. Exit status: 0, or 2 for a mistake in the arguments.
"""

import pathlib
import tempfile

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command
from bagnet_tf.files import check_results, write_json, write_text

_FLAGS = flags.FlagValues()
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "Best model of a finished run, with what training writes beside it: its "
    "JSON file, metrics.json and config.json.",
    required=True,
    flag_values=_FLAGS,
)
_NAME = flags.DEFINE_string(
    "name", None, "Name of the preset.", required=True, flag_values=_FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Existing folder for NAME.weights.h5 and NAME.json.",
    required=True,
    flag_values=_FLAGS,
)
_CARD = flags.DEFINE_string(
    "card",
    None,
    "Model card, a Markdown file; what is between its markers is replaced.",
    required=True,
    flag_values=_FLAGS,
)
_HARDWARE = flags.DEFINE_string(
    "hardware",
    None,
    "What the run was trained on, in words.",
    required=True,
    flag_values=_FLAGS,
)
_DATA_DIR = shared_flags.data_dir(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)


def main() -> None:
    """Packages as the flags say."""
    from .preset_card import with_measurements
    from .preset_files import FinishedRun, check_size, write_half_precision

    weights, record_path = _checked_output()
    card = pathlib.Path(_CARD.value)
    run = FinishedRun(_MODEL.value, _DATA_DIR.value)
    # Refused now rather than after minutes if the card has no markers.
    with_measurements(_text(card), None)
    # Under a temporary name, then renamed: nothing half-written.
    with tempfile.TemporaryDirectory(dir=weights.parent) as folder:
        written = pathlib.Path(folder, weights.name)
        write_half_precision(run.model, written)
        check_size(written)
        record = run.record(written) | {"hardware": _HARDWARE.value}
        written.replace(weights)
    write_json(record_path, record)
    write_text(card, with_measurements(_text(card), record))
    rounding = record["rounding"]
    print(
        f"{weights}: {record['bytes']:,} bytes, top-1 "
        f"{rounding['top1_before']:.4f} before and "
        f"{rounding['top1_after']:.4f} after rounding\n"
        f"{record_path}\n{card}"
    )


def _checked_output() -> tuple[pathlib.Path, pathlib.Path]:
    """The files of weights and of the record."""
    folder = pathlib.Path(_OUTPUT.value)
    if not folder.is_dir():
        raise ValueError(
            "output must be an existing folder. "
            f"Received: output={str(folder)!r}"
        )
    paths = tuple(
        folder / f"{_NAME.value}{ending}" for ending in (".weights.h5", ".json")
    )
    check_results(folder, paths, _OVERWRITE.value)
    return paths


def _text(card: pathlib.Path) -> str:
    try:
        return card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"card must be an existing text file ({error}). "
            f"Received: card={str(card)!r}"
        ) from error


def run() -> None:
    """Entry point of the command."""
    run_command(main, "package", _FLAGS)


if __name__ == "__main__":
    run()
