"""Is what the documentation names there: links, commands, flags, code?"""

import copy
import functools
import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from unittest import mock

from absl import flags
from absl.testing import absltest, parameterized

import bagnet_tf
from tests.documents import ROOT, blocks, pages, prose
from train import config_flag

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_FLAG = re.compile(r"(?<![\w-])--([A-Za-z_][\w.]*)")
# Flags that absl has in every command.
_ABSL = {"help", "verbosity"}
# Modules of others that the pages call.
_OTHERS = {"http.server", "venv", "pip", "mkdocs"}


def _anchor(heading):
    """As GitHub and the site make it of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    text = re.sub(r"[^\w\- ]", "", text.lower())
    return text.replace(" ", "-")


def _anchors(page):
    return {_anchor(heading) for heading in _HEADING.findall(prose(page))}


def _links(page):
    text = re.sub(r"`[^`]*`", "", prose(page))
    for target in _LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def _broken_links(page):
    """What a page links to and is not there."""
    broken = []
    for target in _links(page):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists():
            broken.append(target)
        elif anchor and anchor not in _anchors(found):
            broken.append(target)
    return broken


@functools.cache
def _scripts():
    """Modules of the console commands, as in a checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        name: re.sub(r"^bagnet_tf\.(train|export)\b", r"\1", t.split(":")[0])
        for name, t in project["scripts"].items()
    }


@functools.cache
def _make_targets():
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([\w.-]+):", text, re.MULTILINE))


def _command_lines(page):
    """Lines of shell, whole ones: of blocks, and in the text."""
    yield from _shell_lines(page)
    for code in _INLINE.findall(prose(page).replace("\n", " ")):
        yield " ".join(code.split())


def _called(line):
    """What a line of shell calls: ("module", NAME) or ("make", TARGET)."""
    line = line.split(" # ")[0]
    words = line.split()
    if words[:1] == ["make"] and len(words) > 1:
        return "make", words[1]
    if words and words[0] in _scripts():
        return "module", _scripts()[words[0]]
    if words and re.fullmatch(r"bagnet-[a-z-]+", words[0]):
        return "command", words[0]
    match = re.search(r"\bpython3? -m ([\w.]+)", line)
    if match:
        return "module", re.sub(
            r"^bagnet_tf\.(train|export)\b", r"\1", match[1]
        )
    match = re.match(r"python3? (benchmarks/\w+\.py)", line)
    return ("file", match[1]) if match else ("", "")


@functools.cache
def _flags_of(module):
    """Names of a command's flags, with those of absl's in every command."""
    loaded = importlib.import_module(module)
    own = getattr(loaded, "_FLAGS", None)
    if isinstance(own, flags.FlagValues):
        return set(own) | _ABSL
    key_flags = flags.FLAGS.get_key_flags_for_module(module)
    return {flag.name for flag in key_flags} | _ABSL


def _unknown(line):
    """What a line names that is not there, or None."""
    kind, name = _called(line)
    if kind == "make":
        return None if name in _make_targets() else f"make {name}"
    if kind == "file":
        return None if (ROOT / name).is_file() else name
    if kind == "command":
        return name
    if kind != "module" or name in _OTHERS:
        return None
    if not (ROOT / (name.replace(".", "/") + ".py")).is_file():
        return name
    known = _flags_of(name)
    for flag in _FLAG.findall(line):
        if flag.split(".")[0].removeprefix("no") not in known and (
            flag.split(".")[0] not in known
        ):
            return f"--{flag} of {name}"
    return None


def _shell_lines(page):
    """Whole lines of a page's blocks of shell, without what they pipe to."""
    for block in blocks(page):
        if block.language == "sh":
            text = block.text.replace("\\\n", " ")
            for line in text.splitlines():
                yield from re.split(r" [|&;]+ | \d?> ?\S+", line.strip())


def _flag_values(module):
    """A command's flags, to be parsed; of training those of its config."""
    own = getattr(importlib.import_module(module), "_FLAGS", None)
    if isinstance(own, flags.FlagValues):
        return copy.deepcopy(own)
    values = flags.FlagValues()
    config_flag.config(values)
    return values


def _refused(line):
    """Why a command does not take the values of its flags, or None."""
    kind, name = _called(line)
    if kind != "module" or name in _OTHERS or "..." in line:
        return None
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # Quotes that end on another line.
        return None
    arguments = [word for word in words if word.startswith("--")]
    with mock.patch.object(sys, "argv", [name, *arguments]):
        try:
            _flag_values(name)(sys.argv, known_only=name == "train.main")
        except flags.Error as error:
            return f"{line}: {error}"
    return None


class LinksTest(parameterized.TestCase):
    @parameterized.named_parameters(
        (str(p.relative_to(ROOT)), p) for p in pages()
    )
    def test_internal_links(self, page):
        self.assertEmpty(_broken_links(page))

    def test_site(self):
        """Builds with nothing to complain of."""
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict"]
                + ["--site-dir", folder],
                cwd=ROOT,
                env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(process.returncode, 0, process.stderr)
            site = pathlib.Path(folder)
            reference = "".join(
                page.read_text() for page in (site / "api").glob("*.html")
            )
            for name in bagnet_tf.__all__:
                self.assertRegex(reference, rf'<h2 id="[\w.]+\.{name}"')
            for page in site.rglob("*.html"):
                outside = r'(?:<link[^>]+href|src)="https?://'
                self.assertNotRegex(page.read_text(), outside, page.name)


class CommandsTest(parameterized.TestCase):
    @parameterized.named_parameters(
        (str(p.relative_to(ROOT)), p) for p in pages()
    )
    def test_commands_and_flags(self, page):
        unknown = {_unknown(line) for line in _command_lines(page)} - {None}
        self.assertEmpty(unknown)

    @parameterized.named_parameters(
        (str(p.relative_to(ROOT)), p) for p in pages()
    )
    def test_values_of_flags(self, page):
        refused = {_refused(line) for line in _shell_lines(page)} - {None}
        self.assertEmpty(refused)

    @parameterized.parameters(
        "bagnet-evaluate --model=a --dataset=b --strategy=none",
        "bagnet-certify --dataset=b --store=1",
        "bagnet-explain --model=a --image=b --output=c --top=few",
        "bagnet-train --config=none --workdir=run",
        "python -m train.main --config=glyphs --config.epochs=two",
    )
    def test_that_wrong_values_are_found(self, line):
        self.assertIsNotNone(_refused(line))

    def test_that_lines_are_found(self):
        self.assertIsNone(_unknown("python -m train.main --config.epochs=1"))
        for line in (
            "python -m train.none",
            "python -m train.main --none=1",
            "bagnet-none",
            "bagnet-explain --none",
            "make none",
            "python benchmarks/none.py",
        ):
            self.assertIsNotNone(_unknown(line), line)


if __name__ == "__main__":
    absltest.main()
