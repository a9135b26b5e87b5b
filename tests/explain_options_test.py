"""The explain command's options: contrasts, tables, regions, maps, formats."""

import csv
import json
import xml.etree.ElementTree

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from tests.explain_helpers import LABELS, SIZE, ExplainCommandTestCase, noise


def _rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class OptionsTest(ExplainCommandTestCase):
    def _names(self):
        return sorted(path.name for path in self.output.iterdir())

    def _logits(self, image):
        return np.asarray(self.model(image[None]), np.float64)[0]

    def test_all_results_are_written_and_named_in_the_lines(self):
        printed = self.run_command(
            "--picture_format=png,svg",
            "--overlay",
            "--table",
            "--save_maps",
            "--contact_sheet",
            "--regions_threshold=0",
        )
        expected = [
            "contact-sheet.png",
            "contact-sheet.svg",
            "photo-overlay.png",
            "photo.csv",
            "photo.json",
            "photo.npy",
            "photo.png",
            "photo.svg",
            "regions.csv",
            "regions.json",
        ]
        self.assertEqual(self._names(), expected)
        for name in expected:
            self.assertIn(str(self.output / name), printed)
        for name in ("photo.svg", "contact-sheet.svg"):
            root = xml.etree.ElementTree.parse(self.output / name).getroot()
            self.assertEndsWith(root.tag, "svg")

    def test_svg_alone(self):
        self.run_command("--picture_format=svg")
        self.assertEqual(self._names(), ["photo.json", "photo.svg"])

    def test_images_named_like_results_of_others_get_other_names(self):
        images = [
            self.save(f"{name}.png", noise(SIZE, SIZE))
            for name in ("a", "a-overlay", "regions", "contact-sheet")
        ]
        self.run_command(
            "--overlay",
            "--contact_sheet",
            "--regions_threshold=0",
            image=",".join(map(str, images)),
        )
        self.assertLen(self._names(), 4 * 3 + 3)
        for name in (
            "a-overlay-2.png",
            "regions-2.json",
            "contact-sheet-2.png",
        ):
            self.assertIn(name, self._names())
        content = json.loads((self.output / "regions.json").read_text())
        self.assertIn("annotations", content)

    def test_contrast_of_two_classes(self):
        self.run_command("--contrast=dog,Grey heron")
        numbers = self.numbers()
        self.assertEqual([c["class_id"] for c in numbers["classes"]], [1, 5])
        contrast = numbers["contrast"]
        logits = self._logits(noise(SIZE, SIZE))
        self.assertEqual(contrast["labels"], ["dog", "Grey heron"])
        self.assertEqual(contrast["class_ids"], [1, 5])
        for value in (contrast["logit_difference"], contrast["mean"]):
            self.assertAlmostEqual(value, logits[1] - logits[5], places=4)
        self.assertAlmostEqual(
            np.mean(contrast["map"]), contrast["mean"], places=6
        )

    def test_contrast_beside_chosen_classes(self):
        self.run_command("--class_ids=5,0", "--contrast=1,5")
        classes = [c["class_id"] for c in self.numbers()["classes"]]
        self.assertEqual(classes, [5, 0, 1])

    def test_rows_of_the_table_add_up_to_the_logits(self):
        image = self.save("wide.png", noise(96, 160))
        self.run_command("--table", "--class_ids=0,4", image=image)
        rows = _rows(self.output / "wide.csv")
        self.assertLen(rows, 2 * 5 * 5)
        classes = {c["class_id"]: c for c in self.numbers("wide")["classes"]}
        for class_id in (0, 4):
            own = [r for r in rows if r["class_id"] == str(class_id)]
            total = np.sum([float(r["contribution"]) for r in own])
            logit = classes[class_id]["logit"]
            self.assertAlmostEqual(total, logit, places=5)
            self.assertEqual({r["label"] for r in own}, {LABELS[class_id]})
        # 96 pixels became 55 rows, of which the model sees 48 from the 3rd.
        self.assertAlmostEqual(
            int(rows[0]["photo_bottom"]), (3 + 9) * 96 / 55, delta=0.6
        )

    def test_regions_of_all_images_as_csv_and_coco(self):
        other = self.save("other.png", noise(96, 160))
        self.run_command(
            "--regions_threshold=0.01", image=f"{self.photo},{other}"
        )
        coco = json.loads((self.output / "regions.json").read_text())
        rows = _rows(self.output / "regions.csv")
        self.assertNotEmpty(rows)
        self.assertLen(coco["annotations"], len(rows))
        self.assertEqual(
            [image["file_name"] for image in coco["images"]],
            [str(self.photo), str(other)],
        )
        self.assertEqual(coco["images"][1]["width"], 160)
        for note, row in zip(coco["annotations"], rows, strict=True):
            left, top, width, height = note["bbox"]
            image = coco["images"][note["image_id"] - 1]
            self.assertEqual(image["file_name"], row["image"])
            self.assertEqual(LABELS[note["category_id"]], row["label"])
            self.assertLessEqual(left + width, image["width"])
            self.assertLessEqual(top + height, image["height"])
            self.assertGreater(float(row["peak_evidence"]), 0.01)

    def test_the_overlay_has_the_photos_size(self):
        image = self.save("wide.png", noise(96, 160))
        self.run_command("--overlay", image=image)
        with Image.open(self.output / "wide-overlay.png") as overlay:
            self.assertEqual(overlay.size, (160, 96))
            self.assertEqual(overlay.mode, "RGB")

    def test_saved_maps_are_those_of_the_json(self):
        self.run_command("--save_maps", "--class_ids=2,1")
        maps = np.load(self.output / "photo.npy")
        self.assertEqual((maps.shape, maps.dtype), ((5, 5, 2), np.float32))
        numbers = self.numbers()
        for place, entry in enumerate(numbers["classes"]):
            np.testing.assert_array_equal(
                maps[..., place], np.float32(entry["class_centred_evidence"])
            )
        self.assertEqual(
            numbers["drawn_maps"],
            {
                "stride": 8,
                "padding": "valid",
                "mean_is_the_logit": True,
                "file": "photo.npy",
            },
        )

    def test_what_was_done_to_the_file_is_in_title_and_json(self):
        path = self.here / "turned.jpg"
        exif = Image.Exif()
        exif[0x0112] = 8
        Image.fromarray(noise(60, 80)).convert("L").save(path, exif=exif)
        with absltest.mock.patch(
            "bagnet_tf.commands.explain_writer.render_explanation",
            side_effect=RuntimeError,
        ) as render:
            with self.assertRaises(RuntimeError):
                self.run_command(image=path)
        title = render.call_args.args[4]
        self.assertEqual(
            title,
            "turned.jpg  ·  model.keras  ·  rotated by EXIF  ·  grey to RGB",
        )
        self.run_command("--overwrite", image=path)
        self.assertEqual(
            self.numbers("turned")["notes"], ["rotated by EXIF", "grey to RGB"]
        )
        self.assertEqual(self.numbers("turned")["photo_size"], [80, 60])


