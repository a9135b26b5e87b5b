"""What is in the pages of the documentation? Files, blocks and links."""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]+) -->\s*\Z")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: As the fence names it; may be empty.
        text: What is between the fences.
        line: Of the first fence, counted from 1.
        not_run: Why it does not run; empty if it does.
    """

    language: str
    text: str
    line: int
    not_run: str


def pages() -> list[pathlib.Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: pathlib.Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    content = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(content):
        before = content[: match.start()]
        reason = _NOT_RUN.search(before)
        lines = match["text"].splitlines()
        text = "\n".join(line.removeprefix(match["indent"]) for line in lines)
        found.append(
            Block(
                match["language"],
                text + "\n",
                before.count("\n") + 1,
                reason["reason"] if reason else "",
            )
        )
    return found


def prose(page: pathlib.Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))
