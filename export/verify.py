r"""Repeats all checks on an export that exists.

Examples:
    python -m export.verify --export=exported --model=runs/glyphs/model.keras
    python -m export.verify --export=exported --model=imagenette \
        --verification_dataset=imagenette/320px-v2 --json | jq .passed

Compares every file with its hash in DIR/metadata.json, reloads each format in
its own runtime and compares it with the model on images of
--verification_dataset. Exit status: 0, or 1 if a file is not as it was written
or disagrees with the model, or 2 for a mistake in the arguments.
"""

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.json_answer import for_people, print_json

from . import image_flags

_FLAGS = flags.FlagValues()
_EXPORT = flags.DEFINE_string(
    "export",
    None,
    "The folder of the export.",
    required=True,
    flag_values=_FLAGS,
)
_MODEL = shared_flags.model(_FLAGS)
_JSON = shared_flags.json(_FLAGS)
_VERIFICATION = image_flags.verification(_FLAGS)
_DATA_DIR = shared_flags.data_dir(_FLAGS)


def main() -> int:
    """Verifies as the flags say; returns the exit status."""
    with for_people(_JSON.value):
        content = _verify()
    if _JSON.value:
        print_json(content)
    return 0 if content["passed"] else 1


def _verify() -> dict:
    """What was found, JSON-ready."""
    # Only now, so that --help and wrong flags need not wait for TensorFlow.
    from .answer import verification_answer
    from .client.metadata import read_metadata
    from .existing import artefacts_of, changed_files, request_of
    from .exporter import verify_export
    from .report import format_table

    metadata = read_metadata(_EXPORT.value)
    artefacts = artefacts_of(metadata)
    # The user's mistakes first: then there is nothing else to read.
    request = request_of(metadata, _MODEL.value)
    images = _VERIFICATION.images(_DATA_DIR.value, metadata.channels)
    changed = changed_files(metadata)
    for name, reason in changed.items():
        print(f"{name}: {reason}")
    content = {
        "export": _EXPORT.value,
        "num_files": len(metadata.files),
        "changed_files": dict(changed),
        "passed": False,
    }
    if changed:
        print("The export is not as it was written.")
        return content
    print(f"{len(metadata.files)} files are as they were written.")
    result = verify_export(request, metadata.folder, artefacts, images)
    print(format_table(result.verifications, result.sizes))
    if not result.passed:
        print("A file disagrees with the model.")
    return content | {
        "passed": result.passed,
        "artefacts": verification_answer(result.verifications, result.sizes),
    }


def run() -> None:
    """The command."""
    run_command(main, "verify-export", _FLAGS)


if __name__ == "__main__":
    run()