class StrideTest(ExplainCommandTestCase):
    def assert_holds_the_grid(self, name, stride):
        """The maps have, where whole patches lie, the evidence of these."""
        maps = np.load(self.output / f"{name}.npy")
        numbers = self.numbers(name)
        classes = numbers["classes"]
        self.assertEqual(
            maps.shape, (SIZE // stride, SIZE // stride, len(classes))
        )
        rows, cols = numbers["grid_shape"]
        first = (numbers["receptive_field"] - 1) // 2 // stride
        step = 8 // stride
        for place, entry in enumerate(classes):
            expected = np.array(entry["class_centred_evidence"])
            actual = maps[first::step, first::step, place][:rows, :cols]
            np.testing.assert_allclose(
                actual, expected, atol=1e-4 * np.abs(expected).max()
            )

    @parameterized.parameters(1, 2, 4)
    def test_dense_maps_are_drawn_and_saved(self, stride):
        self.run_command(
            f"--stride={stride}",
            "--save_maps",
            "--overlay",
            "--contact_sheet",
            "--contrast=5,1",
        )
        self.assert_holds_the_grid("photo", stride)
        numbers = self.numbers()
        self.assertEqual(numbers["drawn_maps"]["stride"], stride)
        self.assertEqual(numbers["drawn_maps"]["padding"], "same")
        self.assertFalse(numbers["drawn_maps"]["mean_is_the_logit"])
        self.assertEqual(numbers["stride"], 8)  # The decision's.
        self.assertEqual(numbers["grid_shape"], [5, 5])

    def test_each_image_has_maps_of_its_own_classes(self):
        other = self.save("other.png", 255 - noise(SIZE, SIZE) // 4)
        self.run_command(
            "--stride=4", "--save_maps", image=f"{self.photo},{other}"
        )
        for name in ("photo", "other"):
            self.assert_holds_the_grid(name, 4)


class MistakeTest(ExplainCommandTestCase):
    @parameterized.named_parameters(
        ("stride", "--stride=3", "stride must be one of .*stride=3"),
        ("format", "--picture_format=jpg", "picture_format must .*=jpg"),
        ("no_format", "--picture_format=", "picture_format must"),
        ("one_class", "--contrast=dog", "contrast must be two .*=dog"),
        ("three", "--contrast=1,2,3", "contrast must be two classes"),
        ("same", "--contrast=dog,1", "two different classes.*=dog,1"),
        ("unknown", "--contrast=dog,cow", "contrast must .*contrast=cow"),
        ("nan", "--regions_threshold=nan", "regions_threshold must .*=nan"),
    )
    def test_is_refused_and_nothing_written(self, argument, message):
        before = self.written()
        with self.assertRaisesRegex(ValueError, message):
            self.run_command(argument)
        self.assertEqual(self.written(), before)

    def test_too_many_images_for_a_sheet(self):
        images = ",".join([str(self.photo)] * 401)
        with self.assertRaisesRegex(ValueError, "contact_sheet .*401 images"):
            self.run_command("--contact_sheet", image=images)

    @parameterized.named_parameters(
        ("overlay", "photo-overlay.png", "--overlay"),
        ("table", "photo.csv", "--table"),
        ("maps", "photo.npy", "--save_maps"),
        ("sheet", "contact-sheet.png", "--contact_sheet"),
        ("regions", "regions.json", "--regions_threshold=1"),
    )
    def test_results_that_exist(self, name, argument):
        self.output.mkdir()
        (self.output / name).write_text("old")
        with self.assertRaisesRegex(ValueError, f"--overwrite .*{name}"):
            self.run_command(argument)
        self.assertEqual((self.output / name).read_text(), "old")


if __name__ == "__main__":
    absltest.main()
