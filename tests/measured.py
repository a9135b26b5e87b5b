"""Which numbers of the documentation were measured, and in which files?

A block of a page (a table, or a paragraph) whose numbers were measured has a
line before it that names the committed files that hold them:

    <!-- measured: certification.json, forward.json -->

`docs/results` has these files, as the commands wrote them (folders of the
machine replaced by DIR).
"""

import dataclasses
import json
import pathlib
import re

from tests.documents import DOCS

RESULTS = DOCS / "results"

_BLOCK = re.compile(
    r"^<!-- measured: (?P<files>[^>]+) -->\n\n?(?P<text>.+?)\n(?:\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
# Not those of names: BagNet-33, int8, top-1, 95 % intervals.
_NUMBER = re.compile(
    r"(?<![\w.,/@])[-−]?(?P<digits>(?:\d[\d,]*)?\.?\d+)(?:e(?P<power>-?\d+))?"
    r"(?![\w]|[.,]\d)"
)
_SEPARATOR = re.compile(r"[|;/:]|, | of | and ")
_NAMES = re.compile(
    r"`[^`]*`|\]\([^)]*\)|\b[A-Za-z]+-\d+|95 %(?=\s+(?:\w+\s+){0,2}int)"
)


@dataclasses.dataclass(frozen=True)
class Block:
    """A table or a paragraph with measured numbers.

    Attributes:
        page: File it stands in.
        files: Those with its numbers, in `RESULTS`.
        text: What it says.
    """

    page: pathlib.Path
    files: tuple[pathlib.Path, ...]
    text: str


def blocks(page: pathlib.Path) -> list[Block]:
    """The blocks of a page that say where their numbers come from."""
    content = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            tuple(RESULTS / name for name in re.split(r",\s*", m["files"])),
            m["text"],
        )
        for m in _BLOCK.finditer(content)
    ]


def shown_numbers(text: str) -> list[list[str]]:
    """The numbers of a block, as they are written, those together that are said
    together: of a table's cell, or of the part of one between separators.

    Not those in code and in names; of a table, not those of its head and its
    first column, which say of what the others are.
    """
    lines = text.splitlines()
    if lines[0].startswith("|"):
        rows = [line.strip().strip("|").split("|")[1:] for line in lines[2:]]
        lines = ["|".join(row) for row in rows]
    else:
        lines = [" ".join(lines)]
    parts = [part for line in lines for part in _SEPARATOR.split(line)]
    groups = [
        [match[0] for match in _NUMBER.finditer(without_names(part))]
        for part in parts
    ]
    return [group for group in groups if group]


def without_names(text: str) -> str:
    """A text without code, links and the numbers of names."""
    return _NAMES.sub(" ", text)


def records_of(file: pathlib.Path) -> list[set[float]]:
    """The numbers in a JSON file, those within its texts too.

    One set for each object: its own numbers and those of its lists, but not
    those of objects in it.
    """
    found = []
    _add_record(json.loads(file.read_text(encoding="utf-8")), found)
    return [record for record in found if record]


def are_in_one(shown: list[str], records: list[set[float]]) -> bool:
    """Whether numbers, rounded as they are shown, are all of one record.

    Args:
        shown: As a page writes them: `1,229`, `.85`, `−1.51` or `4.4e-6`; a
            share may be in percent.
        records: What was measured.
    """
    return any(
        all(_is_among(one, record) for one in shown) for record in records
    )


def _is_among(shown, numbers) -> bool:
    match = _NUMBER.fullmatch(shown)
    digits = match["digits"].replace(",", "")
    power = int(match["power"] or 0)
    value = float(digits) * 10.0**power
    if shown[0] in "-−":
        value = -value
    decimals = len(digits.partition(".")[2]) - power
    half = 0.5 * 10.0**-decimals * (1 + 1e-9) + 1e-12 * abs(value)
    return any(
        abs(scale * number - value) <= half
        for number in numbers
        for scale in (1, 100)
    )


def _add_record(content, found) -> None:
    """Appends the numbers of an object, and those of all objects in it."""
    numbers = set()
    found.append(numbers)
    left = list(content.items()) if isinstance(content, dict) else [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            _add_record(value, found)
        elif isinstance(value, list | tuple):
            left.extend(value)
        elif isinstance(value, str):
            texts = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", value)
            numbers.update(map(float, texts))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers.add(float(value))
