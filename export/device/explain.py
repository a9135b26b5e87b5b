r"""Explains a photo by a .tflite file, on a device without TensorFlow.

Examples:
    python -m export.device.explain --image=cat.jpg --output=explained.png \
        --model=exported/litert/model_dynamic.tflite

Needs ai-edge-litert, NumPy, Pillow and absl-py. The file's hash is checked
against the export's metadata.json; it runs once, and what it says is drawn:
the photo as the model sees it and the evidence for the most probable classes.
Exit status: 0, or 2 for a mistake in the arguments or files.
"""

import os
import pathlib

import numpy as np
from absl import flags
from PIL import Image

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.classes import find_classes
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.json_answer import for_people, print_json
from bagnet_tf.commands.output_file import checked_output
from bagnet_tf.patch_evidence import most_probable

from ..client.decision import decide, probabilities
from ..client.metadata import Metadata, read_metadata
from ..client.photos import evaluation_image, read_photo
from ..client.picture import draw_evidence
from .litert_model import LiteRTModel, metadata_of

_FLAGS = flags.FlagValues()
_MODEL = flags.DEFINE_string(
    "model",
    None,
    "A .tflite file of an export.",
    required=True,
    flag_values=_FLAGS,
)
_IMAGE = flags.DEFINE_string(
    "image", None, "The image file.", required=True, flag_values=_FLAGS
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "The picture to write, such as explained.png.",
    required=True,
    flag_values=_FLAGS,
)
_METADATA = flags.DEFINE_string(
    "metadata",
    None,
    "The metadata.json of the export, or its folder; by default the one in "
    "the model's folder or that above.",
    flag_values=_FLAGS,
)
_CLASS_IDS = shared_flags.class_ids(_FLAGS)
_NUM_THREADS = flags.DEFINE_integer(
    "num_threads",
    None,
    "Number of threads; by default LiteRT's choice.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_JSON = shared_flags.json(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)


def main() -> None:
    """Explains the image as the flags say."""
    output = pathlib.Path(_OUTPUT.value)
    _check_output(output)
    if _METADATA.value is None:
        metadata = metadata_of(_MODEL.value)
    else:
        metadata = read_metadata(_METADATA.value)
    chosen = find_classes(_CLASS_IDS.value, metadata.labels)
    photo = read_photo(_IMAGE.value)
    model = LiteRTModel(_MODEL.value, metadata, _NUM_THREADS.value)
    image = evaluation_image(photo, model.input_size, metadata.channels)
    logits, patch_logits = model(image)
    class_ids = chosen or most_probable(logits[None])[0].tolist()
    picture = draw_evidence(
        image,
        patch_logits,
        metadata,
        class_ids,
        logits,
        source=pathlib.Path(_IMAGE.value).name,
    )
    _write(picture, output)
    content = _numbers(logits, class_ids, metadata)
    with for_people(_JSON.value):
        print(_summary(content))
        print(f"Picture: {output}")
    if _JSON.value:
        print_json(content)


def _check_output(output: pathlib.Path) -> None:
    """Refuses, before any work, what could not be written."""
    extensions = Image.registered_extensions()
    if extensions.get(output.suffix.lower()) not in Image.SAVE:
        raise ValueError(
            "output must end like a picture, such as .png. "
            f"Received: output={str(output)!r}"
        )
    checked_output(str(output), _OVERWRITE.value)
    for name in (_IMAGE.value, _MODEL.value):
        if output.resolve() == pathlib.Path(name).resolve():
            raise ValueError(
                "output must be neither the image nor the model. "
                f"Received: output={str(output)!r}"
            )


def _write(picture: Image.Image, output: pathlib.Path) -> None:
    """Whole or not at all."""
    temporary = output.with_name(f".{os.getpid()}-{output.name}")
    try:
        picture.save(temporary)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


def _numbers(
    logits: np.ndarray, class_ids: list[int], metadata: Metadata
) -> dict:
    """The decision, and each class that is drawn; JSON-ready."""
    verdict = decide(logits, metadata)
    found = probabilities(logits, metadata.head)
    return {
        "model": _MODEL.value,
        "image": _IMAGE.value,
        "picture": _OUTPUT.value,
        "verdict": f"{verdict.title} ({verdict.detail})",
        "classes": [
            {
                "class_id": class_id,
                "label": metadata.labels[class_id],
                "probability": float(found[class_id]),
                "logit": float(logits[class_id]),
            }
            for class_id in class_ids
        ],
    }


def _summary(content: dict) -> str:
    """The same in a line, and one for each class that is drawn."""
    lines = [
        f"  p = {shown['probability']:.3f}, logit {shown['logit']:.3f}: "
        f"{shown['label']}"
        for shown in content["classes"]
    ]
    return "\n".join([content["verdict"], *lines])


def run() -> None:
    """The command."""
    run_command(main, "explain-litert", _FLAGS, uses_tensorflow=False)


if __name__ == "__main__":
    run()
