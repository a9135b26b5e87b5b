"""How is an experiment run? Checked first, resumed, written whole."""

import importlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras

from bagnet_tf.analysis.classifiers import open_classifiers
from bagnet_tf.analysis.experiments import find_experiment
from bagnet_tf.analysis.options import all_options, checked_options
from bagnet_tf.analysis.partial import PartialResults
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result, result_files, write_result
from bagnet_tf.datasets import ImageSource
from bagnet_tf.files import check_results, sha256_of
from bagnet_tf.version import library_versions


class Written(NamedTuple):
    """What a run leaves.

    Attributes:
        content: Of the JSON file: `experiment`, `command`, `model`,
            `dataset`, ..., and `summary`.
        files: The files, by kind.
    """

    content: dict
    files: dict[str, pathlib.Path]


def run_experiment(
    name: str,
    model: str,
    source: ImageSource,
    output: pathlib.Path,
    split: str = "validation",
    num_images: int | None = None,
    compare: Sequence[str] = (),
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    command: str = "",
) -> Written:
    """Runs one experiment on one model and writes what it finds.

    A run that was interrupted goes on where it was when it is called with the
    same arguments.

    Args:
        name: Of the experiment, see `EXPERIMENTS`.
        model: The model in question: a preset or a `.keras` file.
        source: The dataset.
        output: The folder of the results, made if it is missing.
        split: Which split, in TFDS's grammar.
        num_images: How many of its images, the first ones; `None` for the
            experiment's own number.
        compare: Other classifiers, see `open_classifier`.
        seed: Of everything that is random.
        options: The experiment's own options that shall not be the default.
        overwrite: Whether results that exist, whole or partial, are replaced.
        command: By which it was asked for; the JSON file tells.

    Returns:
        What was written.

    Raises:
        ValueError: If an argument is not as above, or the experiment cannot
            be run with this model or dataset.
        OSError: If weights cannot be downloaded.

    Example:
        >>> source = image_source("glyphs")
        >>> run_experiment("logit-histogram", "m.keras", source, Path("out"))
    """
    experiment = find_experiment(name)
    options = checked_options(name, experiment.options, options or {})
    _check_output(name, output, overwrite)
    _check_source(source)
    _check_compare(name, experiment, [model, *compare])
    facts = {
        "experiment": name,
        "model": model,
        "sha256": _hashes([model, *compare]),
        "dataset": source.name,
        "split": split,
        "num_images": _count(experiment, source, split, num_images),
        "compare": list(compare),
        "seed": seed,
        "versions": library_versions(),
    }
    classifiers = open_classifiers([model, *compare], source)
    facts["options"] = all_options(
        experiment.options, options, [c.image_size for c in classifiers]
    )
    if experiment.needs_patches and classifiers[0].geometry is None:
        raise ValueError(
            f"model must be a BagNet for {name}. Received: model={model!r}"
        )
    file = _partial_file(name, output)
    with PartialResults(file, facts, overwrite) as partial:
        result = _found(experiment, classifiers, source, output, facts, partial)
        content = facts | {"command": command, "skipped": source.skipped}
        partial.begin()
        files = write_result(result, name, output, content)
        partial.remove()
    return Written(content | {"summary": dict(result.summary)}, files)


def _found(experiment, classifiers, source, output, facts, partial) -> Result:
    """What the experiment finds."""
    keras.utils.set_random_seed(facts["seed"])
    classifier, *others = classifiers
    request = AnalysisRequest(
        classifier=classifier,
        source=source,
        split=facts["split"],
        num_images=facts["num_images"],
        output=output,
        compare=tuple(others),
        seed=facts["seed"],
        options=facts["options"],
        partial=partial,
    )
    module = importlib.import_module(f"bagnet_tf.analysis.{experiment.module}")
    return module.run(request)


def _count(experiment, source, split, asked_for) -> int:
    """How many images the experiment takes."""
    available = source.num_examples(split)
    return min(asked_for or experiment.num_images or available, available)


def _check_output(name, output, overwrite) -> None:
    # What a run has left that was killed while it wrote is no result.
    begun = _partial_file(name, output).exists()
    files = result_files(name, output, [""]).values()
    check_results(output, files, overwrite or begun)


def _partial_file(name, output) -> pathlib.Path:
    return output / f"{name}.partial.jsonl"


def _check_source(source) -> None:
    if source.multi_label or source.any_of:
        raise ValueError(
            "dataset must have one class an image. "
            f"Received: dataset={source.name!r}"
        )


def _check_compare(name, experiment, names) -> None:
    compare = names[1:]
    if compare and not experiment.takes_comparison:
        raise ValueError(
            f"{name} compares no models. Received: compare={','.join(compare)}"
        )
    if not compare and experiment.needs_comparison:
        raise ValueError(
            f"{name} needs other classifiers: --compare=PATH_OR_APPLICATION. "
            "Received: compare="
        )
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(
            "compare must be other classifiers than the model, each once. "
            f"Received: {', '.join(twice)} more than once"
        )


def _hashes(names) -> dict[str, str]:
    """Of the classifiers that are files: a new file is another model."""
    paths = {name: pathlib.Path(name.rpartition("@")[2]) for name in names}
    return {
        name: sha256_of(path) for name, path in paths.items() if path.is_file()
    }
