"""Does the kit for browsers hold all that its page needs, and no more?"""

import hashlib
import io
import json
import os
import pathlib
import re
import tarfile
import tempfile
import tomllib
from unittest import mock

import keras
from absl.testing import absltest, parameterized

from export.web import litert_js
from export.web.kit import write_web_kit

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_PAGE = _ROOT / "export" / "web" / "page"
_PAGE_FILES = sorted(p for p in _PAGE.rglob("*") if p.is_file())
_VENDOR = "vendor/litertjs"


def _package(name) -> bytes:
    """A package with the members of the real one, but not their content."""
    (package,) = (p for p in litert_js._PACKAGES if p.name == name)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as opened:
        for member in package.files:
            content = b'import {a} from "@litertjs/wasm-utils"; // ' + (
                member.encode()
            )
            info = tarfile.TarInfo(f"package/{member}")
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return archive.getvalue()


def _metadata(**formats):
    entry = {"input_size": [21, 26], "input_dtype": "float32"}
    return {
        "format_version": 2,
        "input": {"channels": 3},
        "labels": ["ant", "élan"],
        "formats": {
            name: {"path": path, **entry} for name, path in formats.items()
        },
        "verification": [
            {"artefact": path, "passed": True} for path in formats.values()
        ],
    }


class WebKitTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        self.home = self.folder / "keras"
        self.enterContext(
            mock.patch.dict(os.environ, {"KERAS_HOME": str(self.home)})
        )
        self.export = self.folder / "exported"
        for name in ("model", "model_int8", "model_mediapipe"):
            path = self.export / "litert" / f"{name}.tflite"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        self.metadata = _metadata(
            saved_model="saved_model/1",
            litert="litert/model.tflite",
            litert_int8="litert/model_int8.tflite",
            mediapipe="litert/model_mediapipe.tflite",
        )
        self.downloaded = []

    def _write(self, metadata=None):
        """Writes the kit; the registry has packages of other content."""

        def fetch(package, kind):
            self.downloaded.append(package.url)
            path = self.folder / package.file
            path.write_bytes(_package(package.name))
            return path

        with mock.patch.object(litert_js, "fetch", fetch):
            write_web_kit(self.export, metadata or self.metadata, None)
        return self.export / "web"

    def test_files(self):
        web = self._write()
        found = {
            p.relative_to(web).as_posix() for p in web.rglob("*") if p.is_file()
        }
        page = {path.relative_to(_PAGE).as_posix() for path in _PAGE_FILES}
        vendor = {
            f"{_VENDOR}/{target}"
            for package in litert_js._PACKAGES
            for target in package.files.values()
        }
        models = {"litert/model.tflite", "litert/model_int8.tflite"}
        others = {"metadata.json", f"{_VENDOR}/NOTICE"}
        self.assertEqual(found, page | vendor | models | others)
        self.assertEqual(
            (web / "litert/model_int8.tflite").read_bytes(), b"model_int8"
        )
        notice = (web / _VENDOR / "NOTICE").read_text("utf-8")
        self.assertIn(litert_js.VERSION, notice)
        licence = (web / _VENDOR / "LICENSE").read_text("utf-8")
        self.assertIn("Apache License", licence)

    def test_metadata_is_of_what_is_there(self):
        web = self._write()
        metadata = json.loads((web / "metadata.json").read_text("utf-8"))
        self.assertEqual(list(metadata["formats"]), ["litert", "litert_int8"])
        self.assertEqual(metadata["labels"], ["ant", "élan"])
        self.assertEqual(
            [found["artefact"] for found in metadata["verification"]],
            ["litert/model.tflite", "litert/model_int8.tflite"],
        )
        for path, entry in metadata["files"].items():
            content = (web / path).read_bytes()
            self.assertEqual(entry["bytes"], len(content))
            digest = hashlib.sha256(content).hexdigest()
            self.assertEqual(entry["sha256"], digest)
        self.assertLen(self.metadata["formats"], 4)

    def test_only_one_import_of_litert_js_is_changed(self):
        web = self._write()
        module = (web / _VENDOR / "core/index.js").read_text("utf-8")
        self.assertEqual(
            module,
            'import {a} from "../wasm_utils/index.js"; // dist/index.js',
        )
        other = (web / _VENDOR / "wasm_utils/index.js").read_text("utf-8")
        self.assertIn("@litertjs/wasm-utils", other)

    def test_packages_come_from_the_registry(self):
        self._write()
        self.assertEqual(
            self.downloaded,
            [
                "https://registry.npmjs.org/@litertjs/core/-/core-2.5.3.tgz",
                "https://registry.npmjs.org/@litertjs/wasm-utils/-/"
                "wasm-utils-2.5.3.tgz",
            ],
        )

    def test_a_package_of_another_hash_is_refused(self):
        def get_file(fname, origin, cache_dir, cache_subdir):
            path = pathlib.Path(cache_dir, cache_subdir, fname)
            path.write_bytes(_package("core"))
            return str(path)

        with mock.patch.object(keras.utils, "get_file", get_file):
            with self.assertRaisesRegex(ValueError, "core-2.5.3.*sha512 3e51a"):
                write_web_kit(self.export, self.metadata, None)
        self.assertEmpty(list((self.home / "packages").iterdir()))

    def test_without_a_network(self):
        with mock.patch.object(
            keras.utils, "get_file", side_effect=Exception("no network")
        ):
            with self.assertRaises(OSError) as caught:
                write_web_kit(self.export, self.metadata, None)
        message = str(caught.exception)
        self.assertIn("no network", message)
        by_hand = self.home / "packages" / "core-2.5.3.tgz"
        self.assertIn(str(by_hand), message)

    def test_no_litert_file(self):
        metadata = _metadata(saved_model="saved_model/1", mediapipe="m.tflite")
        with self.assertRaisesRegex(ValueError, "litert_int8 beside web"):
            self._write(metadata)
        self.assertFalse((self.export / "web").exists())

    def test_channels_that_no_photo_has(self):
        metadata = {**self.metadata, "input": {"channels": 4}}
        with self.assertRaisesRegex(ValueError, "Received: channels=4"):
            self._write(metadata)
        self.assertFalse((self.export / "web").exists())

    def test_all_that_the_page_names_is_there(self):
        web = self._write()
        html = (web / "index.html").read_text("utf-8")
        for name in re.findall(r'(?:src|href)="([^"]+)"', html):
            self.assertTrue((web / name).is_file(), name)
        for module in (web / "js").glob("*.js"):
            text = module.read_text("utf-8")
            for name in re.findall(r'from\s+"([^"]+)"', text):
                self.assertTrue((module.parent / name).is_file(), name)
        ids = set(re.findall(r'\bid="([^"]+)"', html))
        used = {
            name
            for module in (web / "js").glob("*.js")
            for name in re.findall(r'element\("([^"]+)"\)', module.read_text())
        }
        self.assertEmpty(used - ids)

    def test_the_policy_names_no_other_host(self):
        html = (_PAGE / "index.html").read_text("utf-8")
        (policy,) = re.findall(
            r'Content-Security-Policy" content="([^"]+)"', html
        )
        directives = dict(
            directive.split(maxsplit=1) for directive in policy.split(";")
        )
        self.assertEqual(directives["default-src"], "'none'")
        sources = {s for value in directives.values() for s in value.split()}
        self.assertEqual(
            sources, {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:"}
        )

    def test_wheels_take_the_page_along(self):
        with (_ROOT / "pyproject.toml").open("rb") as file:
            tool = tomllib.load(file)["tool"]["setuptools"]
        self.assertIn("bagnet_tf.export.web", tool["packages"])
        patterns = tool["package-data"]["bagnet_tf.export.web"]
        package = _PAGE.parent
        taken = {path for p in patterns for path in package.glob(p)}
        self.assertContainsSubset(_PAGE_FILES, taken)

    def test_modules_are_short(self):
        for path in _PAGE_FILES:
            if path.suffix == ".js":
                lines = path.read_text("utf-8").splitlines()
                self.assertLess(len(lines), 300, path.name)
                self.assertLessEqual(max(map(len, lines)), 80, path.name)


if __name__ == "__main__":
    absltest.main()
