"""Is a CSV file of labelled images read as it says?"""

import hashlib
import os
import pathlib
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import image_source
from tests.dataset_helpers import ManifestTestCase, encoded_png, read, read_ids


class ManifestTest(ManifestTestCase):
    def test_columns_in_any_order(self):
        files = ["b/0.png", "b/1.PNG", "2.png", "3.png"]
        self.write(
            "split,label,path",
            "train,nut,b/0.png",
            "train,bolt,b/1.PNG",
            "",
            "val,nut,2.png",
            "test, bolt ,3.png",
            images=files,
        )
        source = image_source(self.name)
        self.assertEqual(source.name, self.name)
        self.assertEqual(source.labels, ("bolt", "nut"))
        self.assertEqual(
            source.split_sizes(), {"train": 2, "validation": 1, "test": 1}
        )
        self.assertFalse(source.multi_label)
        self.assertFalse(source.has_masks)
        label_of = {0: "nut", 1: "bolt", 2: "nut", 3: "bolt"}
        for example in read(source, "train+validation+test"):
            number = files.index(example["id"].decode())
            self.assertEqual(example["image"], encoded_png(number))
            self.assertEqual(example["label"].dtype, np.int64)
            label = source.labels[example["label"]]
            self.assertEqual(label, label_of[number])

    def test_excel_and_quotes(self):
        self.write(
            "path,label,split",
            '"a, b.png","nut, ""M3""",train',
            "2.png,bolt,train",
            images=["a, b.png", "2.png"],
            encoding="utf-8-sig",
        )
        source = image_source(self.name)
        self.assertEqual(source.labels, ("bolt", 'nut, "M3"'))

    def test_spaces_around_cells(self):
        self.write(
            "path , label, split",
            " 1.png, a, train",
            "2.png ,b ,train ",
            images=["1.png", "2.png"],
        )
        source = image_source(self.name)
        self.assertEqual(source.labels, ("a", "b"))
        self.assertCountEqual(read_ids(source, "train"), ["1.png", "2.png"])

    def test_splits_without_rows_are_missing(self):
        images = ["1.png", "2.png"]
        self.write(
            "path,label,split", "1.png,a,train", "2.png,b,train", images=images
        )
        self.assertEqual(image_source(self.name).splits(), ("train",))
        side = hashlib.sha256(b"patient").digest()[0] / 256
        self.assertLess(side, 0.7)  # Falls to train, whatever the paths are.
        self.write("path,label,group", "1.png,a,patient", "2.png,b,patient")
        self.assertEqual(image_source(self.name).splits(), ("train",))

    def test_how_files_are_called(self):
        rows = ["path,label,split", "1.png,a,train", "2.png,b,train"]
        self.path = self.root / "List.CSV"
        self.write(*rows, images=["1.png", "2.png"])
        name = f"folder:{self.path}"
        self.assertEqual(image_source(name).num_examples("train"), 2)
        with mock.patch.dict(os.environ, {"HOME": str(self.root)}):
            source = image_source("folder:~/List.CSV")
        self.assertCountEqual(read_ids(source, "train"), ["1.png", "2.png"])

    def test_absolute_paths(self):
        elsewhere = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(elsewhere, "1.png")
        path.write_bytes(encoded_png(7))
        self.write(
            "path,label,split",
            f"{path},a,train",
            "2.png,b,train",
            images=["2.png"],
        )
        images = {
            e["id"].decode(): e["image"]
            for e in read(image_source(self.name), "train")
        }
        self.assertEqual(
            images, {str(path): encoded_png(7), "2.png": encoded_png(0)}
        )

    def test_rows_are_split_by_hash_as_folders_are(self):
        files = [f"{c}/{i}.png" for c in "ab" for i in range(40)]
        self.write("path,label", *(f"{f},{f[0]}" for f in files), images=files)
        listed, folder = image_source(self.name), f"folder:{self.root}"
        for split in ("train", "validation"):
            self.assertEqual(
                read_ids(listed, split), read_ids(image_source(folder), split)
            )

    def test_several_labels(self):
        files = [f"{i}.png" for i in range(4)]
        self.write(
            "path,label,split",
            "0.png,b; a,train",
            "1.png,,train",
            "2.png,c,train",
            "3.png,c;b,val",
            images=files,
        )
        source = image_source(self.name)
        self.assertTrue(source.multi_label)
        self.assertTrue(image_source(self.name, skip_corrupt=True).multi_label)
        self.assertFalse(source.any_of)
        self.assertEqual(source.labels, ("a", "b", "c"))
        spec = source.dataset("train").element_spec["label"]
        self.assertEqual((spec.dtype, spec.shape), (tf.float32, (3,)))
        labels = {
            e["id"].decode(): e["label"].tolist()
            for e in read(source, "train+validation")
        }
        self.assertEqual(
            labels,
            {
                "0.png": [1, 1, 0],
                "1.png": [0, 0, 0],
                "2.png": [0, 0, 1],
                "3.png": [0, 1, 1],
            },
        )
        counts = source.label_counts("train")
        self.assertEqual(counts.dtype, np.int64)
        self.assertEqual(counts.tolist(), [1, 1, 1])
        self.assertEqual(
            source.label_counts("train+validation").tolist(), [1, 2, 2]
        )

    def test_one_class_or_none(self):
        self.write(
            "path,label,split",
            "0.png,tumour,train",
            "1.png,,train",
            images=["0.png", "1.png"],
        )
        source = image_source(self.name)
        self.assertTrue(source.multi_label)
        self.assertEqual(source.labels, ("tumour",))

    def test_masks(self):
        for name in ("a.png", "b.png"):
            (self.root / name).write_bytes(encoded_png(1, (3, 2)))
        mask = np.array([[0, 9, 0], [0, 0, 255]], np.uint8)
        Image.fromarray(mask).save(self.root / "m.png")
        self.write(
            "path,mask,label,split", "a.png,m.png,a,train", "b.png,,b,train"
        )
        source = image_source(self.name)
        self.assertTrue(source.has_masks)
        masks = {
            e["id"].decode(): e["mask"].tolist() for e in read(source, "train")
        }
        self.assertEqual(
            masks, {"a.png": (mask > 0).tolist(), "b.png": [[False]]}
        )
        (self.root / "b.png").write_bytes(encoded_png(1, (2, 3)))
        self.write(
            "path,mask,label,split", "b.png,m.png,a,train", "a.png,,b,train"
        )
        with self.assertRaisesRegex(ValueError, "2 x 3 pixels .*of 3 x 2"):
            image_source(self.name).dataset("train")


