"""Does every tutorial run as it stands, from nothing, without a network?"""

import contextlib
import os
import pathlib
import shlex
import subprocess
import tempfile
import tomllib

from absl.testing import absltest, parameterized

from tests.documents import DOCS, ROOT, blocks
from tests.forked_python import forked_python
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

# What the test does less of than the page: more of it tells it nothing more.
_LESS = {
    "phone": [
        ("=litert_dynamic", "=litert_dynamic --num_verification_images=8")
    ],
    "serve": [
        (
            "=saved_model,serving",
            "=saved_model,serving --num_verification_images=8",
        )
    ],
    "finetune": [("--config.epochs=10", "--config.epochs=2")],
    "train": [("--config.epochs=30", "--config.epochs=2")],
}


def _write_commands(folder):
    """The console commands, as an installation of this checkout has them."""
    installed = folder / "installed"
    installed.mkdir(parents=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, target in project["scripts"].items():
        module, function = target.split(":")
        script = installed / name
        script.write_text(f"from {module} import {function}\n{function}()\n")
        command = folder / name
        command.write_text(
            f'#!/bin/sh\nexec {shlex.join(forked_python())} "{script}" "$@"\n'
        )
        command.chmod(0o755)


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
    for shown, less in _LESS.get(page.stem, ()):
        [program] = [p for p in programs if shown in p[1]]
        program[1] = program[1].replace(shown, less)
    return programs


class TutorialsTest(parameterized.TestCase):
    def _run_python(self, page, text):
        """In a namespace of its own, but in this process: it has TensorFlow."""
        with contextlib.chdir(self.folder):
            exec(compile(text, page, "exec"), {"__name__": "__main__"})

    def _run_shell(self, text):
        text = "set -euo pipefail\n" + text
        process = subprocess.run(
            ["bash"],
            input=text,
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.commands}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        details = f"{text}\n{process.stdout}\n{process.stderr}"
        self.assertEqual(process.returncode, 0, details)

    def _serve(self):
        versions = {1: self.folder / "exported/saved_model/1"}
        server = StandIn("imagenette", versions)
        self.addCleanup(server.close)
        return server.rest

    @parameterized.named_parameters((p.stem, p) for p in _TUTORIALS)
    def test_runs(self, page):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.commands, self.folder = root / "bin", root / "work"
        self.folder.mkdir()
        _write_commands(self.commands)
        for language, text in _runs(page):
            if language == "python":
                self._run_python(page, text)
            elif _SERVER in text:
                self._run_shell(text.replace(_SERVER, self._serve()))
            else:
                self._run_shell(text)
        for name in _RESULTS.get(page.stem, ()):
            self.assertGreater((self.folder / name).stat().st_size, 100, name)


if __name__ == "__main__":
    absltest.main()
