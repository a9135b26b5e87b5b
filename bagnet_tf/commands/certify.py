r"""Proves how many decisions no patch can change, wherever it is stuck.

Examples:
    python -m bagnet_tf.commands.certify --model=runs/glyphs/model.keras \
        --dataset=glyphs --patch_size=4,8 --output=certified.json
    python -m bagnet_tf.commands.certify --patch_logits=stored \
        --patch_size=16,24x32 --defense=double_masking,masking:threshold=0.3
    python -m bagnet_tf.commands.certify --model=imagenette \
        --dataset=imagenette/320px-v2 --patch_size=10 \
        --defense=clipping:clip=5,voting --gauge_split=train[:1000]

Prints, and writes as JSON, clean and certified accuracy of each defence and
patch size. A certificate is of the *defence's* decision: the plain decision
has none. --patch_size is in pixels of the model's input, SIDE or HEIGHTxWIDTH;
smaller patches are certified too. --defense takes NAME or
NAME:SETTING=VALUE[:SETTING=VALUE]; docs/certification.md says which there are.
--patch_logits reads what train.evaluate --store_patch_logits has written.
Exit status: 0, or 2 for a mistake in the arguments.
"""

from absl import flags

from bagnet_tf.certification.defenses import DEFENSES
from bagnet_tf.commands import shared_flags
from bagnet_tf.commands.certify_text import (
    certified_table,
    parsed_defense,
    parsed_size,
)
from bagnet_tf.commands.entry import run_command
from bagnet_tf.commands.flag_mistakes import must_be_given
from bagnet_tf.commands.json_answer import for_people, print_json
from bagnet_tf.commands.output_file import checked_output
from bagnet_tf.version import library_versions

_FLAGS = flags.FlagValues()
_MODEL = shared_flags.model(_FLAGS, required=False)
_DATASET = shared_flags.dataset(_FLAGS, required=False)
_SPLIT = shared_flags.split(_FLAGS)
_DATA_DIR = shared_flags.data_dir(_FLAGS)
_IMAGE_SIZE = shared_flags.image_size(_FLAGS)
_SKIP_CORRUPT = shared_flags.skip_corrupt(_FLAGS)
_BATCH_SIZE = shared_flags.batch_size(_FLAGS)
_PATCH_LOGITS = flags.DEFINE_string(
    "patch_logits",
    None,
    "Instead of --model and --dataset: folder of stored patch logits.",
    flag_values=_FLAGS,
)
_PATCH_SIZE = flags.DEFINE_list(
    "patch_size",
    None,
    "Sizes of patches, each SIDE or HEIGHTxWIDTH, pixels of the input.",
    required=True,
    flag_values=_FLAGS,
)
_DEFENSE = flags.DEFINE_list(
    "defense",
    "double_masking,masking",
    f"Defences, each NAME or NAME:SETTING=VALUE; of {', '.join(DEFENSES)}.",
    flag_values=_FLAGS,
)
_GAUGE_SPLIT = flags.DEFINE_string(
    "gauge_split",
    None,
    "With --model: training images on which the gauge of masking and clipping "
    "is fitted, all in memory; by default it stays as it is.",
    flag_values=_FLAGS,
)
_GAUGE_PATCH_LOGITS = flags.DEFINE_string(
    "gauge_patch_logits",
    None,
    "With --patch_logits: folder of stored patch logits of training images, "
    "for the same.",
    flag_values=_FLAGS,
)
_OUTPUT = shared_flags.output_file(_FLAGS)
_JSON = shared_flags.json(_FLAGS)
_OVERWRITE = shared_flags.overwrite(_FLAGS)


def main() -> None:
    """Certifies as the flags say."""
    sizes = [parsed_size(text) for text in _PATCH_SIZE.value]
    defenses = [parsed_defense(text) for text in _DEFENSE.value]
    for name, values in (("patch_size", sizes), ("defense", defenses)):
        if not values or len(set(values)) < len(values):
            raise ValueError(
                f"{name} must be at least one, and all different. "
                f"Received: {name}={','.join(_FLAGS[name].value)}"
            )
    _check_flags()
    output = checked_output(_OUTPUT.value, _OVERWRITE.value)

    from bagnet_tf.files import write_json

    with for_people(_JSON.value):
        content = _certified(sizes, defenses)
        print(certified_table(content))
        if output:
            write_json(output, content)
            print(f"Certificates: {output}")
    if _JSON.value:
        print_json(content)


