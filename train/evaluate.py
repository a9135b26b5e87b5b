r"""Scores a model on a split: accuracy, calibration, confusion, evidence.

Examples:
    python -m train.evaluate --model=runs/glyphs/model.keras \
        --dataset=glyphs --split=validation --output=scores.json
    python -m train.evaluate --model=bagnet33-imagenet \
        --dataset=imagenet_v2/matched-frequency --split=test --json | \
        jq .top1.value
    python -m train.evaluate --model=bagnet33-imagenet --dataset=imagenet_a \
        --split=test --only_present_classes
    python -m train.evaluate --model=runs/glyphs/model.keras \
        --dataset=glyphs --store_patch_logits=stored

Prints a short table and writes all scores as JSON. Where the dataset has
masks of the true evidence (glyphs; a folder with a masks tree), it also
reports how often the centre of the strongest patch lies on them, and with
--masks how well whole evidence maps find them, pixel by pixel. The dataset's
classes may be some of the model's, in any order: then the decision is
restricted to them. docs/evaluation.md says what every score is. Exit status:
0, 2 for a mistake in the arguments, or 75 when another worker was lost.
"""

import contextlib
import dataclasses
import pathlib
import sys

from absl import flags

from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.flag_mistakes import named_by
from bagnet_tf.commands.json_answer import for_people, print_json
from bagnet_tf.commands.output_file import checked_output
from bagnet_tf.version import library_versions

from . import strategy_flags

_FLAGS = flags.FlagValues()
_MODEL = shared_flags.model(_FLAGS)
_DATASET = shared_flags.dataset(_FLAGS)
_SPLIT = shared_flags.split(_FLAGS)
_DATA_DIR = shared_flags.data_dir(_FLAGS)
_OUTPUT = shared_flags.output_file(_FLAGS)
_JSON = shared_flags.json(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)
_IMAGE_SIZE = shared_flags.image_size(_FLAGS)
_SKIP_CORRUPT = shared_flags.skip_corrupt(_FLAGS)
_ONLY_PRESENT_CLASSES = flags.DEFINE_bool(
    "only_present_classes",
    False,
    "Restrict the decision to the classes that occur in the split, as is the "
    "custom for ImageNet-A and -R.",
    flag_values=_FLAGS,
)
_MASKS = flags.DEFINE_bool(
    "masks",
    False,
    "Score the evidence maps against the dataset's masks, and by deletion and "
    "insertion.",
    flag_values=_FLAGS,
)
_POINTING_TOLERANCE = flags.DEFINE_integer(
    "pointing_tolerance",
    15,
    "With --masks: how far from the mask a map's maximum is still a hit, "
    "pixels.",
    lower_bound=0,
    flag_values=_FLAGS,
)
_NUM_CURVE_IMAGES = flags.DEFINE_integer(
    "num_curve_images",
    64,
    "With --masks: how many images get deletion and insertion curves, the "
    "slow part; 0 for none.",
    lower_bound=0,
    flag_values=_FLAGS,
)
_STORE_PATCH_LOGITS = flags.DEFINE_string(
    "store_patch_logits",
    None,
    "Folder to write the patch logits of all images to, for "
    "bagnet_tf.StoredPatchLogits.",
    flag_values=_FLAGS,
)
_PATCH_LOGITS_DTYPE = flags.DEFINE_enum(
    "patch_logits_dtype",
    "float32",
    ["float32", "float16"],
    "With --store_patch_logits: their dtype.",
    flag_values=_FLAGS,
)
_SHARD_SIZE = flags.DEFINE_integer(
    "shard_size",
    512,
    "With --store_patch_logits: images a file; so many are in memory.",
    lower_bound=1,
    flag_values=_FLAGS,
)
_BATCH_SIZE = shared_flags.batch_size(_FLAGS)
_STRATEGY = strategy_flags.strategy(_FLAGS)
_CPU_REPLICAS = strategy_flags.cpu_replicas(_FLAGS)


