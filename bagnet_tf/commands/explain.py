r"""Explains a model's decision on photos: a picture and a JSON file for each.

Example:
    python -m bagnet_tf.commands.explain --model=runs/glyphs/model.keras \
        --image=cat.jpg,dog.png --output=explanations

Writes DIR/STEM.png and DIR/STEM.json for every image, where STEM is the
name of the image's file without its ending (a second one of the same name
becomes STEM-2). Drawn is class-centred evidence: patch logits minus their mean
over the classes. Nothing is written unless all images can be read. Exit
status: 0, or 2 for a mistake in the arguments.
"""

import difflib
import itertools
import json
import pathlib
import re
import tempfile
from typing import NamedTuple

from absl import flags

from bagnet_tf.commands.entry import run_command

_FLAGS = flags.FlagValues()
_MODEL = flags.DEFINE_string(
    "model", None, "A .keras file.", required=True, flag_values=_FLAGS
)
_IMAGE = flags.DEFINE_list(
    "image",
    None,
    "Image files, separated by commas.",
    required=True,
    flag_values=_FLAGS,
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder to write to.", required=True, flag_values=_FLAGS
)
_TOP_K = flags.DEFINE_integer(
    "top_k",
    5,
    "Number of patches to show, none overlapping another.",
    lower_bound=1,
    upper_bound=100,
    flag_values=_FLAGS,
)
_CLASSES = flags.DEFINE_list(
    "classes",
    None,
    "Names or ids of the classes to explain, the patches being those of the "
    "first; by default the three most probable ones of each image.",
    flag_values=_FLAGS,
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size",
    None,
    "Side of the input, pixels; by default the model's own.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_LABELS = flags.DEFINE_string(
    "labels",
    None,
    "Text file of class names, one a line; by default the model's own.",
    flag_values=_FLAGS,
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace existing results.", flag_values=_FLAGS
)

# Images explained in one go: bounds memory where there are many classes.
_BATCH_SIZE = 32
# A progress bar is for runs that take longer than a few seconds.
_MANY_IMAGES = 8


class _Target(NamedTuple):
    """Where one image's results go."""

    picture: pathlib.Path
    numbers: pathlib.Path


def main() -> None:
    """Explains the images as the flags say."""
    targets = _targets(_IMAGE.value, pathlib.Path(_OUTPUT.value))
    _check_targets(targets)

    # Slow imports come after the checks that do without them.
    import tqdm

    from bagnet_tf.model_info import load_model, read_labels
    from bagnet_tf.report import read_photo

    labels = read_labels(_LABELS.value) if _LABELS.value else None
    model, info = load_model(_MODEL.value, _IMAGE_SIZE.value, labels)
    class_ids = None
    if _CLASSES.value is not None:
        found = [_class_id(name, info.labels) for name in _CLASSES.value]
        class_ids = list(dict.fromkeys(found))
    photos = [read_photo(path, info.image_size) for path in _IMAGE.value]
    progress = tqdm.tqdm(
        zip(photos, targets, _explained(model, photos, class_ids), strict=True),
        total=len(photos),
        unit="image",
        # None: shown where stderr is a terminal.
        disable=None if len(photos) > _MANY_IMAGES else True,
    )
    for photo, target, (explanation, index) in progress:
        line = _write(photo, target, explanation, info.labels, index)
        tqdm.tqdm.write(line)


def _explained(model, photos, class_ids):
    """Yields for each photo an explanation and the photo's index in it."""
    import numpy as np

    from bagnet_tf.evidence import explain

    for first in range(0, len(photos), _BATCH_SIZE):
        batch = [photo.image for photo in photos[first : first + _BATCH_SIZE]]
        images = np.stack(batch).astype(np.float32)
        explanation = explain(model, images, class_ids, _TOP_K.value)
        if not np.isfinite(explanation.logits).all():
            raise ValueError(
                "model must give finite logits. "
                f"Received: model={_MODEL.value!r}"
            )
        for index in range(len(batch)):
            yield explanation, index


def _write(photo, target, explanation, labels, index) -> str:
    """Writes one image's results; returns a line about them."""
    from bagnet_tf.rendering import render_explanation
    from bagnet_tf.report import describe

    names = pathlib.Path(photo.path).name, pathlib.Path(_MODEL.value).name
    figure = render_explanation(
        photo.image, explanation, labels, index, "  ·  ".join(names)
    )
    content = describe(photo, explanation, labels, index)
    content = {"model": _MODEL.value, **content}
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    # Each row of numbers on one line.
    text = re.sub(
        r"\[\n[^][{}\"]*\]", lambda row: " ".join(row[0].split()), text
    )
    target.picture.parent.mkdir(parents=True, exist_ok=True)
    # Under temporary names, then renamed: nothing half-written.
    with tempfile.TemporaryDirectory(dir=target.picture.parent) as folder:
        picture, numbers = (pathlib.Path(folder, file.name) for file in target)
        figure.savefig(picture)
        numbers.write_text(text + "\n", encoding="utf-8")
        picture.replace(target.picture)
        numbers.replace(target.numbers)
    prediction = content["prediction"]
    return (
        f"{photo.path}: {prediction['label']}, "
        f"p = {prediction['probability']:.3f} -> "
        f"{target.picture}, {target.numbers}"
    )


def _targets(images, output) -> list[_Target]:
    """Where each image's results go; all distinct."""
    if not images:
        raise ValueError("image must name at least one file. Received: image=")
    targets, taken = [], set()
    for image in images:
        stem = pathlib.Path(image).stem
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        targets.append(_Target(output / f"{name}.png", output / f"{name}.json"))
    return targets


def _check_targets(targets):
    output = targets[0].picture.parent
    if output.exists() and not output.is_dir():
        raise ValueError(
            f"output must be a folder. Received: output={str(output)!r}"
        )
    model = pathlib.Path(_MODEL.value)
    inputs = [*_IMAGE.value, model, model.with_suffix(".json")]
    inputs = {pathlib.Path(path).resolve() for path in inputs}
    for file in itertools.chain(*targets):
        if file.resolve() in inputs:
            raise ValueError(
                "output must be a folder where no image and no model is "
                f"replaced. Received: output={str(output)!r} with {file.name}"
            )
        if file.exists() and not _OVERWRITE.value:
            raise ValueError(
                "output has results already; --overwrite replaces them. "
                f"Received: output={str(output)!r} with {file.name}"
            )


def _class_id(name, labels) -> int:
    """The class of this name; of this id, where no class has the name.

    A label may list several names, separated by commas: any of them will do.
    """
    wanted = name.casefold()
    names = [label.casefold() for label in labels]
    matches = [i for i, label in enumerate(names) if label == wanted] or [
        i for i, label in enumerate(names) if wanted in re.split(r",\s*", label)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        hint = f"{name!r} is the name of {matches}: give one of these ids"
    elif wanted.isdecimal():
        if int(wanted) < len(labels):
            return int(wanted)
        hint = f"ids are 0 to {len(labels) - 1}"
    else:
        close = difflib.get_close_matches(wanted, names, cutoff=0.5)
        close = [labels[names.index(label)] for label in close]
        hint = f"close names are {close or list(labels[:3])}"
    raise ValueError(
        f"classes must be names or ids of the model's classes ({hint}). "
        f"Received: classes={name}"
    )


def run() -> None:
    """Entry point of the command."""
    run_command(main, "explain", _FLAGS)


if __name__ == "__main__":
    run()