class ErrorsTest(ManifestTestCase):
    def _error(self, message):
        with self.assertRaisesRegex(ValueError, message) as caught:
            image_source(self.name)
        self.assertNotIn("\n", str(caught.exception))
        self.assertIn(f"Received: dataset={self.name!r}", str(caught.exception))

    # fmt: off
    @parameterized.named_parameters(
        ("no_label_column", ["path,lable", "1.png,a"],
         "columns path and label; line 1 is 'path,lable'"),
        ("unknown_column", ["path,label,fold", "1.png,a,3"],
         "no columns but path, label, split, group, mask; .* has 'fold'"),
        ("repeated_column", ["path,label,label", "1.png,a,b"],
         "line 1 repeats 'label'"),
        ("no_rows", ["path,label"], "it has none"),
        ("nothing", [""], "columns path and label"),
        ("missing_file", ["path,label", "1.png,a", "0.png,b"],
         "line 3 has '0.png'"),
        ("missing_mask", ["path,label,mask", "1.png,a,m.png"],
         "line 2 has 'm.png'"),
        ("no_image", ["path,label", "1.txt,a"], "line 2 has '1.txt'"),
        ("unknown_split", ["path,label,split", "1.png,a,train", "2.png,a,dev"],
         "train, val, validation, test in the column split; line 3 has 'dev'"),
        ("twice", ["path,label", "1.png,a", "2.png,b", "./1.png,a"],
         r"lines 2 and 4 have '\./1\.png'"),
        ("too_few_cells", ["path,label", "1.png,a", "2.png"],
         "2 cells in each row.*line 3 has 1"),
        ("open_quote", ["path,label", "1.png,a", '"2.png,b'], "line 3: "),
        ("empty_label_between", ["path,label", "1.png,a;;b"],
         "line 2 has the label 'a;;b'"),
        ("label_twice", ["path,label", "1.png,a;a"],
         "line 2 has the label 'a;a'"),
        ("one_class", ["path,label,split", "1.png,a,train", "2.png,a,train"],
         r"at least two classes; it has a\. "),
        ("no_class", ["path,label,split", "1.png,,train"],
         "at least one class; it has"),
        ("class_of_test_only",
         ["path,label,split", "1.png,a,train", "2.png,b,train", "3.png,c,test"],
         "'c' of line 4 is only in test"),
        ("group_on_two_sides",
         ["path,label,split,group", "1.png,a,train,p7", "2.png,b,train,p8",
          "3.png,b,val,p7"],
         r"'p7' is in train \(line 2\) and validation \(line 4\)"),
    )
    # fmt: on
    def test_rule(self, lines, message):
        images = ["1.png", "2.png", "3.png"]
        self.write(*lines, images=images)
        self._error(message)

    def test_line_numbers_count_those_of_cells(self):
        self.write(
            "path,label", '1.png,"a\nb"', "0.png,b", images=["1.png"]
        )
        self._error("line 4 has '0.png'")

    def test_class_that_did_not_fall_to_train(self):
        files = [f"{i}.png" for i in range(20)]
        self.write("path,label", *(f"{f},{f}" for f in files), images=files)
        self._error("only in validation")

    def test_encoding(self):
        self.write("path,label", "1.png,Stück", encoding="latin-1")
        self._error("UTF-8; line 2 is not")

    def test_no_such_file(self):
        self._error("existing file; No such file")


if __name__ == "__main__":
    absltest.main()
