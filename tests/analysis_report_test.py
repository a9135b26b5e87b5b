"""Is a report one page that needs nothing else and says what was found?"""

import html.parser
import json
import pathlib
import tempfile

from absl.testing import absltest

from bagnet_tf.analysis.report import numbers_of
from bagnet_tf.analysis.report_page import Section, render_page
from bagnet_tf.analysis.runner import run_experiment
from bagnet_tf.datasets import image_source
from bagnet_tf.model_info import ModelInfo
from tests.small_models import tiny_model


class _Page(html.parser.HTMLParser):
    """Collects what a page refers to, its headings, and open elements."""

    def __init__(self, text):
        super().__init__()
        self.references, self.ids, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.references += [attrs[k] for k in ("src", "href") if k in attrs]
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


def _section(**changes):
    facts = {
        "name": "an-experiment",
        "description": "What <it> & that shows.",
        "figures": ["AAAA", "BBBB"],
        "numbers": [("accuracy", 0.123456)],
        "header": ["class", "value"],
        "rows": [["<b>cat</b>", "0.5"]],
        "command": "python -m it --model='a b'",
        "versions": {"keras": "3"},
    }
    return Section(**(facts | changes))


class PageTest(absltest.TestCase):
    def test_nothing_is_outside_of_the_page(self):
        page = _Page(render_page("Title", {"Model": "m"}, [_section()]))
        self.assertEmpty(page.open)
        self.assertLen(page.references, 3)
        for reference in page.references:
            self.assertRegex(reference, r"^(data:image/png;base64,|#)")
        self.assertIn("an-experiment", page.ids)

    def test_text_is_no_markup(self):
        text = render_page("<i>", {"<k>": "<v>"}, [_section()])
        for markup in ("<i>", "<k>", "<v>", "<b>", "<it>"):
            self.assertNotIn(markup, text)
        self.assertIn("&lt;b&gt;cat", text)
        self.assertIn("--model=&#x27;a b&#x27;", text)

    def test_numbers_are_short(self):
        text = render_page("t", {}, [_section()])
        self.assertIn('<td class="number">0.1235</td>', text)

    def test_light_and_dark_and_narrow(self):
        text = render_page("t", {}, [_section()])
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertIn("width=device-width", text)

    def test_long_tables_say_that_they_are_cut(self):
        rows = [[str(i), str(i)] for i in range(100)]
        text = render_page("t", {}, [_section(rows=rows)])
        self.assertIn("Table (the first 60 of 100)", text)
        self.assertNotIn(">60</td>", text)

    def test_what_could_not_be_run(self):
        text = render_page("t", {}, [Section("x", "y", problem="too <small>")])
        self.assertIn("Could not be run: too &lt;small&gt;", text)

    def test_numbers_of_a_nested_summary(self):
        found = numbers_of({"a": 1, "b": {"c": 2.5, "d": [3]}, "e": "word"})
        self.assertEqual(found, [("a", 1), ("b › c", 2.5), ("e", "word")])

    def test_intervals_are_numbers(self):
        found = numbers_of({"a": {"interval95": [0.123456, 12.0]}, "b": [1, 2]})
        self.assertEqual(found, [("a › interval95", "0.1235 to 12")])
        self.assertEmpty(numbers_of({"interval95": None}))

    def test_short_tables_are_open(self):
        for count, state in ((12, "<details open>"), (13, "<details>")):
            rows = [["a", "1"]] * count
            text = render_page("t", {}, [_section(numbers=(), rows=rows)])
            self.assertIn(f"{state}<summary>Table", text)

    def test_arguments_stay_whole(self):
        command = "python -m it --a='b c' --some-thing=x"
        text = render_page("t", {}, [_section(command=command)])
        self.assertIn(
            "<pre><span>python -m it</span> <span>--a=&#x27;b c&#x27;</span> "
            "<span>--some-thing=x</span></pre>",
            text,
        )


class ReportTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        temporary = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(temporary)
        self.source = image_source("glyphs")
        model, self.path = tiny_model(classes=10), self.folder / "tiny.keras"
        model.save(self.path)
        ModelInfo((64, 64), self.source.labels).save(model, self.path)

    def _report(self, **options):
        defaults = {"methods": ("random",), "masked_patches": (1,)}
        written = run_experiment(
            "report",
            str(self.path),
            self.source,
            self.folder / "out",
            num_images=3,
            options=defaults | options,
            overwrite=True,
        )
        return written.files["page"].read_text(encoding="utf-8")

    def test_experiments_are_run_once(self):
        text = self._report(experiments=("attribution",))
        page = _Page(text)
        self.assertEqual(page.ids, ["attribution"])
        self.assertIn("--num_images=3", text)
        self.assertIn("--masked_patches=1", text)
        file = self.folder / "out" / "attribution.json"
        before = file.stat().st_mtime_ns
        self._report(experiments=("attribution",))
        self.assertEqual(file.stat().st_mtime_ns, before)
        # Another option is another experiment.
        self._report(experiments=("attribution",), masked_patches=(2,))
        found = json.loads(file.read_text())["summary"]["masked_patches"]
        self.assertEqual(found, [0, 2])
        # So is another model of the same name.
        before = file.stat().st_mtime_ns
        tiny_model(classes=10, name="other").save(self.path)
        self._report(experiments=("attribution",), masked_patches=(2,))
        self.assertNotEqual(file.stat().st_mtime_ns, before)

    def test_what_cannot_be_run_is_an_error_where_it_was_asked_for(self):
        with self.assertRaisesRegex(ValueError, "experiments must be among"):
            self._report(experiments=("error-agreement",))
        with self.assertRaisesRegex(ValueError, "methods must be among"):
            self._report(experiments=("attribution",), methods=("nothing",))


if __name__ == "__main__":
    absltest.main()
