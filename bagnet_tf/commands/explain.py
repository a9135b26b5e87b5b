r"""Explains a model's decision on photos: a picture and a JSON file for each.

Examples:
    python -m bagnet_tf.commands.explain --model=runs/glyphs/model.keras \
        --image=cat.jpg,dog.png --output=explanations

Writes DIR/STEM.png and DIR/STEM.json for every image, where STEM is the
name of the image's file without its ending (a second one of the same name
becomes STEM-2). Drawn is class-centred evidence: patch logits minus their mean
over the classes. A sigmoid head's classes stand each by itself: drawn are their
patch logits, and told is which of them are above their thresholds. A model of
one channel sees photos in grey. On demand also:

    STEM.svg                 --picture_format=png,svg
    STEM-overlay.png         --overlay: evidence on the photo, at its size
    STEM.csv                 --table: what each patch adds to each class
    STEM.npy                 --save_maps: the maps as drawn
    contact-sheet.png        --contact_sheet: all images in one picture
    regions.csv, .json       --regions_threshold: boxes (COCO in the JSON)

--certify_patch_size adds to picture and JSON whether a patch can change the
robust decision.
Boxes are in pixels of the photo as people see it, after EXIF rotation. Nothing
is written unless all images can be read. Exit status: 0, or 2 for a mistake in
the arguments.
"""

import json
import math
import pathlib

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.classes import find_class, find_classes
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.explain_files import (
    RUN_FILES,
    Files,
    check_files,
    image_files,
)
from bagnet_tf.commands.json_answer import for_people, print_json
from bagnet_tf.layout import MAX_SHEET_IMAGES

_FLAGS = flags.FlagValues()
_MODEL = shared_flags.model(_FLAGS)
_IMAGE = shared_flags.image(_FLAGS)
_OUTPUT = shared_flags.output_folder(_FLAGS)
_TOP_K = flags.DEFINE_integer(
    "top_k",
    5,
    "Number of patches to show, none overlapping another.",
    lower_bound=1,
    upper_bound=100,
    flag_values=_FLAGS,
)
_CLASS_IDS = shared_flags.class_ids(_FLAGS)
_IMAGE_SIZE = shared_flags.image_size(_FLAGS)
_LABELS = shared_flags.labels(_FLAGS)
_JSON = shared_flags.json(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)

_STRIDE = flags.DEFINE_integer(
    "stride",
    None,
    "Distance of neighbouring patches in the maps, pixels: 1, 2, 4 or (the "
    "default) that of the model, 8. Below it, maps are padded with zeros and "
    "their mean is not the logit; patches and shares stay those of the "
    "decision.",
    flag_values=_FLAGS,
)
_CONTRAST = flags.DEFINE_list(
    "contrast",
    None,
    "Two classes, A,B: one more map of why A and not B. Explained are then "
    "those of --class_ids and these two.",
    flag_values=_FLAGS,
)
_PICTURE_FORMAT = flags.DEFINE_list(
    "picture_format", "png", "png, svg or both.", flag_values=_FLAGS
)
_OVERLAY = flags.DEFINE_bool(
    "overlay",
    False,
    "Draw the first class's evidence on the photo, at the photo's size.",
    flag_values=_FLAGS,
)
_TABLE = flags.DEFINE_bool(
    "table",
    False,
    "Write a CSV of each patch's contribution to each class; those of a class "
    "add up to its logit.",
    flag_values=_FLAGS,
)
_SAVE_MAPS = flags.DEFINE_bool(
    "save_maps",
    False,
    "Write the maps as drawn, float32 (rows, cols, classes), for NumPy.",
    flag_values=_FLAGS,
)
_CONTACT_SHEET = flags.DEFINE_bool(
    "contact_sheet",
    False,
    "Draw all images and the map of each one's first class in one picture.",
    flag_values=_FLAGS,
)
_REGIONS_THRESHOLD = flags.DEFINE_float(
    "regions_threshold",
    None,
    "Write the regions where a class has more evidence than this in each "
    "patch, logits, of the kind that is drawn.",
    flag_values=_FLAGS,
)
_CERTIFY_PATCH = flags.DEFINE_list(
    "certify_patch_size",
    [],
    "Sizes of patches, SIDE or HEIGHTxWIDTH, pixels of the input: say whether "
    "double masking's decision is proven against them.",
    flag_values=_FLAGS,
)

_FORMATS = ("png", "svg")
# Images explained in one go: bounds memory where there are many classes.
_BATCH_SIZE = 32
# A progress bar is for runs that take longer than a few seconds.
_MANY_IMAGES = 8


def main() -> None:
    """Explains the images as the flags say."""
    _check_flags()
    targets, run_files = _results(pathlib.Path(_OUTPUT.value))
    with for_people(_JSON.value):
        _explain(targets, run_files)
    if _JSON.value:
        print_json(_written(targets, run_files))


