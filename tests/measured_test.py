"""Does the documentation say what was measured?"""

import json
import pathlib
import re
import tempfile

from absl.testing import absltest, parameterized

from tests import measured
from tests.documents import ROOT, pages, prose

# Tables of these pages have tests of their own.
_OTHERS = ("imagenette.md", "published.md")
_TABLE = re.compile(
    r"(?:^<!-- (?P<mark>[\w ]+): [^>]+ -->\n\n?)?(?P<text>(?:^\|.*\n)+)",
    re.MULTILINE,
)


def _is_of_numbers(table):
    """Whether most cells beside its head and first column begin with one."""
    rows = [line.strip("|").split("|")[1:] for line in table.splitlines()[2:]]
    cells = [cell.strip(" *`") for row in rows for cell in row]
    numbers = [cell for cell in cells if re.match(r"[-−≥]?\.?\d", cell)]
    return 2 * len(numbers) > len(cells)


class DocumentsTest(parameterized.TestCase):
    @parameterized.named_parameters(
        (str(p.relative_to(ROOT)), p) for p in pages()
    )
    def test_numbers_are_those_of_the_files(self, page):
        for block in measured.blocks(page):
            numbers = set.union(*map(measured.numbers_of, block.files))
            shown = measured.shown_numbers(block.text)
            self.assertNotEmpty(shown, block.text)
            wrong = [n for n in shown if not measured.is_among(n, numbers)]
            self.assertEmpty(wrong, block.text)

    @parameterized.named_parameters(
        (str(p.relative_to(ROOT)), p) for p in pages() if p.name not in _OTHERS
    )
    def test_tables_of_numbers_name_their_files(self, page):
        for table in _TABLE.finditer(prose(page)):
            if _is_of_numbers(table["text"]):
                self.assertIn(
                    table["mark"], ("measured", "not measured"), table["text"]
                )

    def test_every_file_is_shown(self):
        named = {
            file
            for page in pages()
            for block in measured.blocks(page)
            for file in block.files
        }
        self.assertContainsSubset(measured.RESULTS.glob("*.json"), named)

    def test_files_name_no_machine(self):
        for file in measured.RESULTS.glob("*.json"):
            text = file.read_text(encoding="utf-8")
            self.assertNotRegex(text, r'[ ="](/\w+){2}', file.name)


class NumbersTest(parameterized.TestCase):
    """A number that was changed is found."""

    @parameterized.parameters(
        ("1.29", 1.2871, True),
        ("1.29", 1.2951, False),
        ("84.3", 0.8428, True),
        ("84.4", 0.8428, False),
        (".85", 0.8461, True),
        ("−1.51", -1.509, True),
        ("1.51", -1.509, False),
        ("1,229", 1229.3, True),
        ("1,228", 1229.3, False),
        ("4.4e-6", 4.43e-6, True),
        ("4.5e-6", 4.43e-6, False),
        ("479", 478.6, True),
        ("480", 478.6, False),
    )
    def test_rounded(self, shown, number, right):
        self.assertEqual(measured.is_among(shown, {number}), right)

    def test_which_are_shown(self):
        table = (
            "| BagNet-33 | 7 px | so |\n|---|---|---|\n"
            "| int8, 3 | **2.5** (1.0e-7) | `--n=9`, 1,680 |\n"
        )
        shown = measured.shown_numbers(table)
        self.assertEqual(shown, ["2.5", "1.0e-7", "1,680"])
        text = "A BagNet-33 in float32: .47 (.38 to .55), 95 % intervals, −3."
        self.assertEqual(
            measured.shown_numbers(text), [".47", ".38", ".55", "−3"]
        )

    def test_of_a_file(self):
        content = {"rows": [{"a": 1.5, "b": None, "c": True}], "t": "224 px"}
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "results.json")
            file.write_text(json.dumps(content))
            self.assertEqual(measured.numbers_of(file), {1.5, 224.0})


if __name__ == "__main__":
    absltest.main()
