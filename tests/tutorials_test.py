"""Does every tutorial run as it stands, from nothing, without a network?"""

import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib

from absl.testing import absltest, parameterized

from tests.documents import DOCS, ROOT, blocks
from tests.serving_stand_in import StandIn

_TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
_SERVER = "http://localhost:8501"
# The pictures and tables that a page promises.
_RESULTS = {
    "explain": ["explained/photo.png", "explained/photo.json", "heatmap.png"],
    "train": ["run/model.keras", "run/metrics.png"]
    + ["explained/contact-sheet.png"],
    "finetune": ["run/model.keras", "explained/0.png"],
    "serve": ["exported/serving/compose.yaml", "explained/photo.png"],
    "phone": ["explained.png"],
    "certify": ["explained/photo.png"],
}


def _write_commands(folder):
    """The console commands, as an installation of this checkout has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, target in project["scripts"].items():
        module, function = target.split(":")
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nfrom {module} import {function}\n"
            f"{function}()\n"
        )
        script.chmod(0o755)


def _runs(page):
    """The programs that run: a page's Python blocks up to a shell block."""
    programs = []
    for block in blocks(page):
        if block.not_run or block.language not in ("python", "sh"):
            continue
        if programs and programs[-1][0] == block.language == "python":
            programs[-1][1] += block.text
        else:
            programs.append([block.language, block.text])
    return programs


class TutorialsTest(parameterized.TestCase):
    def _run(self, language, text):
        command = [sys.executable, "-"] if language == "python" else ["bash"]
        if language == "sh":
            text = "set -euo pipefail\n" + text
        process = subprocess.run(
            command,
            input=text,
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.commands}:{os.environ['PATH']}",
                "TF_CPP_MIN_LOG_LEVEL": "2",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        details = f"{text}\n{process.stdout}\n{process.stderr}"
        self.assertEqual(process.returncode, 0, details)

    def _serve(self):
        versions = {1: self.folder / "exported/saved_model/1"}
        server = StandIn("bagnet33", versions)
        self.addCleanup(server.close)
        return server.rest

    @parameterized.named_parameters((p.stem, p) for p in _TUTORIALS)
    def test_runs(self, page):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.commands, self.folder = root / "bin", root / "work"
        self.commands.mkdir()
        self.folder.mkdir()
        _write_commands(self.commands)
        for language, text in _runs(page):
            if _SERVER in text:
                text = text.replace(_SERVER, self._serve())
            self._run(language, text)
        for name in _RESULTS.get(page.stem, ()):
            self.assertGreater((self.folder / name).stat().st_size, 100, name)


if __name__ == "__main__":
    absltest.main()
