"""Does the Python of the pages run, and is what they draw right?"""

import codeop
import contextlib
import tempfile
import xml.etree.ElementTree as ElementTree

from absl.testing import absltest, parameterized

import bagnet_tf
from tests.documents import DOCS, blocks, pages


def _not_pasted(text):
    """The first lines that Python's prompt does not take, or None.

    There a body ends with an empty line, and only there. The last line is
    followed by Enter alone, so that it may not be of a body.
    """
    given = []
    for line in text.splitlines():
        given.append(line)
        try:
            if codeop.compile_command("\n".join(given), symbol="single"):
                given = []
        except SyntaxError:
            return "\n".join(given)
    return "\n".join(given) or None


class PagesTest(parameterized.TestCase):
    @parameterized.parameters(
        "index.md",
        "concepts/geometry.md",
        "concepts/decision.md",
        "concepts/heatmaps.md",
        "concepts/certificates.md",
        "../README.md",
    )
    def test_python_runs(self, page):
        text = "".join(
            block.text
            for block in blocks(DOCS / page)
            if block.language == "python" and not block.not_run
        )
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            exec(compile(text, page, "exec"), {"__name__": page})

    def test_python_can_be_pasted(self):
        for page in pages():
            for block in blocks(page):
                # A class with empty lines between its methods is for a file.
                if block.language == "python" and "\nclass " not in block.text:
                    with self.subTest(f"{page.name}:{block.line}"):
                        self.assertIsNone(_not_pasted(block.text))

    @parameterized.parameters(
        "for a in b:\n    print(a)\nprint()\n",
        "f(\n",
        "for a in b:\n    print(a)\n",
        "if a:\n    b\n\nelse:\n",
    )
    def test_that_other_python_is_found(self, text):
        self.assertIsNotNone(_not_pasted(text))

    def test_drawn_patches(self):
        """The figure's boxes are those of the geometry, at 6 units a pixel."""
        geometry = bagnet_tf.PatchGeometry(33, 8)
        figure = ElementTree.parse(DOCS / "images" / "receptive-field.svg")
        drawn = {"patch": [], "seen": [], "cell": []}
        for element in figure.iter("{http://www.w3.org/2000/svg}rect"):
            if element.get("class"):
                drawn[element.get("class")].append(element)
        self.assertLen(drawn["cell"], 5 * 5)
        [seen] = drawn["seen"]
        self.assertEqual(int(seen.get("width")), 6 * (70 - 5))
        self.assertLen(drawn["patch"], 3)
        for patch in drawn["patch"]:
            row, col = int(patch.get("data-row")), int(patch.get("data-col"))
            top, left, bottom, right = geometry.box(row, col)
            self.assertEqual(
                [int(patch.get(k)) for k in ("y", "x", "height", "width")],
                [62 + 6 * top, 40 + 6 * left]
                + [6 * (bottom - top), 6 * (right - left)],
            )


if __name__ == "__main__":
    absltest.main()
