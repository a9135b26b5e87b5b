"""Exports a model, verified: SavedModel and LiteRT files, labels, metadata.

python -m export.main --model=model.keras --output=DIR
    --formats=saved_model,litert

writes DIR/saved_model/1/, DIR/litert/model.tflite, DIR/labels.txt and
DIR/metadata.json. Each file is reloaded in its own runtime and compared with
the model on images of --verification_dataset. Exit status: 0, or 1 if a file
disagrees with the model (nothing is kept then), or 2 for a mistake in the
arguments.
"""

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command

_FLAGS = flags.FlagValues()
_MODEL = shared_flags.model(_FLAGS)
_OUTPUT = flags.DEFINE_string(
    "output", None, "The folder to make.", required=True, flag_values=_FLAGS
)
_FORMATS = flags.DEFINE_list(
    "formats",
    ["saved_model", "litert"],
    "What to write: some of saved_model, litert.",
    flag_values=_FLAGS,
)
_IMAGE_SIZE = shared_flags.image_size(_FLAGS)
_LABELS = shared_flags.labels(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)
_DATASET = flags.DEFINE_string(
    "verification_dataset",
    "glyphs",
    "Images to compare on: a TFDS name, folder:PATH or glyphs.",
    flag_values=_FLAGS,
)
_SPLIT = flags.DEFINE_string(
    "verification_split", "validation", "Their split.", flag_values=_FLAGS
)
_DATA_DIR = shared_flags.data_dir(_FLAGS)
_NUM_IMAGES = flags.DEFINE_integer(
    "num_verification_images",
    64,
    "How many images to compare on.",
    flag_values=_FLAGS,
)


def main() -> int:
    """Exports as the flags say; returns the exit status."""
    # Only now, so that --help and wrong flags need not wait for TensorFlow.
    from bagnet_tf.loading import load_model, read_labels

    from .exporter import check_request, export_model
    from .images import verification_images
    from .report import format_table

    check_request(_OUTPUT.value, _FORMATS.value, _OVERWRITE.value)
    labels = None if _LABELS.value is None else read_labels(_LABELS.value)
    model, info = load_model(_MODEL.value, _IMAGE_SIZE.value, labels)
    images = verification_images(
        _DATASET.value,
        _SPLIT.value,
        _DATA_DIR.value,
        _NUM_IMAGES.value,
        info.image_size,
        model.input_shape[-1],
    )
    result = export_model(
        model,
        info,
        _OUTPUT.value,
        _FORMATS.value,
        images,
        overwrite=_OVERWRITE.value,
    )
    print(format_table(result.verifications, result.sizes))
    if not result.passed:
        print("Nothing was exported: a file disagrees with the model.")
        return 1
    print(f"Exported to {_OUTPUT.value}")
    return 0


def run() -> None:
    """The command."""
    run_command(main, "export", _FLAGS)


if __name__ == "__main__":
    run()
