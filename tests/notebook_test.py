"""Does the notebook run from top to bottom, and show what it then shows?"""

import base64
import contextlib
import io
import json
import tempfile

from absl.testing import absltest
from PIL import Image

from tests.documents import DOCS

_NOTEBOOK = DOCS / "notebook.ipynb"
_LARGEST_BYTES = 300_000


def _code_cells():
    cells = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


class NotebookTest(absltest.TestCase):
    def test_cells_run(self):
        cells = ["".join(cell["source"]) for cell in _code_cells()]
        printed, names = io.StringIO(), {"__name__": "__main__"}
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.chdir(folder),
            contextlib.redirect_stdout(printed),
        ):
            for cell in cells:
                exec(compile(cell, _NOTEBOOK.name, "exec"), names)
        # Words only: the last digits depend on the processor.
        stored = [
            "".join(output["text"])
            for cell in _code_cells()
            for output in cell["outputs"]
            if output["output_type"] == "stream"
        ]
        self.assertEqual(
            [line.split()[0] for line in printed.getvalue().splitlines()],
            [line.split()[0] for line in "".join(stored).splitlines()],
        )

    def test_stored_outputs(self):
        self.assertLess(_NOTEBOOK.stat().st_size, _LARGEST_BYTES)
        counts = [cell["execution_count"] for cell in _code_cells()]
        self.assertEqual(counts, list(range(1, len(counts) + 1)))
        pictures = [
            output["data"]["image/png"]
            for cell in _code_cells()
            for output in cell["outputs"]
            if "image/png" in output.get("data", ())
        ]
        self.assertNotEmpty(pictures)
        for picture in pictures:
            Image.open(io.BytesIO(base64.b64decode(picture))).verify()


if __name__ == "__main__":
    absltest.main()
