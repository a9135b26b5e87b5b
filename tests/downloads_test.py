"""Does only a whole file of the published hash get into the cache?"""

import dataclasses
import hashlib
import os
import pathlib
import tempfile
import zipfile
from unittest import mock

import keras
from absl.testing import absltest, parameterized

from bagnet_tf import downloads
from bagnet_tf.downloads import cache_folder, fetch
from bagnet_tf.presets import preset_info

_CONTENT = b"no weights, but of the right hash" * 100
_SHA1 = hashlib.sha1(_CONTENT).hexdigest()
_SHA256 = hashlib.sha256(_CONTENT).hexdigest()


class FetchTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.server = pathlib.Path(folder, "server")
        self.server.mkdir()
        self.home = pathlib.Path(folder, "keras")
        self.enterContext(
            mock.patch.dict(os.environ, {"KERAS_HOME": str(self.home)})
        )
        # A zip archive whose member's sha1 is known, and a file the first
        # digits of whose sha256 are.
        self.zipped = dataclasses.replace(
            preset_info("bagnet9-imagenet"),
            url=(self.server / "a.tf2.h5.zip").as_uri(),
            file="a.tf2.h5",
            file_hash=_SHA1,
        )
        # One that lies beside the record.
        self.shipped = dataclasses.replace(
            self.zipped, url="", hash_algorithm="sha256", file_hash=_SHA256
        )
        self.enterContext(
            mock.patch.object(downloads, "SHIPPED_FOLDER", self.server)
        )
        self.plain = dataclasses.replace(
            preset_info("bagnet9-imagenet-official"),
            url=(self.server / "b.pth.tar").as_uri(),
            file="b.pth.tar",
            file_hash=_SHA256[:8],
        )

    def _publish(self, content=_CONTENT, member="a.tf2.h5"):
        with zipfile.ZipFile(self.server / "a.tf2.h5.zip", "w") as archive:
            archive.writestr("a.h5", b"another file")
            archive.writestr(member, content)
        (self.server / "b.pth.tar").write_bytes(content)

    def _cached(self):
        return sorted(path.name for path in cache_folder().glob("*"))

    def test_cache_is_that_of_keras(self):
        self.assertEqual(cache_folder(), self.home / "models")
        with mock.patch.dict(os.environ, {"HOME": str(self.server)}):
            del os.environ["KERAS_HOME"]
            self.assertEqual(cache_folder(), self.server / ".keras" / "models")

    @parameterized.parameters("zipped", "plain")
    def test_download(self, kind):
        self._publish()
        preset = getattr(self, kind)
        path = fetch(preset)
        self.assertEqual(path, cache_folder() / preset.file)
        self.assertEqual(path.read_bytes(), _CONTENT)
        self.assertEqual(self._cached(), [preset.file])

    @parameterized.parameters("zipped", "plain")
    def test_second_time_nothing_is_downloaded(self, kind):
        self._publish()
        preset = getattr(self, kind)
        path = fetch(preset)
        with mock.patch.object(keras.utils, "get_file") as get_file:
            self.assertEqual(fetch(preset), path)
        get_file.assert_not_called()

    @parameterized.parameters("zipped", "plain")
    def test_wrong_hash(self, kind):
        self._publish(b"something else")
        preset = getattr(self, kind)
        message = f"must have the sha.*{preset.file_hash}.*Received: .*file://"
        with self.assertRaisesRegex(ValueError, message):
            fetch(preset)
        self.assertEqual(self._cached(), [])

    @parameterized.parameters("zipped", "plain")
    def test_offline(self, kind):
        preset = getattr(self, kind)
        with self.assertRaises(OSError) as caught:
            fetch(preset)
        message = str(caught.exception)
        self.assertIn(preset.url, message)
        name = preset.url.rpartition("/")[2]
        self.assertIn(str(cache_folder() / name), message)
        self.assertEqual(self._cached(), [])

    @parameterized.parameters("zipped", "plain")
    def test_interrupted(self, kind):
        def get_file(fname, origin, cache_dir, cache_subdir):
            pathlib.Path(cache_dir, cache_subdir, fname).write_bytes(b"part")
            raise KeyboardInterrupt

        with mock.patch.object(keras.utils, "get_file", get_file):
            with self.assertRaises(KeyboardInterrupt):
                fetch(getattr(self, kind))
        self.assertEqual(self._cached(), [])

    @parameterized.parameters("zipped", "plain")
    def test_put_there_by_hand(self, kind):
        preset = getattr(self, kind)
        cache_folder().mkdir(parents=True)
        (cache_folder() / preset.file).write_bytes(_CONTENT)
        self.assertEqual(fetch(preset), cache_folder() / preset.file)

    def test_archive_put_there_by_hand(self):
        self._publish()
        cache_folder().mkdir(parents=True)
        archive = self.server / "a.tf2.h5.zip"
        archive.rename(cache_folder() / archive.name)
        self.assertEqual(fetch(self.zipped).read_bytes(), _CONTENT)
        self.assertEqual(self._cached(), ["a.tf2.h5", "a.tf2.h5.zip"])

    @parameterized.product(kind=("zipped", "plain"), online=(True, False))
    def test_other_file_under_that_name(self, kind, online):
        preset = getattr(self, kind)
        cache_folder().mkdir(parents=True)
        path = cache_folder() / preset.file
        path.write_bytes(b"something else")
        aside = path.with_name(path.name + ".wrong_hash")
        if online:
            self._publish()
            self.assertEqual(fetch(preset).read_bytes(), _CONTENT)
        else:
            with self.assertRaises(OSError):
                fetch(preset)
            self.assertFalse(path.exists())
        self.assertEqual(aside.read_bytes(), b"something else")

    @parameterized.parameters("b.tf2.h5", "../a.tf2.h5", "folder/a.tf2.h5")
    def test_member_of_another_name(self, member):
        self._publish(member=member)
        with self.assertRaisesRegex(ValueError, "with a.tf2.h5 in it"):
            fetch(self.zipped)
        self.assertEqual(self._cached(), [])
        self.assertFalse((self.home / "a.tf2.h5").exists())

    def test_archive_that_is_none(self):
        (self.server / "a.tf2.h5.zip").write_bytes(b"<html>Not found</html>")
        with self.assertRaisesRegex(ValueError, "must be a zip archive"):
            fetch(self.zipped)
        self.assertEqual(self._cached(), [])

    def test_damaged_archive(self):
        self._publish()
        archive = self.server / "a.tf2.h5.zip"
        content = archive.read_bytes()
        archive.write_bytes(content.replace(b"right", b"wrong"))
        with self.assertRaisesRegex(ValueError, "must be a zip archive"):
            fetch(self.zipped)
        self.assertEqual(self._cached(), [])

    def test_archive_of_a_file_without_end(self):
        self._publish()
        with mock.patch("bagnet_tf.weight_files._MOST_BYTES", 1000):
            with self.assertRaisesRegex(ValueError, "has over 1000 bytes"):
                fetch(self.zipped)
        self.assertEqual(self._cached(), [])

    def test_shipped_file_is_used_where_it_lies(self):
        path = self.server / self.shipped.file
        path.write_bytes(_CONTENT)
        self.assertEqual(fetch(self.shipped), path)
        self.assertEmpty(self._cached())

    @parameterized.parameters(b"", _CONTENT[:-1], _CONTENT + b".")
    def test_shipped_file_that_is_damaged(self, content):
        path = self.server / self.shipped.file
        path.write_bytes(content)
        found = hashlib.sha256(content).hexdigest()
        message = f"sha256 {_SHA256}; install.*Received: {found}, .*a.tf2.h5"
        with self.assertRaisesRegex(ValueError, message):
            fetch(self.shipped)
        self.assertEqual(path.read_bytes(), content)

    def test_shipped_file_that_is_missing(self):
        with self.assertRaisesRegex(ValueError, "Received: no such file, "):
            fetch(self.shipped)


if __name__ == "__main__":
    absltest.main()
