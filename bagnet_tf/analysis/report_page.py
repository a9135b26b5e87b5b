"""How is a report laid out? One page of HTML that needs nothing else."""

import dataclasses
import html
import re
from collections.abc import Mapping, Sequence

_MOST_ROWS = 60  # Of a table; the CSV file has all.
_MOST_NUMBERS = 60
_FEW = 12  # Rows that are shown without a click.


@dataclasses.dataclass(frozen=True)
class Section:
    """What an experiment found.

    Attributes:
        name: Of the experiment.
        description: What it shows, in one line.
        figures: PNG files, base64.
        numbers: Names and values, of the summary.
        header: Columns of the table.
        rows: The table, as text.
        command: What to type to get the same.
        versions: Of the software, by name.
        problem: Why it could not be run; then there is nothing else.
    """

    name: str
    description: str
    figures: Sequence[str] = ()
    numbers: Sequence[tuple[str, object]] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    command: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    problem: str = ""


_STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --ground: #ffffff;
  --lesser: #5a5a5a; --line: #d8d8d8; --block: #f4f4f2; --link: #00598c; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e6e3;
  --ground: #16181a; --lesser: #a8a6a2; --line: #3a3d40; --block: #212427;
  --link: #7cc4f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 70rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--ground); overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin: 3rem 0 0; padding-top: 1rem;
  border-top: 1px solid var(--line); }
p { max-width: 46rem; }
a { color: var(--link); }
.lesser { color: var(--lesser); }
.wide { overflow-x: auto; margin: 1rem 0; }
.wide img { display: block; width: 100%; min-width: 42rem; background: #fff;
  border-radius: .4rem; }
table { border-collapse: collapse; font-size: .875rem;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--lesser); font-weight: 600; }
td.number { text-align: right; }
pre { background: var(--block); padding: .7rem; border-radius: .4rem;
  overflow-x: auto; font-size: .8125rem; white-space: pre-wrap; }
pre span { display: inline-block; max-width: 100%; }
summary { cursor: pointer; padding: .4rem 0; }
nav ul { padding-left: 1.2rem; }
"""


def render_page(
    title: str, facts: Mapping[str, str], sections: Sequence[Section]
) -> str:
    """Lays out the page.

    Args:
        title: Of the page.
        facts: What is known of the model and the data, by name.
        sections: The experiments, in order.

    Returns:
        HTML without a reference to any other file.
    """
    contents = "".join(
        f'<li><a href="#{html.escape(section.name)}">'
        f"{html.escape(section.name)}</a>: "
        f"{html.escape(section.description)}</li>"
        for section in sections
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n"
        f"{_table((), facts.items())}\n"
        f"<nav><ul>{contents}</ul></nav>\n"
        + "\n".join(map(_section, sections))
        + f"\n{_versions(sections)}\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    name = html.escape(section.name)
    figures = "".join(
        f'<div class="wide" tabindex="0"><img alt="Figure of {name}: '
        f'{html.escape(section.description)}" '
        f'src="data:image/png;base64,{figure}"></div>'
        for figure in section.figures
    )
    heading = (
        f'<section><h2 id="{name}">{name}</h2>\n'
        f"<p>{html.escape(section.description)}</p>\n"
    )
    if section.problem:
        problem = html.escape(section.problem)
        return f"{heading}<p>Could not be run: {problem}</p></section>"
    numbers = section.numbers[:_MOST_NUMBERS]
    return (
        f"{heading}{figures}\n"
        + _folded(
            "Numbers", _table((), numbers), len(numbers), len(section.numbers)
        )
        + _folded(
            "Table",
            _table(section.header, section.rows[:_MOST_ROWS]),
            min(len(section.rows), _MOST_ROWS),
            len(section.rows),
        )
        + '<p class="lesser">Made by (add --data_dir if the dataset is not '
        f"in its default folder):</p><pre>{_command(section.command)}</pre>"
        "</section>"
    )


def _folded(title, table, shown, total) -> str:
    if not total:
        return ""
    rest = f" (the first {shown} of {total})" if shown < total else ""
    state = " open" if total <= _FEW else ""
    return (
        f"<details{state}><summary>{title}{rest}</summary>{table}</details>\n"
    )


def _command(text) -> str:
    """Lines end between arguments: else browsers break after a hyphen."""
    return " ".join(
        f"<span>{html.escape(argument)}</span>"
        for argument in re.split(" (?=--)", text)
    )


def _table(header, rows) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(map(_cell, row))}</tr>" for row in map(tuple, rows)
    )
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return (
        f'<div class="wide" tabindex="0"><table>{head}<tbody>{body}</tbody>'
        "</table></div>"
    )


def _cell(value) -> str:
    text = str(value)
    if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text):
        if not text.lstrip("-").isdigit():
            text = f"{float(text):.4g}"
        return f'<td class="number">{text}</td>'
    return f"<td>{html.escape(text)}</td>"


def _versions(sections) -> str:
    known = next((s.versions for s in sections if s.versions), {})
    words = ", ".join(f"{name} {version}" for name, version in known.items())
    return f'<p class="lesser">{html.escape(words)}</p>'
