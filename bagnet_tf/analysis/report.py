"""What do the experiments together say of one model? One page of HTML.

Runs a chosen set of experiments, each of which also leaves its own files, and
puts their figures and numbers on a page that needs nothing else: it opens from
disk, in light and dark, on a phone too. An experiment whose results are in the
folder already, of the same model and command, is not run again.
"""

import base64
import csv
import json
import pathlib
import shlex
from collections.abc import Mapping

from bagnet_tf.analysis.experiments import (
    EXPERIMENTS,
    OPTIONS,
    Experiment,
)
from bagnet_tf.analysis.report_page import Section, render_page
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.files import sha256_of

_NAME = "report"
_LABELS_SHOWN = 10


def run(request: AnalysisRequest) -> Result:
    """Runs the experiments and writes the page."""
    sections, rows = [], []
    for name in chosen_experiments(request):
        section = _section_of(name, request)
        sections.append(section)
        rows += [
            {"experiment": name, "number": number, "value": value}
            for number, value in section.numbers
        ]
    info = request.info
    facts = {
        "Model": request.classifier.name,
        "Input": f"{info.image_size[0]}×{info.image_size[1]} px",
        "Patches": _patches(request.classifier.geometry),
        "Classes": _listed(info.labels),
        "Dataset": f"{request.source.name}, {request.split}",
        "Compared with": ", ".join(c.name for c in request.compare) or "none",
    }
    page = render_page(
        f"Analyses of {request.classifier.title}", facts, sections
    )
    summary = {"experiments": [section.name for section in sections]}
    return Result({}, rows, summary, page)


def chosen_experiments(request: AnalysisRequest) -> list[str]:
    """The experiments that are asked for, or all that can be run.

    Raises:
        ValueError: If one of them is unknown, or cannot be run.
    """
    possible = [
        name for name, e in EXPERIMENTS.items() if _fits(name, e, request)
    ]
    asked = request.options["experiments"] or possible
    wrong = [name for name in asked if name not in possible]
    if wrong:
        raise ValueError(
            f"experiments must be among {', '.join(possible)}, those that "
            "can be run with this model, with this --compare. "
            f"Received: experiments={','.join(asked)}"
        )
    return [name for name in possible if name in asked]


def _fits(name: str, experiment: Experiment, request: AnalysisRequest) -> bool:
    if name == _NAME or (experiment.needs_comparison and not request.compare):
        return False
    has_patches = request.classifier.geometry is not None
    return has_patches or not experiment.needs_patches


def _section_of(name, request) -> Section:
    """Runs an experiment, if need be.

    What nobody asked for by name and cannot be run is told on the page.
    """
    try:
        content = _done(name, request) or _run(name, request)
    except ValueError as error:
        if request.options["experiments"]:
            raise
        description = EXPERIMENTS[name].description
        return Section(name, description, problem=str(error))
    return _section(name, content, request.output)


def _run(name, request) -> Mapping:
    # The runner runs this module too.
    from bagnet_tf.analysis.runner import run_experiment

    arguments = _arguments(name, request)
    return run_experiment(
        name,
        request.classifier.name,
        request.source,
        request.output,
        split=request.split,
        num_images=arguments["num_images"],
        compare=arguments["compare"],
        seed=request.seed,
        options=arguments["options"],
        overwrite=True,
        command=_command(name, request),
    ).content


def _arguments(name, request) -> dict:
    """The experiment's own number of images, or fewer if so many are there."""
    experiment = EXPERIMENTS[name]
    wanted = experiment.num_images or request.num_images
    compare = [c.name for c in request.compare if experiment.takes_comparison]
    return {
        "num_images": min(wanted, request.num_images),
        "compare": compare,
        "options": {key: request.options[key] for key in experiment.options},
    }


def _command(name, request) -> str:
    arguments = _arguments(name, request)
    words = [
        f"--model={request.classifier.name}",
        f"--dataset={request.source.name}",
        f"--split={request.split}",
        f"--num_images={arguments['num_images']}",
        f"--output={request.output}",
    ]
    if arguments["compare"]:
        words.append(f"--compare={','.join(arguments['compare'])}")
    for key, value in arguments["options"].items():
        default = OPTIONS[key].default
        if isinstance(value, list):
            value, default = tuple(value), tuple(default)
        if value != default:
            shown = (
                ",".join(map(str, value)) if isinstance(value, tuple) else value
            )
            words.append(f"--{key}={shown}")
    if request.seed:
        words.append(f"--seed={request.seed}")
    return f"python -m bagnet_tf.commands.analyze {name} {shlex.join(words)}"


def _done(name, request) -> Mapping | None:
    """What is in the folder, if it is the same."""
    try:
        text = (request.output / f"{name}.json").read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    same = content.get("command") == _command(name, request)
    files = content.get("sha256", {})
    for path, known in files.items():
        file = pathlib.Path(path.rpartition("@")[2])
        same &= file.is_file() and sha256_of(file) == known
    return content if same else None


def _section(name, content, output) -> Section:
    figures = sorted(output.glob(f"{name}.png")) + sorted(
        output.glob(f"{name}-*.png")
    )
    with (output / f"{name}.csv").open(encoding="utf-8", newline="") as table:
        header, *rows = csv.reader(table)
    return Section(
        name=name,
        description=EXPERIMENTS[name].description,
        figures=[
            base64.b64encode(figure.read_bytes()).decode() for figure in figures
        ],
        numbers=numbers_of(content["summary"]),
        header=header,
        rows=rows,
        command=content["command"],
        versions=content["versions"],
    )


def numbers_of(summary: Mapping, before: str = "") -> list[tuple[str, object]]:
    """Single numbers and words of a summary, with the way to each.

    Lists but intervals are left out: they are in the figure and in the JSON
    file.
    """
    found = []
    for key, value in summary.items():
        words = f"{before} › {key}" if before else str(key)
        if isinstance(value, Mapping):
            found += numbers_of(value, words)
        elif isinstance(value, list) and "interval" in key:
            found.append((words, " to ".join(f"{end:.4g}" for end in value)))
        elif not isinstance(value, list | None):
            found.append((words, value))
    return found


def _patches(geometry) -> str:
    if geometry is None:
        return "none"
    side = geometry.receptive_field
    return f"{side}×{side} px, {geometry.stride} apart"


def _listed(labels) -> str:
    rest = ", …" if len(labels) > _LABELS_SHOWN else ""
    return f"{len(labels)}: {', '.join(labels[:_LABELS_SHOWN])}{rest}"
