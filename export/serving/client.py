r"""Explains photos by a model on TensorFlow Serving: a picture for each.

Examples:
    python -m export.serving.client --url=http://localhost:8501 \
        --metadata=exported/metadata.json --image=cat.jpg,dog.png \
        --output=explained

Writes DIR/STEM.png for every image, where STEM is the name of the image's file
without its ending (a second one of the same name becomes STEM-2), and
its numbers in DIR/STEM.json. The picture is drawn from the server's answer
and the export's metadata.json. An address that begins with http:// or
https:// is asked over REST, without TensorFlow; with grpc:// or grpcs:// over
gRPC, which needs the packages of bagnet-tf[serving].

Nothing is asked unless all images can be read. Exit status: 0; 1 if the server
failed (one line says how; pictures of images before stay); 2 for a mistake in
the arguments.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import sys

import numpy as np
from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.classes import find_classes
from bagnet_tf.commands.entry import quieten_tensorflow, run_command
from bagnet_tf.commands.explain_files import check_files, image_files
from bagnet_tf.commands.json_answer import for_people, print_json
from bagnet_tf.files import Files, written_whole
from bagnet_tf.patch_evidence import explanation_of, most_probable
from bagnet_tf.photo_report import Photo, describe, read_photo

from ..client.decision import decide
from ..client.metadata import Metadata, read_metadata
from ..client.picture import draw_evidence
from ..client.signature_names import IMAGE_BYTES, PATCH_LOGITS
from .addresses import parse_address
from .failures import ServerError
from .served_model import Answer, ServedModel
from .uploads import upright_file

_FLAGS = flags.FlagValues()
_URL = flags.DEFINE_string(
    "url",
    None,
    "The server: http://HOST:8501 (REST) or grpc://HOST:8500; https:// and "
    "grpcs:// with TLS.",
    required=True,
    flag_values=_FLAGS,
)
_IMAGE = shared_flags.image(_FLAGS)
_OUTPUT = shared_flags.output_folder(_FLAGS)
_METADATA = flags.DEFINE_string(
    "metadata",
    "metadata.json",
    "The metadata.json of the export that is served, or its folder.",
    flag_values=_FLAGS,
)
_MODEL_NAME = flags.DEFINE_string(
    "model_name",
    None,
    "Name of the model on the server; by default that of the serving kit.",
    flag_values=_FLAGS,
)
_VERSION = flags.DEFINE_integer(
    "version",
    None,
    "Version of the model on the server; by default the latest.",
    lower_bound=0,
    flag_values=_FLAGS,
)
_TIMEOUT = flags.DEFINE_float(
    "timeout",
    30.0,
    "Seconds to wait for an answer.",
    lower_bound=0.001,
    flag_values=_FLAGS,
)
_RETRIES = flags.DEFINE_integer(
    "retries",
    3,
    "How often to ask again where a failure may pass: nothing listens, the "
    "server is busy, or it takes too long.",
    lower_bound=0,
    flag_values=_FLAGS,
)
_CLASS_IDS = shared_flags.class_ids(_FLAGS)
_SEND = flags.DEFINE_enum(
    "send",
    "pixels",
    ["pixels", "bytes"],
    "What the server gets: pixels of the model's size, or the photo's file, "
    "which it decodes and brings to size.",
    flag_values=_FLAGS,
)
_JSON = shared_flags.json(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)

_COMMAND = "client"
_SERVER_ERROR = 1
# Patches in a picture, as `explain` draws by default.
_PATCHES = 5


def main() -> int:
    """Explains the images as the flags say; returns the exit status."""
    targets = _targets()
    metadata = read_metadata(_METADATA.value)
    class_ids = find_classes(_CLASS_IDS.value, metadata.labels) or None
    if parse_address(_URL.value).uses_grpc:
        # Both say on stderr what the one line of an error says already.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        # What is not installed, ServedModel says.
        with contextlib.suppress(ImportError):
            quieten_tensorflow()
    served = ServedModel(
        _URL.value,
        metadata,
        _MODEL_NAME.value,
        _VERSION.value,
        _TIMEOUT.value,
        _RETRIES.value,
    )
    photos = [
        read_photo(path, metadata.input_size, metadata.channels)
        for path in _IMAGE.value
    ]
    contents = []
    try:
        sends_pixels = _SEND.value == "pixels"
        served.check(PATCH_LOGITS if sends_pixels else IMAGE_BYTES)
        for photo, files in zip(photos, targets, strict=True):
            if sends_pixels:
                [answer] = served.predict(photo.image[np.newaxis])
            else:
                [answer] = served.predict_encoded([upright_file(photo.path)])
            content = _numbers(photo, answer, metadata, class_ids)
            with for_people(_JSON.value):
                print(_write(photo, answer, files, metadata, content))
            paths = {kind: str(file) for kind, file in files.items()}
            contents.append(content | {"files": paths})
    except ServerError as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return _SERVER_ERROR
    if _JSON.value:
        print_json({"images": contents})
    return 0


def _targets() -> list[Files]:
    """Where each image's results go; checked."""
    output = pathlib.Path(_OUTPUT.value)
    targets = image_files(_IMAGE.value, output, ["png", "numbers"])
    check_files(
        output,
        [file for target in targets for file in target.values()],
        [*_IMAGE.value, _METADATA.value],
        _OVERWRITE.value,
    )
    return targets


def _write(
    photo: Photo,
    answer: Answer,
    files: Files,
    metadata: Metadata,
    content: dict,
) -> str:
    """Writes one image's results; returns a line about them."""
    picture = draw_evidence(
        answer.image,
        answer.patch_logits,
        metadata,
        [shown["class_id"] for shown in content["classes"]],
        answer.logits,
        "  ·  ".join([pathlib.Path(photo.path).name, _URL.value, *photo.notes]),
        _PATCHES,
    )
    with written_whole(files) as temporary:
        picture.save(temporary["png"])
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        temporary["numbers"].write_text(text + "\n", encoding="utf-8")
    verdict = decide(answer.logits, metadata)
    written = ", ".join(map(str, files.values()))
    return f"{photo.path}: {verdict.title}, {verdict.detail} -> {written}"


def _numbers(photo, answer, metadata, class_ids) -> dict:
    logits = answer.logits[np.newaxis]
    explanation = explanation_of(
        logits,
        answer.patch_logits[np.newaxis],
        most_probable(logits) if class_ids is None else np.array([class_ids]),
        metadata.geometry,
        metadata.head,
        _PATCHES,
    )
    # What the model saw: of a file that the server decoded, its own.
    photo = dataclasses.replace(photo, image=answer.image)
    return {
        "server": _URL.value,
        "model": metadata.model,
        **describe(
            photo, explanation, metadata.labels, 0, None, metadata.thresholds
        ),
    }


def run() -> None:
    """The command."""
    run_command(main, _COMMAND, _FLAGS, uses_tensorflow=False)


if __name__ == "__main__":
    run()
