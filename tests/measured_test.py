"""Does the documentation say what was measured?"""

import json
import pathlib
import re
import tempfile

from absl.testing import absltest, parameterized

import bagnet_tf
from tests import measured
from tests.documents import DOCS, ROOT, pages, prose

_SCORES = {"top1": "top-1", "top5": "top-5"}
# Tables of these pages have tests of their own.
_OTHERS = ("imagenette.md", "published.md")
_MARK = r"(?:^<!-- (?P<mark>[\w ]+): [^>]+ -->\n\n?)?"
_TABLE = re.compile(_MARK + r"(?P<text>(?:^\|.*\n)+)", re.MULTILINE)
_PARAGRAPH = re.compile(
    _MARK + r"(?P<text>(?:^(?![|#<]).*\S.*\n)+)", re.MULTILINE
)
# What a number may have come from: a file of results, nothing but thought or
# another's publication, a look by hand.
_MARKS = "measured", "not measured", "not kept"
_QUANTITY = re.compile(
    r"\d(?: ?%| (?:ms|s|seconds|minutes|hours|images/s|Mpixel/s|MB|MiB|GB)\b)"
    r"|\d\.\d+ times|\d (?:times|points)\b"
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
            records = [r for f in block.files for r in measured.records_of(f)]
            groups = measured.shown_numbers(block.text)
            self.assertNotEmpty(groups, block.text)
            wrong = [g for g in groups if not measured.are_in_one(g, records)]
            self.assertEmpty(wrong, block.text)

    @parameterized.named_parameters(
        (str(p.relative_to(ROOT)), p) for p in pages() if p.name not in _OTHERS
    )
    def test_tables_of_numbers_name_their_files(self, page):
        for table in _TABLE.finditer(prose(page)):
            if _is_of_numbers(table["text"]):
                self.assertIn(table["mark"], _MARKS, table["text"])

    @parameterized.named_parameters(
        (str(p.relative_to(ROOT)), p) for p in pages()
    )
    def test_sentences_with_quantities_name_their_files(self, page):
        for paragraph in _PARAGRAPH.finditer(prose(page)):
            text = measured.without_names(paragraph["text"])
            if _QUANTITY.search(text):
                self.assertIn(paragraph["mark"], _MARKS, paragraph["text"])

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


class PublishedTest(absltest.TestCase):
    def test_numbers_of_the_published_weights(self):
        page = (DOCS / "presets" / "published.md").read_text()
        rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \|", page, re.MULTILINE)
        self.assertLen(rows, 6)
        for name, scores in rows:
            top1, top5 = re.findall(r"[\d.]+", scores)
            metrics = bagnet_tf.preset_info(name).metrics
            for text, score in (
                (top1, metrics["top1"]),
                (top5, metrics["top5"]),
            ):
                digits = len(text.partition(".")[2])
                self.assertAlmostEqual(
                    float(text), 100 * score, delta=0.51 * 10**-digits
                )


class PresetCardTest(parameterized.TestCase):
    """The card's numbers against the record that ships."""

    def setUp(self):
        super().setUp()
        folder = ROOT / "bagnet_tf" / "presets_data"
        self.record = json.loads((folder / "imagenette.json").read_text())
        self.card = (DOCS / "presets" / "imagenette.md").read_text()

    def _row(self, name):
        [row] = re.findall(rf"^\| {name} \| (.*) \|$", self.card, re.MULTILINE)
        return [cell.strip() for cell in row.split("|")]

    @parameterized.parameters(*_SCORES.items())
    def test_accuracy(self, key, name):
        score = self.record["evaluation"][key]
        low, high = score["interval95"]
        self.assertEqual(
            self._row(name),
            [f"{score['value']:.1%}".replace("%", " %")]
            + [f"{low:.1%} to {high:.1%}".replace("%", " %")],
        )

    def test_classes(self):
        accuracies = self.record["evaluation"]["per_class_accuracy"]
        labels = self.record["labels"]
        for label, accuracy in zip(labels, accuracies, strict=True):
            text = f"{accuracy:.1%}".replace("%", " %")
            self.assertEqual(self._row(label)[1], text)

    def test_file_and_training(self):
        record = self.record
        size = f"{record['file']}, {record['bytes']:,} bytes"
        self.assertEqual(self._row("file"), [size])
        self.assertEqual(self._row("SHA-256"), [f"`{record['sha256']}`"])
        parameters = [f"{record['parameters']:,}"]
        self.assertEqual(
            self._row("parameters, with batch statistics"), parameters
        )
        epochs = record["training"]["config"]["epochs"]
        best = record["training"]["best_epoch"]
        self.assertEqual(
            self._row("epochs"), [f"{epochs}, of which the best is {best}"]
        )


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
        found = measured.are_in_one([shown], [{2.0, number}])
        self.assertEqual(found, right)

    def test_together(self):
        """The numbers of one cell are of one record."""
        records = [{0.5, 0.4, 0.6}, {0.7, 0.65, 0.75}]
        self.assertTrue(measured.are_in_one(["70", "65", "75"], records))
        self.assertFalse(measured.are_in_one(["70", "40", "75"], records))

    def test_which_are_shown(self):
        table = (
            "| BagNet-33 | 7 px | so |\n|---|---|---|\n"
            "| int8, 3 | **2.5** (1.0e-7) | `--n=9`, 1,680; 4 |\n"
        )
        shown = measured.shown_numbers(table)
        self.assertEqual(shown, [["2.5", "1.0e-7"], ["1,680"], ["4"]])
        text = "A BagNet-33 in float32: .47 (.38\nto .55), 95 % intervals, −3."
        self.assertEqual(
            measured.shown_numbers(text), [[".47", ".38", ".55"], ["−3"]]
        )

    def test_of_a_file(self):
        content = {
            "rows": [{"a": 1.5, "b": None, "c": True, "d": [2, 3]}],
            "top1": {"value": 0.5, "deep": {"low": 0.4}},
            "t": "224 px",
        }
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "results.json")
            file.write_text(json.dumps(content))
            self.assertCountEqual(
                measured.records_of(file),
                [{1.5, 2.0, 3.0}, {0.5}, {0.4}, {224.0}],
            )


if __name__ == "__main__":
    absltest.main()
