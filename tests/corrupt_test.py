import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import corrupt_images, image_source
from tests.small_models import tiny_model
from tests.training_helpers import shallow_networks, tiny_config
from train.evaluation import Evaluator
from train.trainer import train


class CorruptImagesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        name = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(name)
        pixels = np.zeros((40, 40, 3), np.uint8)
        for split in ("train", "validation"):
            for label in ("bolt", "nut"):
                path = self.folder / split / label
                path.mkdir(parents=True)
                for index in range(4):
                    Image.fromarray(pixels + index).save(path / f"{index}.png")
        for split in ("train", "validation"):
            bad = self.folder / split / "nut" / "1.png"
            bad.write_bytes(bad.read_bytes()[:60])
        self.name = f"folder:{self.folder}"

    @parameterized.named_parameters(
        ("train", "train"), ("validation", "validation")
    )
    def test_they_are_found(self, split):
        found = list(corrupt_images(image_source(self.name), split))
        self.assertEqual(found, [f"{split}/nut/1.png"])

    def test_skipping_leaves_the_others_in_order(self):
        def ids(**kwargs):
            source = image_source(self.name, **kwargs)
            examples = source.dataset("train")
            found = [e["id"].numpy().decode() for e in examples]
            self.assertEqual(source.num_examples("train"), len(found))
            return found

        expected = [i for i in ids() if i != "train/nut/1.png"]
        with self.assertLogs(level="WARNING") as logs:
            self.assertEqual(ids(skip_corrupt=True), expected)
        self.assertIn("1 corrupt image(s) of train", logs.output[0])

    def test_evaluation_names_it(self):
        model = tiny_model(classes=2)
        with self.assertRaisesRegex(ValueError, "validation/nut/1.png"):
            Evaluator(model, image_source(self.name), (40, 40))("validation")

    def test_evaluation_goes_on_without_it(self):
        source = image_source(self.name, skip_corrupt=True)
        evaluate = Evaluator(tiny_model(classes=2), source, (40, 40))
        scores = evaluate("validation")
        self.assertEqual(scores["count"], 7)

    def test_training_names_it(self):
        self.enterContext(shallow_networks())
        config = tiny_config(
            dataset=self.name,
            train_split="train",
            holdout_split="validation",
            eval_split="validation",
            image_size=40,
            eval_image_size=40,
            batch_size=4,
        )
        workdir = str(self.folder / "run")
        with self.assertRaisesRegex(ValueError, "train/nut/1.png"):
            train(config, workdir)

    def test_photos_of_glyphs_cannot_be_corrupt(self):
        self.assertEmpty(
            list(corrupt_images(image_source("glyphs"), "train[:2]"))
        )


if __name__ == "__main__":
    absltest.main()
