"""Files that were made to do harm are refused before they do it."""

import io
import json
import os
import pathlib
import pickle
import struct
import tempfile
import unittest
import zipfile
import zlib
from importlib.util import find_spec
from unittest import mock

import h5py
import keras
import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf import keras_files, weight_files
from bagnet_tf.datasets import folder_masks, image_source
from bagnet_tf.files import sha256_of
from bagnet_tf.keras_files import open_keras_file
from bagnet_tf.photos import load_photo
from tests.dataset_helpers import encoded_png, write_images
from tests.small_models import TINY, tiny_model


def _repacked(path, **changes):
    """Writes a .keras file anew with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {i.filename: archive.read(i) for i in archive.infolist()}
    members |= changes.pop("members", {})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


class _Touches:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self._path,)


class HostileFilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder).resolve()
        self.inner = self.folder / "inner"
        self.inner.mkdir()
        self.mark = self.folder / "code_was_run"
        self.model = self.inner / "model.keras"

    def _save_model(self):
        tiny_model().save(self.model)

    def _refused(self, read, message):
        with self.assertRaisesRegex(ValueError, f"{message}.*Received: "):
            read()
        self.assertFalse(self.mark.exists())

    def _change_config(self, change):
        with zipfile.ZipFile(self.model) as archive:
            config = json.loads(archive.read("config.json"))
        change(config)
        _repacked(self.model, members={"config.json": json.dumps(config)})

    # === Decompression bombs ===

    def test_picture_of_a_billion_pixels(self):
        def chunk(kind, data):
            check = struct.pack(">I", zlib.crc32(kind + data))
            return struct.pack(">I", len(data)) + kind + data + check

        header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
        pixels = zlib.compress(bytes(1_000_000))
        path = self.inner / "bomb.png"
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", pixels)
            + chunk(b"IEND", b"")
        )
        self._refused(lambda: load_photo(path), "decompression bomb")

    def test_member_of_a_keras_file(self):
        self._save_model()
        _repacked(self.model, members={"extra": bytes(200_000)})
        with mock.patch.object(keras_files, "_MOST_BYTES", 100_000):
            self._refused(
                lambda: open_keras_file(self.model), "claims 200000 unpacked"
            )

    def test_member_of_published_weights(self):
        path = self.inner / "a.h5.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.h5", bytes(200_000))
        with mock.patch.object(weight_files, "_MOST_BYTES", 100_000):
            self._refused(lambda: weight_files.read_weights(path), "has over")

    def test_array_in_hdf5(self):
        path = self.inner / "a.h5"
        with h5py.File(path, "w") as file:
            # Stores nothing, and claims 4 TB.
            file.create_dataset("output1/kernel", (10**6, 10**6), chunks=True)
        self._refused(lambda: weight_files.read_weights(path), "has over")

    # === Other files of this disk ===

    @parameterized.parameters("../outside", "/outside")
    def test_zip_that_names_a_path_outside(self, name):
        self._save_model()
        name = name if name.startswith("..") else f"{self.folder}{name}"
        _repacked(self.model, members={name: b"x", f"assets/{name}": b"x"})
        with zipfile.ZipFile(self.model) as archive:
            self.assertIn(name, archive.namelist())
        before = set(self.folder.rglob("*"))
        open_keras_file(self.model)  # What it does not name is not unpacked.
        weight_files.read_weights(self.model)
        self.assertEqual(set(self.folder.rglob("*")), before)

    @parameterized.parameters("external", "virtual", "link", "layers")
    def test_hdf5_that_reads_another_file(self, kind):
        secret = self.folder / "secret"
        secret.write_bytes(np.arange(8, dtype="float32").tobytes())
        other = self.folder / "other.h5"
        with h5py.File(other, "w") as file:
            file["x"] = np.arange(8.0)
            variables = file.create_group("layers/a/vars")
            variables["0"] = np.arange(8.0)
            variables.attrs["name"] = "a"
        path = self.inner / "a.weights.h5"
        with h5py.File(path, "w") as file:
            if kind == "layers":
                file["layers"] = h5py.ExternalLink(str(other), "/layers")
            else:
                variables = file.create_group("layers/a/vars")
                variables.attrs["name"] = "a"
            if kind == "external":
                variables.create_dataset(
                    "0", (8,), "f4", external=[(str(secret), 0, 32)]
                )
            elif kind == "virtual":
                layout = h5py.VirtualLayout((8,), "f8")
                layout[:] = h5py.VirtualSource(str(other), "x", (8,))
                variables.create_virtual_dataset("0", layout)
            elif kind == "link":
                variables["0"] = h5py.ExternalLink(str(other), "/x")
        self._refused(
            lambda: weight_files.read_weights(path), "names? (other|another)|in"
        )

    def test_folder_that_contains_itself(self):
        files = [f"train/{c}/{i}.png" for c in "ab" for i in range(2)]
        write_images(self.inner, *files)
        os.symlink(self.inner, self.inner / "train" / "a" / "loop")
        os.symlink("self", self.inner / "train" / "b" / "self")
        source = image_source(f"folder:{self.inner}")
        self.assertEqual(source.split_sizes(), {"train": 4})

    def test_list_of_masks_that_contains_itself(self):
        write_images(self.inner, "a/0.png", "b/0.png", "masks/a/0.png")
        write_images(
            self.inner, *(f"{c}/{i}.png" for c in "ab" for i in "1234")
        )
        os.symlink(self.inner, self.inner / "masks" / "a" / "loop")
        found = folder_masks.list_masks(self.inner, ["a", "b", "masks"])
        self.assertEqual(found, {"a/0": "masks/a/0.png"})

    # === Code ===

    @parameterized.parameters("0.npy", "shard.npz")
    def test_pickled_numpy(self, name):
        objects = np.array([_Touches(self.mark)], object)
        stream = io.BytesIO()
        np.save(stream, objects, allow_pickle=True)
        if name == "0.npy":
            images = ("train/a/0.png", "train/b/0.png")
            write_images(self.inner, *images)
            for image in images:
                path = (self.inner / image).with_suffix(".npy")
                path.write_bytes(stream.getvalue())
            source = image_source(f"folder:{self.inner}", channels=5)
            with self.assertRaisesRegex(Exception, "npy"):
                list(source.dataset("train"))
            self.assertFalse(self.mark.exists())
            return
        from tests.stress import record_targets

        record_targets._store(self.inner)
        shard = self.inner / "stored" / "shard-00000.npz"
        with zipfile.ZipFile(shard, "w") as archive:
            archive.writestr("ids.npy", stream.getvalue())
        manifest = self.inner / "stored" / "manifest.json"
        content = json.loads(manifest.read_text())
        content["files"][0]["sha256"] = sha256_of(shard)
        manifest.write_text(json.dumps(content))
        stored = bagnet_tf.StoredPatchLogits(self.inner / "stored")
        self._refused(lambda: list(stored.batches()), "Object arrays")

    def test_shard_outside_the_folder(self):
        from tests.stress import record_targets

        record_targets._store(self.inner)
        manifest = self.inner / "stored" / "manifest.json"
        content = json.loads(manifest.read_text())
        content["files"][0]["name"] = "../stored/shard-00000.npz"
        manifest.write_text(json.dumps(content))
        self._refused(
            lambda: bagnet_tf.StoredPatchLogits(self.inner / "stored"),
            "is no file of the folder",
        )

    @unittest.skipUnless(find_spec("torch"), "This test needs torch.")
    def test_pickled_pytorch(self):
        path = self.inner / "weights.pth"
        path.write_bytes(pickle.dumps({"fc.weight": _Touches(self.mark)}))
        self._refused(
            lambda: bagnet_tf.BagNet(TINY, path, classes=4),
            "must be in a whole",
        )

    def test_lambda_layer(self):
        keras.Sequential(
            [keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)]
        ).save(self.model)
        self._refused(lambda: open_keras_file(self.model), "whole .keras file")

    @parameterized.parameters(
        ("pathlib", "Path"), ("os", "system"), ("subprocess", "Popen")
    )
    def test_class_of_another_module(self, module, name):
        self._save_model()

        def change(config):
            layer = config["config"]["layers"][1]
            layer |= {
                "module": module,
                "class_name": name,
                "registered_name": None,
                "config": {"command": f"touch {self.mark}"},
            }

        self._change_config(change)
        self._refused(lambda: open_keras_file(self.model), "whole .keras file")

    def test_saved_model_within_a_keras_file(self):
        layer = keras.layers.Rescaling(2.0)
        keras.Sequential([keras.Input((3,)), layer]).save(self.model)

        def change(config):
            config["config"]["layers"][1] |= {
                "class_name": "TFSMLayer",
                "config": {"filepath": str(self.inner), "name": "t"},
            }

        self._change_config(change)
        self._refused(lambda: open_keras_file(self.model), "whole .keras file")

    def test_what_is_open_stays_readable(self):
        self._save_model()
        self.assertEqual(
            open_keras_file(self.model).count_params(),
            tiny_model().count_params(),
        )
        photo = self.inner / "photo.png"
        photo.write_bytes(encoded_png(3, (4, 5)))
        self.assertEqual(load_photo(photo).shape, (5, 4, 3))


if __name__ == "__main__":
    absltest.main()