def main() -> int:
    """Evaluates as the flags say."""
    from .strategies import (
        WORKER_LOST,
        WorkerLostError,
        any_worker,
        is_chief,
        lost_workers_named,
        make_strategy,
    )

    strategy = make_strategy(_STRATEGY.value, _CPU_REPLICAS.value)
    output = None
    if is_chief(strategy):
        output = checked_output(_OUTPUT.value, _OVERWRITE.value)
        _check_stored()
    try:
        with for_people(_JSON.value), lost_workers_named():
            content = _evaluate(strategy, is_chief(strategy))
            if is_chief(strategy):
                _report(content, output)
            any_worker(strategy, lambda: False)()  # All wait for the chief.
    except WorkerLostError:
        print(
            "evaluate: another worker has ended; start all of them again",
            file=sys.stderr,
        )
        return WORKER_LOST
    if _JSON.value and is_chief(strategy):
        print_json(content)
    return 0


def _evaluate(strategy, is_chief: bool) -> dict:
    """The scores, and what they are of, as JSON-ready values."""
    import keras
    import numpy as np

    from bagnet_tf.datasets import image_source
    from bagnet_tf.datasets.classes import (
        OnlyClasses,
        fitted_of,
        matching_classes,
    )
    from bagnet_tf.loading import load_model

    from .evaluation import Evaluator
    from .mask_scores import MaskScoring

    with strategy.scope():
        model, info = load_model(_MODEL.value, _IMAGE_SIZE.value)
    source = image_source(
        _DATASET.value,
        _DATA_DIR.value,
        _SKIP_CORRUPT.value,
        model.input_shape[-1],
    )
    class_ids = matching_classes(info, source)
    num_labels = len(source.labels)
    if _ONLY_PRESENT_CLASSES.value:
        present = np.flatnonzero(source.label_counts(_SPLIT.value)).tolist()
        class_ids = tuple(class_ids[index] for index in present)
        source = OnlyClasses(source, present)
    keras.utils.set_random_seed(0)  # For the untrained network's weights.
    scoring = MaskScoring(_POINTING_TOLERANCE.value, _NUM_CURVE_IMAGES.value)
    evaluate = Evaluator(
        model,
        source,
        info.image_size,
        _BATCH_SIZE.value,
        scoring if _MASKS.value else None,
        info.head,
        strategy,
        class_ids,
    )
    content = {
        "model": _MODEL.value,
        "dataset": _DATASET.value,
        "split": _SPLIT.value,
        "image_size": list(info.image_size),
        "head": info.head,
        "labels": list(source.labels),
        "classes": {
            "scored": len(source.labels),
            "dataset": num_labels,
            "model": len(info.labels),
        },
        "versions": library_versions(),
    }
    with _kept(model, content, is_chief) as keep:
        scores = evaluate(_SPLIT.value, fitted_of(info, class_ids), keep)
    return content | {"skipped": source.skipped} | scores


def _check_stored() -> None:
    """Refuses where patch logits cannot go, before the model is loaded."""
    from bagnet_tf.patch_logits_writer import check_place

    if _STORE_PATCH_LOGITS.value is not None:
        with named_by("store_patch_logits"):
            check_place(
                pathlib.Path(_STORE_PATCH_LOGITS.value).absolute(),
                _OVERWRITE.value,
            )


@contextlib.contextmanager
def _kept(model, facts: dict, is_chief: bool):
    """Gives what takes the patch logits of every batch, if one shall."""
    if _STORE_PATCH_LOGITS.value is None:
        yield None
        return
    if not is_chief:
        yield lambda *batch: None  # It computes them with the others.
        return
    from bagnet_tf.geometry import geometry_of
    from bagnet_tf.patch_logits_writer import PatchLogitsWriter

    geometry = dataclasses.asdict(geometry_of(model))
    with PatchLogitsWriter(
        _STORE_PATCH_LOGITS.value,
        facts | {"geometry": geometry},
        _PATCH_LOGITS_DTYPE.value,
        _SHARD_SIZE.value,
        _OVERWRITE.value,
    ) as writer:
        yield writer.add


def _report(content: dict, output: pathlib.Path | None) -> None:
    """Prints the table and writes the file."""
    from bagnet_tf.files import write_json

    from .scores_table import scores_table

    print(scores_table(content, content["labels"]))
    if output:
        write_json(output, content)
        print(f"Scores: {output}")
    if _STORE_PATCH_LOGITS.value:
        print(f"Patch logits: {_STORE_PATCH_LOGITS.value}")


def run() -> None:
    """Entry point of `bagnet-evaluate`."""
    run_command(main, "evaluate", _FLAGS)


if __name__ == "__main__":
    run()
