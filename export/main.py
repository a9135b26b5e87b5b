r"""Exports a model, verified: to servers, devices and browsers.

Examples:
    python -m export.main --model=runs/glyphs/model.keras --output=exported
    python -m export.main --model=imagenette --output=exported \
        --formats=saved_model,litert,litert_int8,web \
        --calibration_dataset=imagenette/320px-v2 \
        --verification_dataset=imagenette/320px-v2
    python -m export.main --model=imagenette --output=exported --json | \
        jq .passed

Writes DIR/saved_model/1/, DIR/litert/model.tflite and model_int8.tflite,
DIR/web/, DIR/labels.txt and DIR/metadata.json. Each file is reloaded in its own
runtime and compared with the model on images of --verification_dataset. Exit
status: 0, or 1 if a file disagrees with the model (nothing is kept then), or 2
for a mistake in the arguments.
"""

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.json_answer import for_people, print_json

from . import image_flags

_FLAGS = flags.FlagValues()
_MODEL = shared_flags.model(_FLAGS)
_OUTPUT = shared_flags.output_folder(_FLAGS)
_MODEL_NAME = flags.DEFINE_string(
    "model_name",
    None,
    "What clients and servers call the model; by default the preset's name, or "
    "the file's, or its folder's where it is model.keras.",
    flag_values=_FLAGS,
)
_FORMATS = flags.DEFINE_list(
    "formats",
    ["saved_model", "litert"],
    "What to write: some of saved_model; litert, litert_fp16, litert_dynamic, "
    "litert_int8, mediapipe, onnx; serving (for TF Serving), web (a page).",
    flag_values=_FLAGS,
)
_IMAGE_SIZE = shared_flags.image_size(_FLAGS)
_FURTHER_IMAGE_SIZES = flags.DEFINE_list(
    "further_image_sizes",
    [],
    "Sides of further LiteRT files, pixels, such as 160,224.",
    flag_values=_FLAGS,
)
_PRECISION = flags.DEFINE_string(
    "precision",
    "float32",
    "Of the SavedModel's signatures: float32 or bfloat16.",
    flag_values=_FLAGS,
)
_INPUT_TYPE = flags.DEFINE_string(
    "input_type",
    "float32",
    "Of the input of LiteRT files: float32 or uint8.",
    flag_values=_FLAGS,
)
_ROBUST_PATCH_SIZE = flags.DEFINE_string(
    "robust_patch_size",
    None,
    "Adds a signature robust_logits: the defence masking, against patches of "
    "up to SIDE or HEIGHTxWIDTH pixels of the model's input.",
    flag_values=_FLAGS,
)
_LABELS = shared_flags.labels(_FLAGS)
_JSON = shared_flags.json(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)
_BASE = flags.DEFINE_string(
    "saved_model_base",
    None,
    "Folder of versions of a SavedModel, as TF Serving watches it: gets the "
    "next number.",
    flag_values=_FLAGS,
)
_VERIFICATION = image_flags.verification(_FLAGS)
_CALIBRATION = image_flags.calibration(_FLAGS)
_DATA_DIR = shared_flags.data_dir(_FLAGS)


def main() -> int:
    """Exports as the flags say; returns the exit status."""
    with for_people(_JSON.value):
        content = _export()
    if _JSON.value:
        print_json(content)
    return 0 if content["passed"] else 1


def _export() -> dict:
    """What was exported, JSON-ready."""
    # Only now, so that --help and wrong flags need not wait for TensorFlow.
    from bagnet_tf.loading import load_model, model_title, read_labels

    from .answer import verification_answer
    from .exporter import check_output, export_model
    from .formats import check_formats
    from .report import format_table
    from .request import Request
    from .versions import add_version, check_base

    sizes = [_side(text) for text in _FURTHER_IMAGE_SIZES.value]
    has_calibration = _CALIBRATION.dataset.value is not None
    patch_size = _robust_patch_size()
    is_robust = patch_size is not None
    check_formats(_FORMATS.value, sizes, has_calibration, is_robust)
    check_output(_OUTPUT.value, _OVERWRITE.value)
    if _BASE.value is not None:
        check_base(_BASE.value, _FORMATS.value)
    labels = None if _LABELS.value is None else read_labels(_LABELS.value)
    model, info = load_model(_MODEL.value, _IMAGE_SIZE.value, labels)
    calibration, verification = (
        images.images(_DATA_DIR.value, model.input_shape[-1])
        for images in (_CALIBRATION, _VERIFICATION)
    )
    request = Request(
        model,
        info,
        calibration,
        precision=_PRECISION.value,
        input_type=_INPUT_TYPE.value,
        robust_patch_size=patch_size,
        model_name=_MODEL_NAME.value or model_title(_MODEL.value),
    )
    try:
        result = export_model(
            request,
            _OUTPUT.value,
            _FORMATS.value,
            verification,
            sizes,
            _OVERWRITE.value,
        )
    except RuntimeError as error:  # Of the check of a file, or of a kit.
        print(f"Nothing was exported: {error}")
        return {"output": None, "passed": False, "problem": str(error)}
    content = {
        "output": _OUTPUT.value if result.passed else None,
        "passed": result.passed,
        "artefacts": verification_answer(result.verifications, result.sizes),
    }
    print(format_table(result.verifications, result.sizes))
    if not result.passed:
        print("Nothing was exported: a file disagrees with the model.")
        return content
    print(f"Exported to {_OUTPUT.value}")
    if _BASE.value is not None:
        version = add_version(_OUTPUT.value, _BASE.value)
        print(f"Added as {version}")
        content["saved_model_version"] = str(version)
    return content


def _robust_patch_size() -> tuple[int, int] | None:
    from bagnet_tf.commands.certify_text import parsed_size

    text = _ROBUST_PATCH_SIZE.value
    return None if text is None else parsed_size(text, "robust_patch_size")


def _side(text: str) -> tuple[int, int]:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            "further_image_sizes must be sides in pixels, such as 160,224. "
            f"Received: further_image_sizes={text!r}"
        )
    return int(text), int(text)


def run() -> None:
    """The command."""
    run_command(main, "export", _FLAGS)


if __name__ == "__main__":
    run()