def _explain(targets, run_files):
    """Writes the results of all images, and those of the run."""
    # Slow imports come after the checks that do without them.
    import tqdm

    from bagnet_tf.commands.explain_extras import (
        certificates_of,
        dense_maps_of,
    )
    from bagnet_tf.commands.explain_writer import ExplanationWriter
    from bagnet_tf.loading import load_model, read_labels
    from bagnet_tf.photo_report import read_photo

    labels = read_labels(_LABELS.value) if _LABELS.value else None
    model, info = load_model(_MODEL.value, _IMAGE_SIZE.value, labels)
    class_ids, contrast = _classes(info.labels)
    channels = model.input_shape[-1]
    photos = [
        read_photo(path, info.image_size, channels) for path in _IMAGE.value
    ]
    writer = ExplanationWriter(
        _MODEL.value, info, run_files, contrast, _REGIONS_THRESHOLD.value
    )
    explained = _explained(model, info.head, photos, class_ids)
    progress = tqdm.tqdm(
        zip(photos, targets, explained, strict=True),
        total=len(photos),
        unit="image",
        # None: shown where stderr is a terminal.
        disable=None if len(photos) > _MANY_IMAGES else True,
    )
    dense_maps = dense_maps_of(model, info.head, _STRIDE.value)
    certificates = certificates_of(model, info, _CERTIFY_PATCH.value)
    for photo, files, (explanation, index) in progress:
        dense = dense_maps(photo, explanation.class_ids[index])
        proven = certificates(photo.image)
        line = writer.write(photo, files, explanation, index, dense, proven)
        tqdm.tqdm.write(line)
    if summary := writer.finish():
        print(summary)


def _written(targets, run_files) -> dict:
    """What the files of numbers say, and where all files are."""
    images = [
        json.loads(files["numbers"].read_text(encoding="utf-8"))
        | {"files": {kind: str(file) for kind, file in files.items()}}
        for files in targets
    ]
    run = {kind: str(file) for kind, file in run_files.items()}
    return {"images": images, "files": run}


def _check_flags():
    formats = _PICTURE_FORMAT.value
    if not formats or not set(formats) <= set(_FORMATS):
        raise ValueError(
            "picture_format must be png, svg or both. "
            f"Received: picture_format={','.join(formats)}"
        )
    contrast = _CONTRAST.value
    if contrast is not None and len(contrast) != 2:
        raise ValueError(
            "contrast must be two classes. "
            f"Received: contrast={','.join(contrast)}"
        )
    threshold = _REGIONS_THRESHOLD.value
    if threshold is not None and math.isnan(threshold):
        raise ValueError(
            "regions_threshold must be a number of logits. "
            f"Received: regions_threshold={threshold}"
        )
    if _CONTACT_SHEET.value and len(_IMAGE.value) > MAX_SHEET_IMAGES:
        raise ValueError(
            f"contact_sheet must be of at most {MAX_SHEET_IMAGES} images. "
            f"Received: {len(_IMAGE.value)} images"
        )


def _results(output) -> tuple[list[Files], Files]:
    """Where the results of each image go, and those of the run; checked."""
    formats = [kind for kind in _FORMATS if kind in _PICTURE_FORMAT.value]
    kinds = [*formats, "numbers"]
    kinds += ["overlay"] * _OVERLAY.value
    kinds += ["table"] * _TABLE.value + ["maps"] * _SAVE_MAPS.value
    run_kinds = [f"sheet_{kind}" for kind in formats] * _CONTACT_SHEET.value
    if _REGIONS_THRESHOLD.value is not None:
        run_kinds += ["regions_table", "regions"]
    run_files = {kind: output / RUN_FILES[kind] for kind in run_kinds}
    targets = image_files(_IMAGE.value, output, kinds, run_files.values())
    files = [file for target in targets for file in target.values()]
    model = pathlib.Path(_MODEL.value)
    check_files(
        output,
        [*files, *run_files.values()],
        [*_IMAGE.value, model, model.with_suffix(".json")],
        _OVERWRITE.value,
    )
    return targets, run_files


def _classes(labels) -> tuple[list[int] | None, tuple[int, int] | None]:
    """The ids of the classes to explain (None: the most probable), contrast."""
    found, contrast = find_classes(_CLASS_IDS.value, labels), None
    if _CONTRAST.value is not None:
        contrast = tuple(
            find_class(name, labels, "contrast") for name in _CONTRAST.value
        )
        if contrast[0] == contrast[1]:
            raise ValueError(
                "contrast must be two different classes. "
                f"Received: contrast={','.join(_CONTRAST.value)}"
            )
        found += contrast
    elif not found:
        return None, None
    return list(dict.fromkeys(found)), contrast


def _explained(model, head, photos, class_ids):
    """Yields for each photo an explanation and the photo's index in it."""
    import numpy as np

    from bagnet_tf.evidence import explain

    for first in range(0, len(photos), _BATCH_SIZE):
        batch = [photo.image for photo in photos[first : first + _BATCH_SIZE]]
        images = np.stack(batch).astype(np.float32)
        explanation = explain(model, images, class_ids, _TOP_K.value, head)
        if not np.isfinite(explanation.logits).all():
            raise ValueError(
                "model must give finite logits. "
                f"Received: model={_MODEL.value!r}"
            )
        for index in range(len(batch)):
            yield explanation, index


def run() -> None:
    """Entry point of the command."""
    run_command(main, "explain", _FLAGS)


if __name__ == "__main__":
    run()
