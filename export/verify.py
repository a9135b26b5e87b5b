"""Repeats all checks on an export that exists.

python -m export.verify --export=DIR --model=model.keras

compares every file with its hash in DIR/metadata.json, reloads each format in
its own runtime and compares it with the model on images of
--verification_dataset. Exit status: 0, or 1 if a file is not as it was written
or disagrees with the model, or 2 for a mistake in the arguments.
"""

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command

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
_VERIFICATION = image_flags.verification(_FLAGS)
_DATA_DIR = shared_flags.data_dir(_FLAGS)


def main() -> int:
    """Verifies as the flags say; returns the exit status."""
    # Only now, so that --help and wrong flags need not wait for TensorFlow.
    from .client.metadata import read_metadata
    from .existing import artefacts_of, changed_files, request_of
    from .exporter import verify_export
    from .report import format_table

    metadata = read_metadata(_EXPORT.value)
    artefacts = artefacts_of(metadata)
    changed = changed_files(metadata)
    for name, reason in changed.items():
        print(f"{name}: {reason}")
    if changed:
        print("The export is not as it was written.")
        return 1
    print(f"{len(metadata.files)} files are as they were written.")
    request = request_of(metadata, _MODEL.value)
    images = _VERIFICATION.images(_DATA_DIR.value, metadata.channels)
    result = verify_export(request, metadata.folder, artefacts, images)
    print(format_table(result.verifications, result.sizes))
    if not result.passed:
        print("A file disagrees with the model.")
        return 1
    return 0


def run() -> None:
    """The command."""
    run_command(main, "verify", _FLAGS)


if __name__ == "__main__":
    run()
