"""Do wheel and source distribution hold the project, and does it work there?"""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile

from absl.testing import absltest, parameterized

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_COMMANDS = sorted(
    tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["scripts"]
)
_CODE = ("bagnet_tf", "export", "train")
# Of the working tree, what is no part of it.
_MADE = shutil.ignore_patterns(
    *(".*", "__pycache__", "*.egg-info", "node_modules", "runs", "dist")
)
_BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])
"""
_PREDICT = """
import sys
import numpy as np
import bagnet_tf
model = bagnet_tf.load_preset("imagenette")
answer = model.predict(np.zeros((1, 160, 160, 3), np.float32), verbose=0)
print(bagnet_tf.__file__, answer.shape, np.isfinite(answer).all())
"""


def _build(kind, source, output):
    """Builds a `wheel` or an `sdist` of a folder; returns its file."""
    output.mkdir()
    command = [sys.executable, "-c", _BUILD, kind, str(output)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    [file] = output.iterdir()
    return file


def _contents(wheel):
    """The wheel's files: the checksum of each."""
    with zipfile.ZipFile(wheel) as file:
        return {info.filename: info.CRC for info in file.infolist()}


def _working_tree():
    """Files of the packages, where a wheel has them."""
    return {
        path.relative_to(_ROOT).as_posix()
        for folder in _CODE
        for path in (_ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


class DistributionTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        # A copy, since building leaves files behind.
        tree = cls.folder / "tree"
        shutil.copytree(_ROOT, tree, ignore=_MADE)
        cls.wheel = _build("wheel", tree, cls.folder / "wheel")
        cls.sdist = _build("sdist", tree, cls.folder / "sdist")
        cls.python = cls._install(cls.wheel)

    @classmethod
    def _install(cls, wheel):
        """Installs a wheel beside our packages, but without this checkout."""
        place = cls.folder / "new"
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", place], check=True
        )
        python = place / "bin" / "python"
        [site] = place.glob("lib/python3.*/site-packages")
        # Looked in after the wheel's; `.pth` files over there are not read.
        others = [path for path in sys.path if path.endswith("site-packages")]
        (site / "others.pth").write_text("\n".join(others))
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, "install"]
            + ["--quiet", "--no-deps", "--no-index", wheel],
            check=True,
        )
        return python

    def _run(self, *command):
        return subprocess.run(
            command,
            cwd=self.folder,
            env=dict(os.environ, PYTHONPATH="", CUDA_VISIBLE_DEVICES=""),
            capture_output=True,
            text=True,
        )

    def test_the_wheel_has_what_the_working_tree_has(self):
        files = {
            name if name.startswith("bagnet_tf/") else f"bagnet_tf/{name}"
            for name in _working_tree()
        }
        shipped = {f for f in _contents(self.wheel) if ".dist-info/" not in f}
        self.assertEmpty(files - shipped, "not in the wheel")
        self.assertEmpty(shipped - files, "in the wheel only")
        self.assertIn("bagnet_tf/py.typed", shipped)

    def test_the_sdist_builds_the_same_wheel(self):
        with tarfile.open(self.sdist) as file:
            file.extractall(self.folder, filter="data")
            names = file.getnames()
        source = self.folder / names[0].split("/")[0]
        again = _build("wheel", source, self.folder / "again")
        self.assertEqual(_contents(again), _contents(self.wheel))
        for path in ("tests/distribution_test.py", "docs/training.md", "BUILD"):
            self.assertTrue((source / path).is_file(), path)
        self.assertFalse((source / "tests/web/node_modules").exists())

    def test_import_is_quiet(self):
        done = self._run(self.python, "-c", "import bagnet_tf")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertEqual(done.returncode, 0)

    def test_the_shipped_preset_predicts(self):
        done = self._run(self.python, "-c", _PREDICT)
        self.assertEqual(done.returncode, 0, done.stderr)
        where, answer = done.stdout.split(maxsplit=1)
        self.assertTrue(pathlib.Path(where).is_relative_to(self.folder))
        self.assertEqual(answer.strip(), "(1, 10) True")

    @parameterized.parameters(*_COMMANDS)
    def test_installed_command_explains_itself(self, name):
        done = self._run(self.python.with_name(name), "--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--", done.stdout)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    absltest.main()
