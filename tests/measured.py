"""Which numbers of the documentation were measured, and in which files?

A block of a page (a table, or a paragraph) whose numbers were measured has a
line before it that names the committed files that hold them:

    <!-- measured: certification.json, forward.json -->

`docs/results` has these files, as the commands wrote them (folders of the
machine replaced by DIR).
"""

import collections.abc
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
_NAMES = re.compile(r"`[^`]*`|\]\([^)]*\)|\b[A-Za-z]+-\d+|95 % (?=\w*\s*int)")


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


def shown_numbers(text: str) -> list[str]:
    """The numbers of a block, as they are written.

    Not those in code and in names; of a table, not those of its head and its
    first column, which say of what the others are.
    """
    lines = text.splitlines()
    if lines[0].startswith("|"):
        rows = [line.strip().strip("|").split("|")[1:] for line in lines[2:]]
        text = "\n".join(" | ".join(row) for row in rows)
    text = _NAMES.sub(" ", text)
    return [match[0] for match in _NUMBER.finditer(text)]


def numbers_of(file: pathlib.Path) -> set[float]:
    """All numbers in a JSON file, those within its texts too."""
    return set(_numbers(json.loads(file.read_text(encoding="utf-8"))))


def is_among(shown: str, numbers: collections.abc.Set[float]) -> bool:
    """Whether a number, rounded as it is shown, or in percent, is one of them.

    Args:
        shown: As a page writes it: `1,229`, `.85`, `−1.51` or `4.4e-6`.
        numbers: What was measured.
    """
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


def _numbers(content) -> collections.abc.Iterator[float]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(key)
            yield from _numbers(value)
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(value)
    elif isinstance(content, str):
        for text in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", content):
            yield float(text)
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield float(content)
