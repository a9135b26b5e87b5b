"""The explain command: what it writes, and that mistakes write nothing."""

import json
import pathlib
import subprocess

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import models
from bagnet_tf.commands import explain as command
from bagnet_tf.commands.classes import find_class
from tests.explain_helpers import (
    LABELS,
    SIZE,
    TINY,
    ExplainCommandTestCase,
    noise,
)
from tests.forked_python import forked_python

_ROOT = pathlib.Path(__file__).resolve().parent.parent


class ResultTest(ExplainCommandTestCase):
    def test_each_image_gets_a_picture_numbers_and_a_line(self):
        other = self.save("other.jpg", noise(60, 90))
        printed = self.run_command(image=f"{self.photo},{other}")
        self.assertCountEqual(
            [path.name for path in self.output.iterdir()],
            ["photo.png", "photo.json", "other.png", "other.json"],
        )
        with Image.open(self.output / "other.png") as picture:
            picture.load()
        _, line = printed.splitlines()
        prediction = self.numbers("other")["prediction"]
        for part in (
            str(other),
            prediction["label"],
            f"p = {prediction['probability']:.3f}",
            str(self.output / "other.png"),
            str(self.output / "other.json"),
        ):
            self.assertIn(part, line)

    def test_json_is_what_the_files_say_and_where_they_are(self):
        other = self.save("other.jpg", noise(60, 90))
        images = f"{self.photo},{other}"
        printed = self.run_command("--json", "--contact_sheet", image=images)
        self.assertLen(self.said.splitlines(), 3)
        expected = [
            self.numbers(stem)
            | {
                "files": {
                    "png": str(self.output / f"{stem}.png"),
                    "numbers": str(self.output / f"{stem}.json"),
                }
            }
            for stem in ("photo", "other")
        ]
        sheet = {"sheet_png": str(self.output / "contact-sheet.png")}
        self.assertEqual(
            json.loads(printed), {"images": expected, "files": sheet}
        )

    def test_images_of_the_same_name_get_different_files(self):
        second = self.save("folder/photo.jpg", noise(60, 60))
        third = self.save("folder/PHOTO.png", noise(70, 70))
        self.run_command(image=f"{self.photo},{second},{third}")
        images = {
            path.stem: json.loads(path.read_text())["image"]
            for path in self.output.glob("*.json")
        }
        self.assertEqual(
            images,
            {
                "photo": str(self.photo),
                "photo-2": str(second),
                "PHOTO-3": str(third),
            },
        )

    def test_the_numbers_are_those_of_model_and_image(self):
        self.run_command("--top_k=2")
        numbers = self.numbers()
        self.assertEqual(numbers["model"], str(self.model_path))
        self.assertEqual(numbers["image"], str(self.photo))
        logits = np.asarray(self.model(noise(SIZE, SIZE)[None]))[0]
        prediction = numbers["prediction"]
        self.assertEqual(prediction["class_id"], logits.argmax())
        self.assertEqual(prediction["label"], LABELS[logits.argmax()])
        self.assertAlmostEqual(prediction["logit"], logits.max(), places=4)
        explained = [entry["class_id"] for entry in numbers["classes"]]
        self.assertEqual(explained, np.argsort(-logits)[:3].tolist())
        self.assertLen(numbers["top_patches"], 2)

    @parameterized.named_parameters(
        ("name", "dog", 1),
        ("any_case", "grey heron", 5),
        ("one_of_several_names", "cat", 0),
        ("all_of_several_names", "house cat, cat", 0),
        ("id", "2", 2),
        ("a_name_before_an_id", "3", 4),
    )
    def test_a_class_is_found_by(self, name, class_id):
        self.assertEqual(find_class(name, LABELS), class_id)

    def test_the_chosen_classes_are_explained_once_each_in_order(self):
        self.run_command('--class_ids=5,"house cat, cat",dog,1')
        explained = [entry["class_id"] for entry in self.numbers()["classes"]]
        self.assertEqual(explained, [5, 0, 1])

    def test_labels_of_a_file_replace_the_models(self):
        names = self.here / "labels.txt"
        text = "null\neins\nzwei\ndrei\nvier\nfünf\n"
        names.write_text(text, encoding="utf-8")
        self.run_command(f"--labels={names}", "--class_ids=fünf")
        self.assertEqual(self.numbers()["classes"][0]["label"], "fünf")

    def test_overwrite_replaces_results(self):
        self.output.mkdir()
        (self.output / "photo.png").write_text("old")
        self.run_command("--overwrite")
        with Image.open(self.output / "photo.png") as picture:
            self.assertEqual(picture.format, "PNG")

    def test_a_file_of_the_results_is_written_whole_or_not_at_all(self):
        with absltest.mock.patch(
            "matplotlib.figure.Figure.savefig", side_effect=OSError("disk full")
        ):
            with self.assertRaisesRegex(OSError, "disk full"):
                self.run_command()
        self.assertEmpty(list(self.output.iterdir()))

    def test_more_images_than_a_batch(self):
        with absltest.mock.patch.object(command, "_BATCH_SIZE", 2):
            paths = []
            for brightness in (3, 2, 1):
                image = noise(SIZE, SIZE) // brightness
                paths.append(self.save(f"{brightness}.png", image))
            self.run_command(image=",".join(map(str, paths)))
        for brightness in (3, 2, 1):
            image = noise(SIZE, SIZE) // brightness
            logit = np.asarray(self.model(image[None])).max()
            prediction = self.numbers(str(brightness))["prediction"]
            self.assertAlmostEqual(prediction["logit"], logit, places=4)


