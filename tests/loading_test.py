"""Does a model come back with all that belongs to it?"""

import contextlib
import json
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.loading import load_model, model_title
from bagnet_tf.model_info import ModelInfo
from tests.small_models import tiny_model


class LoadingTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(directory, "model.keras")

    def save(self, info=None, **kwargs):
        model = tiny_model(classes=3, **kwargs)
        model.save(self.path)
        if info is not None:
            info.save(model, self.path)

    def assert_refused(self, message, path=None, **kwargs):
        with self.assertRaisesRegex(ValueError, message):
            load_model(path or self.path, **kwargs)

    def test_comes_back_as_it_was_saved(self):
        info = ModelInfo((40, 56), ("cat", "dog", "tench"), {"top_1": 0.5})
        self.save(info)
        _, loaded = load_model(self.path)
        self.assertEqual(loaded, info)

    def test_the_model_is_the_saved_one(self):
        self.save()
        model, _ = load_model(str(self.path))
        image = np.full((1, 20, 20, 3), 99, "float32")
        np.testing.assert_array_equal(
            model(image), tiny_model(classes=3)(image)
        )

    def test_json_has_what_a_client_needs(self):
        self.save(ModelInfo((40, 56), ("cat", "dog", "tench")))
        content = json.loads(self.path.with_suffix(".json").read_text())
        self.assertEqual(content["model"], "tiny")
        self.assertEqual(content["image_size"], [40, 56])
        self.assertEqual(content["input_range"], [0, 255])
        self.assertIn("0.875", content["resize_rule"])
        self.assertEqual(
            content["geometry"], {"receptive_field": 5, "stride": 2}
        )

    def test_nothing_half_written_is_left(self):
        self.save(ModelInfo((40, 56), ("cat", "dog", "tench")))
        names = sorted(path.name for path in self.path.parent.iterdir())
        self.assertEqual(names, ["model.json", "model.keras"])

    @parameterized.parameters("softmax", "sigmoid")
    def test_head_comes_back(self, head):
        self.save(ModelInfo((40, 56), ("cat", "dog", "tench"), head=head))
        content = json.loads(self.path.with_suffix(".json").read_text())
        self.assertEqual(content["head"], head)
        self.assertEqual(load_model(self.path)[1].head, head)

    @parameterized.parameters((3, "softmax"), (2, "softmax"), (1, "sigmoid"))
    def test_head_of_a_model_that_does_not_say(self, classes, head):
        tiny_model(classes=classes).save(self.path)
        self.assertEqual(load_model(self.path)[1].head, head)

    @parameterized.parameters('"relu"', "null", '["sigmoid"]')
    def test_head_that_is_none(self, head):
        self.save()
        self.path.with_suffix(".json").write_text(f'{{"head": {head}}}')
        self.assert_refused("head must be one of softmax, sigmoid. Received")

    def test_thresholds(self):
        points = [
            {"class_id": 2, "label": "tench", "threshold": 0.37},
            {"class_id": 0, "label": "cat", "threshold": 1},
        ]
        labels = ("cat", "dog", "tench")
        info = ModelInfo((40, 56), labels, {"operating_points": points})
        self.save(info)
        self.assertEqual(load_model(self.path)[1].thresholds, {2: 0.37, 0: 1})

    def test_no_thresholds(self):
        self.assertEqual(ModelInfo((40, 56), ("cat",)).thresholds, {})

    @parameterized.parameters(
        3,
        [[{"class_id": 0}]],
        [[{"class_id": 1, "threshold": 0.5}]],
        [[{"class_id": "0", "threshold": 0.5}]],
        [[{"class_id": 0, "threshold": 1.5}]],
        [[{"class_id": 0, "threshold": -0.1}]],
        [[{"class_id": 0, "threshold": "high"}]],
        [[{"class_id": 0, "threshold": float("nan")}]],
    )
    def test_thresholds_that_are_none(self, points):
        info = ModelInfo((40, 56), ("cat",), {"operating_points": points})
        with self.assertRaisesRegex(ValueError, "operating_points .*Received"):
            info.thresholds  # noqa: B018

    @parameterized.parameters("hot", 0, -1.5, float("inf"))
    def test_temperature_that_is_none(self, value):
        info = ModelInfo((40, 56), ("cat",), {"temperature": value})
        with self.assertRaisesRegex(ValueError, "temperature .*Received"):
            info.temperature  # noqa: B018

    @parameterized.parameters(
        ("imagenette", "imagenette"),
        ("runs/flowers.keras", "flowers"),
        ("runs/flowers/model.keras", "flowers"),
        ("runs/flowers/last.keras", "last"),
        ("runs/flowers/x/../model.keras", "flowers"),
        ("/model.keras", "model"),
    )
    def test_title(self, name, title):
        self.assertEqual(model_title(name), title)

    def test_title_of_a_file_in_the_current_folder(self):
        folder = self.path.parent / "roses"
        folder.mkdir()
        with contextlib.chdir(folder):
            self.assertEqual(model_title("model.keras"), "roses")

    def test_without_json(self):
        self.save()
        _, info = load_model(self.path)
        self.assertEqual(info.image_size, (224, 224))
        self.assertEqual(tuple(info.labels), ("class 0", "class 1", "class 2"))

    def test_without_json_the_fixed_input_size(self):
        self.save(input_shape=(64, 48, 3))
        _, info = load_model(self.path)
        self.assertEqual(info.image_size, (64, 48))

    def test_arguments_override_the_json(self):
        self.save(ModelInfo((40, 56), ("cat", "dog", "tench")))
        _, info = load_model(self.path, image_size=33, labels=["a", "b", "c"])
        self.assertEqual(info.image_size, (33, 33))
        self.assertEqual(info.labels, ("a", "b", "c"))

    def test_missing_file(self):
        self.assert_refused(
            r"existing .keras file or .*Received: model='.*keras'"
        )

    def test_name_that_is_nearly_a_preset(self):
        self.assert_refused(
            "or a preset, one of bagnet33-imagenet,.*model='bagnet33-imagnet'",
            path="bagnet33-imagnet",
        )

    def test_other_ending(self):
        self.assert_refused("existing .keras file", path=__file__)

    def test_directory(self):
        self.path.mkdir()
        self.assert_refused("existing .keras file")

    @parameterized.parameters(0, 100, 0.5, 0.999)
    def test_truncated_file(self, part):
        self.save()
        content = self.path.read_bytes()
        end = int(part * len(content)) if part < 1 else part
        self.path.write_bytes(content[:end])
        self.assert_refused(r"must be a whole .keras file.*model='.*keras'")

    def test_model_that_is_no_bagnet(self):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.save(self.path)
        self.assert_refused("must be a BagNet")

    @parameterized.parameters(None, "avg")
    def test_model_without_classifier(self, pooling):
        self.save(include_top=False, pooling=pooling)
        self.assert_refused("must be a BagNet with a classifier .*, file=")

    @parameterized.parameters(4, 0, -3)
    def test_image_size_under_the_receptive_field(self, size):
        self.save()
        self.assert_refused(
            "at least 5 .*Received: image_size", image_size=size
        )

    def test_image_size_that_is_not_the_fixed_one(self):
        self.save(input_shape=(64, 48, 3))
        message = r"fit the model's input \(64, 48\).*\(64, 64\)"
        self.assert_refused(message, image_size=64)

    @parameterized.parameters(2, 4, 0)
    def test_number_of_labels(self, count):
        self.save()
        self.assert_refused(
            f"labels must be 3 names.*Received: {count} labels",
            labels=["x"] * count,
        )

    @parameterized.parameters("{", "[1]", "")
    def test_damaged_json(self, content):
        self.save()
        self.path.with_suffix(".json").write_text(content)
        self.assert_refused("must be a JSON object.*Received: .*model.json")


if __name__ == "__main__":
    absltest.main()
