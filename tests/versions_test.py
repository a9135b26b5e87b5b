"""A SavedModel becomes the next version, whole, and nothing is replaced."""

import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest, parameterized

from export.versions import add_version, check_base


class AddVersionTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.export = folder / "exported"
        self.base = folder / "models" / "bagnet"
        extra = self.export / "saved_model/1/assets.extra"
        extra.mkdir(parents=True)
        (extra / "warmup").write_text("warm")

    def _versions(self):
        return sorted(path.name for path in self.base.iterdir())

    def test_first_and_next(self):
        self.assertEqual(add_version(self.export, self.base), self.base / "1")
        self.assertEqual(add_version(self.export, self.base), self.base / "2")
        self.assertEqual(self._versions(), ["1", "2"])
        copied = self.base / "2/assets.extra/warmup"
        self.assertEqual(copied.read_text(), "warm")

    def test_numbers_count_not_letters(self):
        for name in ("9", "10", "notes"):
            (self.base / name).mkdir(parents=True)
        self.assertEqual(add_version(self.export, self.base).name, "11")

    def test_a_version_made_meanwhile_is_kept(self):
        rename = pathlib.Path.rename

        def slow(path, target):
            if target.name == "1":
                target.mkdir()
                (target / "theirs").touch()
            return rename(path, target)

        with mock.patch.object(pathlib.Path, "rename", slow):
            self.assertEqual(add_version(self.export, self.base).name, "2")
        self.assertTrue((self.base / "1/theirs").exists())
        self.assertEqual(self._versions(), ["1", "2"])

    def test_a_failed_copy_leaves_nothing(self):
        with self.assertRaises(OSError):
            add_version(self.export / "missing", self.base)
        self.assertEqual(self._versions(), [])


class CheckBaseTest(parameterized.TestCase):
    def test_needs_a_saved_model(self):
        with self.assertRaisesRegex(ValueError, "must have saved_model"):
            check_base("models", ["litert"])

    def test_a_file_is_no_folder(self):
        with tempfile.NamedTemporaryFile() as file:
            with self.assertRaisesRegex(ValueError, "must be a folder"):
                check_base(file.name, ["saved_model"])


if __name__ == "__main__":
    absltest.main()