class MistakeTest(ExplainCommandTestCase):
    def _assert_refused(self, message, *more, **changes):
        before = self.written()
        with self.assertRaisesRegex(ValueError, message):
            self.run_command(*more, **changes)
        self.assertEqual(self.written(), before)

    def test_a_missing_image_stops_all(self):
        self._assert_refused(
            "image must be an existing file.*/no.png",
            image=f"{self.photo},{self.here}/no.png",
        )

    def test_a_folder_is_no_image(self):
        folder = self.here / "folder.png"
        folder.mkdir()
        rule = "image must be an existing file.*folder.png"
        self._assert_refused(rule, image=folder)

    def test_a_corrupt_image_stops_all(self):
        broken = self.here / "broken.png"
        broken.write_bytes(self.photo.read_bytes()[:500])
        self._assert_refused(
            "image must be a whole.*broken.png",
            image=f"{self.photo},{broken}",
        )

    @parameterized.named_parameters(
        ("unknown", "cow", r"class_ids must .*close names.*class_ids=cow"),
        ("misspelt", "gray heron", "close names are .'Grey heron'"),
        ("out_of_range", "6", "ids are 0 to 5"),
        ("negative", "-1", "class_ids must"),
        ("none", "", "class_ids must be at least one class"),
        ("of_two_classes", "crane", r"\[2, 3\]: give one of these ids"),
    )
    def test_a_class(self, name, message):
        self._assert_refused(message, f"--class_ids={name}")

    def test_a_missing_model(self):
        self._assert_refused("model must be", model=self.here / "no.keras")

    def test_a_model_that_gives_nan(self):
        model = models.BagNet(TINY, classes=2)
        classifier = model.get_layer(models.CLASSIFIER_LAYER)
        kernel, bias = classifier.get_weights()
        classifier.set_weights([kernel, bias * np.nan])
        model.save(self.here / "nan.keras")
        self._assert_refused("finite", model=self.here / "nan.keras")

    @parameterized.parameters("photo.png", "photo.json")
    def test_results_that_exist(self, name):
        self.output.mkdir()
        (self.output / name).write_text("old")
        self._assert_refused(f"--overwrite replaces .*{name}")

    def test_the_photo_itself_is_never_replaced(self):
        self._assert_refused(
            "no image and no model", "--overwrite", output=self.here
        )

    def test_the_models_json_is_never_replaced(self):
        image = self.save("model.jpg", noise(60, 60))
        self._assert_refused(
            "no image and no model",
            "--overwrite",
            image=image,
            output=self.folder,
        )

    def test_an_output_that_is_a_file(self):
        self._assert_refused("output must be a folder", output=self.photo)

    @parameterized.parameters(None, b"\xff\xfe\xfa")
    def test_labels_that_cannot_be_read(self, content):
        names = self.here / "labels.txt"
        if content is not None:
            names.write_bytes(content)
        self._assert_refused("labels must be a text", f"--labels={names}")


class ProcessTest(ExplainCommandTestCase):
    def _process(self, *arguments):
        return subprocess.run(
            [*forked_python(), "-m", "bagnet_tf.commands.explain", *arguments],
            capture_output=True,
            text=True,
            cwd=_ROOT,
        )

    def test_success_ends_with_0(self):
        result = self._process(*self.arguments())
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLen(result.stdout.splitlines(), 1)
        self.assertTrue((self.output / "photo.png").exists())

    def test_no_image_is_one_line_and_status_2(self):
        result = self._process("--model=m.keras", "--output=x")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"\Aexplain: .*image.*\n\Z")
        self.assertEmpty(result.stdout)


if __name__ == "__main__":
    absltest.main()
