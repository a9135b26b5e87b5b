"""Does the notebook run in Jupyter's kernel, and show what it then shows?"""

import base64
import io
import os
import tempfile
from unittest import mock

import nbclient
import nbformat
from absl.testing import absltest
from PIL import Image

from tests.documents import DOCS, ROOT

_NOTEBOOK = DOCS / "notebook.ipynb"
_LARGEST_BYTES = 300_000
_SECONDS = 600  # Of a cell, on a busy machine.


def _read():
    return nbformat.read(_NOTEBOOK, as_version=nbformat.NO_CONVERT)


def _outputs(notebook):
    """Of each cell: its kinds of output, and the first words of its lines.

    Words only: the last digits depend on the processor. What TensorFlow says
    on stderr depends on the machine.
    """
    found = []
    for cell in notebook.cells:
        shown = [
            o for o in cell.get("outputs", ()) if o.get("name") != "stderr"
        ]
        kinds = [sorted(output.get("data", ())) for output in shown]
        text = "".join(output.get("text", "") for output in shown)
        found.append((kinds, [line.split()[0] for line in text.splitlines()]))
    return found


class NotebookTest(absltest.TestCase):
    def test_shows_what_is_stored(self):
        notebook = _read()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        # Of the kernel: this checkout, and no files in the user's folders.
        path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        environment = {"PYTHONPATH": path, "IPYTHONDIR": folder}
        with mock.patch.dict(os.environ, environment):
            nbclient.NotebookClient(
                notebook,
                timeout=_SECONDS,
                kernel_name="python3",
                resources={"metadata": {"path": folder}},
            ).execute()
        self.assertEqual(_outputs(notebook), _outputs(_read()))

    def test_stored_outputs(self):
        self.assertLess(_NOTEBOOK.stat().st_size, _LARGEST_BYTES)
        cells = [c for c in _read().cells if c.cell_type == "code"]
        counts = [cell["execution_count"] for cell in cells]
        self.assertEqual(counts, list(range(1, len(counts) + 1)))
        outputs = [output for cell in cells for output in cell.outputs]
        self.assertNotIn("stderr", [o.get("name") for o in outputs])
        pictures = [
            output["data"]["image/png"]
            for output in outputs
            if "image/png" in output.get("data", ())
        ]
        self.assertNotEmpty(pictures)
        for picture in pictures:
            content = base64.b64decode(picture)
            Image.open(io.BytesIO(content)).verify()


if __name__ == "__main__":
    absltest.main()