def _certified(sizes, defenses) -> dict:
    """What was found, JSON-ready."""
    import tqdm

    from bagnet_tf.certification.accuracy import CertifiedAccuracy
    from bagnet_tf.certification.gauge import fit_gauge

    images, training, source = _inputs()
    _check_sizes(sizes, images)
    if training:
        labels, patch_logits = _in_memory(training)
        defenses = [
            fit_gauge(d, patch_logits, labels, sizes, images.geometry)
            if d.has_gauge
            else d
            for d in defenses
        ]
    accuracy = CertifiedAccuracy(defenses, sizes, images.geometry)
    # None: shown where stderr is a terminal.
    with tqdm.tqdm(total=images.count, unit="image", disable=None) as progress:
        for labels, patch_logits in images.batches():
            accuracy.add(labels, patch_logits)
            progress.update(len(labels))
    geometry = images.geometry
    return {
        **images.facts,
        "geometry": {
            "receptive_field": geometry.receptive_field,
            "stride": geometry.stride,
            "grid_shape": list(geometry.grid_shape(*images.image_size)),
        },
        "gauge_fitted_on": training and training.facts,
        "skipped": source.skipped if source else {},
        "versions": library_versions(),
        **accuracy.result(),
    }


def _inputs():
    """Patch logits to certify, those to fit on or None, source or None."""
    from bagnet_tf.certification.reading import ModelPatchLogits, stored

    if _PATCH_LOGITS.value is not None:
        images = stored(_PATCH_LOGITS.value)
        training = None
        if _GAUGE_PATCH_LOGITS.value is not None:
            training = stored(_GAUGE_PATCH_LOGITS.value)
            _check_training(images, training)
        return images, training, None
    model = ModelPatchLogits(
        _MODEL.value,
        _DATASET.value,
        _DATA_DIR.value,
        _IMAGE_SIZE.value,
        _SKIP_CORRUPT.value,
        _BATCH_SIZE.value,
    )
    images, training = model.of(_SPLIT.value), None
    if _GAUGE_SPLIT.value is not None:
        training = model.of(_GAUGE_SPLIT.value)
        _check_disjoint(model.source)
    return images, training, model.source


def _in_memory(training):
    import numpy as np

    labels, patch_logits = zip(*training.batches(), strict=True)
    return np.concatenate(labels), np.concatenate(patch_logits)


def _check_disjoint(source) -> None:
    """Nothing is fitted on what is reported."""
    for one in source.ranges(_SPLIT.value):
        for two in source.ranges(_GAUGE_SPLIT.value):
            apart = one.stop <= two.start or two.stop <= one.start
            if one.split == two.split and not apart:
                raise ValueError(
                    "gauge_split must share no images with split. Received: "
                    f"gauge_split={_GAUGE_SPLIT.value!r}, "
                    f"split={_SPLIT.value!r}"
                )


def _check_training(images, training) -> None:
    same = [
        images.facts[key] == training.facts[key]
        for key in ("model", "image_size", "dataset", "split")
    ]
    if not all(same[:2]) or images.geometry != training.geometry:
        rule = "be of the same model at the same size"
    elif all(same[2:]):
        rule = "be of another split"
    else:
        return
    raise ValueError(
        f"gauge_patch_logits must {rule}. "
        f"Received: {training.facts}, to fit for {images.facts}"
    )


def _check_flags() -> None:
    stored = _PATCH_LOGITS.value is not None
    if stored == (_MODEL.value is not None):
        raise ValueError(
            "Either --model (with --dataset) or --patch_logits must be given. "
            f"Received: model={_MODEL.value!r}, "
            f"patch_logits={_PATCH_LOGITS.value!r}"
        )
    if stored:
        foreign = "dataset", "split", "data_dir", "image_size", "skip_corrupt"
        foreign += "batch_size", "gauge_split"
    else:
        foreign = ("gauge_patch_logits",)
        if _DATASET.value is None:
            raise ValueError(must_be_given(["dataset"]))
    for name in foreign:
        if _FLAGS[name].present:
            given = "patch_logits" if stored else "model"
            raise ValueError(
                f"--{name} has no effect with --{given}: leave it out. "
                f"Received: {name}={_FLAGS[name].value}"
            )


def _check_sizes(sizes, images) -> None:
    for size in sizes:
        if any(s > i for s, i in zip(size, images.image_size, strict=True)):
            raise ValueError(
                "patch_size must fit into the image, {}x{} pixels. "
                "Received: patch_size={}x{}".format(*images.image_size, *size)
            )


def run() -> None:
    """Entry point of `bagnet-certify`."""
    run_command(main, "certify", _FLAGS)


if __name__ == "__main__":
    run()
