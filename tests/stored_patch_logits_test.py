"""Patch logits on disk: the whole split, or nothing that passes for it."""

import json
import pathlib
import shutil
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import PatchGeometry, StoredPatchLogits
from bagnet_tf.patch_logits_writer import PatchLogitsWriter

_FACTS = {
    "model": "model.keras",
    "labels": ["bolt", "nut", "cog"],
    "geometry": {"receptive_field": 9, "stride": 8},
}


class StoredPatchLogitsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        name = self.enterContext(tempfile.TemporaryDirectory())
        self.root = pathlib.Path(name)
        self.folder = self.root / "stored"
        rng = np.random.default_rng(0)
        self.ids = np.array([f"photo {index} é" for index in range(11)])
        self.labels = rng.integers(0, 3, 11)
        self.patch_logits = rng.normal(size=(11, 4, 5, 3)).astype("float32")
        self.logits = self.patch_logits.mean(axis=(1, 2))

    def _write(self, shard_size=4, batch=3, **options):
        with PatchLogitsWriter(
            self.folder, _FACTS, shard_size=shard_size, **options
        ) as writer:
            for first in range(0, 11, batch):
                part = slice(first, first + batch)
                writer.add(
                    self.ids[part],
                    self.labels[part],
                    self.logits[part],
                    self.patch_logits[part],
                )

    def _change_manifest(self, **changes):
        path = self.folder / "manifest.json"
        manifest = json.loads(path.read_text()) | changes
        kept = {k: v for k, v in manifest.items() if v != "missing"}
        path.write_text(json.dumps(kept))

    def _read_all(self, batch_size=64):
        batches = list(StoredPatchLogits(self.folder).batches(batch_size))
        return [np.concatenate(c) for c in zip(*batches, strict=True)]

    @parameterized.named_parameters(
        ("several_batches_a_shard", 4, 3, [4, 4, 3]),
        ("several_shards_a_batch", 2, 11, [2, 2, 2, 2, 2, 1]),
        ("one_shard", 512, 5, [11]),
        ("shards_that_come_out_even", 11, 4, [11]),
    )
    def test_round_trip(self, shard_size, batch, sizes):
        self._write(shard_size, batch)
        stored = StoredPatchLogits(self.folder)
        self.assertLen(stored, 11)
        self.assertEqual(stored.labels, ("bolt", "nut", "cog"))
        self.assertEqual(stored.geometry, PatchGeometry(9, 8))
        self.assertEqual(stored.grid_shape, (4, 5))
        self.assertEqual(stored.manifest["model"], "model.keras")
        self.assertEqual(
            [file["num_images"] for file in stored.manifest["files"]], sizes
        )
        ids, labels, logits, patch_logits = self._read_all(batch_size=3)
        np.testing.assert_array_equal(ids, self.ids)
        np.testing.assert_array_equal(labels, self.labels)
        np.testing.assert_array_equal(logits, self.logits)
        np.testing.assert_array_equal(patch_logits, self.patch_logits)
        self.assertEqual(patch_logits.dtype, np.float32)

    def test_files_are_plain_numpy(self):
        self._write()
        with np.load(self.folder / "shard-00001.npz") as arrays:
            np.testing.assert_array_equal(arrays["ids"], self.ids[4:8])
            np.testing.assert_array_equal(
                arrays["patch_logits"], self.patch_logits[4:8]
            )
        self.assertEqual(
            sorted(path.name for path in self.folder.iterdir()),
            ["manifest.json"] + [f"shard-0000{i}.npz" for i in range(3)],
        )

    def test_batch_sizes(self):
        self._write()
        stored = StoredPatchLogits(self.folder)
        sizes = [len(batch.ids) for batch in stored.batches(3)]
        self.assertEqual(sizes, [3, 1, 3, 1, 3])
        with self.assertRaisesRegex(ValueError, "batch_size must be at least"):
            next(stored.batches(0))

    def test_float16(self):
        self._write(dtype="float16")
        _, _, logits, patch_logits = self._read_all()
        self.assertEqual(patch_logits.dtype, np.float16)
        np.testing.assert_array_equal(
            patch_logits, self.patch_logits.astype(np.float16)
        )
        np.testing.assert_array_equal(logits, self.logits)

    def test_too_large_for_float16(self):
        self.patch_logits[7, 0, 0, 1] = 1e5
        with self.assertRaisesRegex(ValueError, "must be finite .*'float16'"):
            self._write(dtype="float16")
        self.assertEmpty(list(self.root.iterdir()))

    def test_several_labels_a_photo(self):
        self.labels = np.eye(3, dtype="float32")[self.labels]
        self._write()
        np.testing.assert_array_equal(self._read_all()[1], self.labels)

    def test_refuses_to_overwrite(self):
        self._write()
        before = (self.folder / "manifest.json").read_bytes()
        self.patch_logits += 1
        with self.assertRaisesRegex(ValueError, "folder exists; --overwrite"):
            self._write()
        self.assertEqual((self.folder / "manifest.json").read_bytes(), before)
        self._write(shard_size=11, overwrite=True)
        np.testing.assert_array_equal(self._read_all()[3], self.patch_logits)
        self.assertEqual([p.name for p in self.root.iterdir()], ["stored"])
        self.assertLen(list(self.folder.iterdir()), 2)

    def test_never_replaces_other_folders(self):
        self.folder.mkdir()
        (self.folder / "thesis.txt").write_text("mine")
        with self.assertRaisesRegex(
            ValueError, "patch logits .with a manifest"
        ):
            self._write(overwrite=True)
        self.assertEqual((self.folder / "thesis.txt").read_text(), "mine")

    @parameterized.named_parameters(
        ("dtype", {"dtype": "bfloat16"}, "dtype must be one of float32"),
        ("shard_size", {"shard_size": 0}, "shard_size at least 1"),
    )
    def test_wrong_arguments(self, options, message):
        with self.assertRaisesRegex(ValueError, message):
            self._write(**options)

    def test_parent_that_is_missing(self):
        self.folder = self.root / "missing" / "stored"
        with self.assertRaisesRegex(ValueError, "be in an existing folder"):
            self._write()

    def test_interruption_leaves_what_was_there(self):
        self._write()
        with (
            self.assertRaises(KeyboardInterrupt),
            PatchLogitsWriter(
                self.folder, _FACTS, shard_size=1, overwrite=True
            ) as writer,
        ):
            writer.add(self.ids, self.labels, self.logits, -self.patch_logits)
            raise KeyboardInterrupt
        self.assertEqual([p.name for p in self.root.iterdir()], ["stored"])
        np.testing.assert_array_equal(self._read_all()[3], self.patch_logits)

    def test_a_killed_writer_leaves_nothing_that_passes_for_whole(self):
        writer = PatchLogitsWriter(self.folder, _FACTS, shard_size=1)
        writer.__enter__()  # And never left.
        writer.add(self.ids, self.labels, self.logits, self.patch_logits)
        self.assertFalse(self.folder.exists())
        (left,) = self.root.iterdir()
        self.assertNotEmpty(list(left.iterdir()))
        with self.assertRaisesRegex(ValueError, "whole manifest.json"):
            StoredPatchLogits(left)

    @parameterized.named_parameters(
        ("format", {"format": 2}, "format 2 is unknown"),
        ("no_labels", {"labels": "missing"}, "labels is missing"),
        ("no_dtype", {"dtype": "missing"}, "dtype is missing"),
        ("geometry", {"geometry": {"stride": 8}}, "receptive_field"),
        ("geometry_of_a_control", {"geometry": None}, "whole manifest"),
        ("num_images", {"num_images": 12}, "not as many images"),
        ("files", {"files": [{"name": "shard-00000.npz"}]}, "every file needs"),
        ("file_names", {"files": ["shard-00000.npz"]}, "whole manifest.json"),
    )
    def test_wrong_manifest(self, changes, message):
        self._write()
        self._change_manifest(**changes)
        with self.assertRaisesRegex(ValueError, message):
            StoredPatchLogits(self.folder)

    @parameterized.parameters("", "[]", "{", '"text"')
    def test_manifest_of_another_kind(self, text):
        self._write()
        (self.folder / "manifest.json").write_text(text)
        with self.assertRaisesRegex(ValueError, "with a whole manifest.json"):
            StoredPatchLogits(self.folder)

    def test_no_folder(self):
        with self.assertRaisesRegex(ValueError, "manifest.json .*stored'$"):
            StoredPatchLogits(self.folder)

    @parameterized.named_parameters(
        ("grid", {"grid_shape": [5, 4]}),
        ("dtype", {"dtype": "float16"}),
        ("labels", {"labels": ["bolt", "nut"]}),
    )
    def test_manifest_of_other_files(self, changes):
        self._write()
        self._change_manifest(**changes)
        with self.assertRaisesRegex(ValueError, "manifest of its files; 'shar"):
            self._read_all()

    def test_missing_file(self):
        self._write()
        (self.folder / "shard-00001.npz").unlink()
        with self.assertRaisesRegex(ValueError, r"\['shard-00001.npz'\] are"):
            StoredPatchLogits(self.folder)

    def test_damaged_file(self):
        self._write()
        shutil.copy(
            self.folder / "shard-00000.npz", self.folder / "shard-00001.npz"
        )
        batches = StoredPatchLogits(self.folder).batches()
        next(batches)
        with self.assertRaisesRegex(ValueError, "'shard-00001.npz' is damaged"):
            next(batches)


if __name__ == "__main__":
    absltest.main()
