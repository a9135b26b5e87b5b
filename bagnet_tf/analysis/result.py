"""What does an experiment find, and how is it written? Whole or not at all."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence

from bagnet_tf.figures import Figure
from bagnet_tf.files import write_csv, write_json, write_text, written_whole

_FORMATS = ("png", "svg")


@dataclasses.dataclass(frozen=True)
class Result:
    """What an experiment finds.

    Attributes:
        figures: Descriptions of its figures, by the end of their file names;
            `""` for the main one, which is `EXPERIMENT.png`.
        rows: The table: dicts of the same keys, which name the columns.
        summary: The numbers, JSON-ready.
        page: A page of HTML, for `EXPERIMENT.html`; or empty.
    """

    figures: Mapping[str, Figure]
    rows: Sequence[Mapping]
    summary: Mapping
    page: str = ""

    def __post_init__(self):
        """Refuses a table without rows, and numbers that are none."""
        if not self.rows:
            raise ValueError("rows must not be empty. Received: rows=[]")
        json.dumps(self.summary, allow_nan=False)


def result_files(
    experiment: str, output: pathlib.Path, figures: Sequence[str]
) -> dict[str, pathlib.Path]:
    """Where the results of an experiment go, by kind.

    Args:
        experiment: Its name.
        output: The folder.
        figures: The ends of its figures' names.
    """
    files = {
        f"{figure}.{kind}": output
        / f"{'-'.join(filter(None, (experiment, figure)))}.{kind}"
        for figure in figures
        for kind in _FORMATS
    }
    return files | {
        "table": output / f"{experiment}.csv",
        "numbers": output / f"{experiment}.json",
    }


def write_result(
    result: Result, experiment: str, output: pathlib.Path, facts: Mapping
) -> dict[str, pathlib.Path]:
    """Draws and writes all files of a result.

    Args:
        result: What was found.
        experiment: Its name, with which all files begin.
        output: The folder, made if it is missing.
        facts: What is known of the run; the JSON file holds it beside the
            summary.

    Returns:
        The files, by kind.
    """
    # matplotlib is slow to import, and only needed at last.
    from bagnet_tf.rendering import render_figure, save_picture

    files = result_files(experiment, output, list(result.figures))
    if result.page:
        files["page"] = output / f"{experiment}.html"
    with written_whole(files) as temporary:
        for name, description in result.figures.items():
            figure = render_figure(description)
            for kind in _FORMATS:
                save_picture(figure, temporary[f"{name}.{kind}"])
        if result.page:
            write_text(temporary["page"], result.page)
        write_csv(temporary["table"], result.rows, list(result.rows[0]))
        write_json(
            temporary["numbers"], dict(facts) | {"summary": result.summary}
        )
    return files
