"""Can every recipe be trained? They have the same keys, and fit together."""

import importlib
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import ARCHITECTURES, BagNet
from train import configs
from train.optimization import learning_rate_schedule
from train.pipeline import training_sizes
from train.trainer import train

_NAMES = sorted(
    path.stem for path in pathlib.Path(configs.__file__).parent.glob("[!_]*.py")
)
_WIDTH = 0.05


def _config(name):
    return importlib.import_module(f"train.configs.{name}").get_config()


class ConfigsTest(parameterized.TestCase):
    @parameterized.parameters(_NAMES)
    def test_fits_together(self, name):
        config = _config(name)
        self.assertEqual(set(config), set(_config("glyphs")))
        schedule = learning_rate_schedule(config, steps_per_epoch=10)
        self.assertLessEqual(
            float(schedule(10 * config.epochs)), 0.011 * config.learning_rate
        )
        sizes = training_sizes(config)
        self.assertLen(sizes, config.epochs)
        self.assertEqual(sizes, sorted(sizes))
        field = ARCHITECTURES[config.architecture].geometry.receptive_field
        self.assertGreaterEqual(min(sizes), field)

    def test_the_header_says_where_and_whether_it_was_run(self):
        for name in _NAMES:
            header = importlib.import_module(f"train.configs.{name}").__doc__
            words = ("Source:", "Hardware:", "Command:", "Expected result:")
            for word in (*words, "Run here:", f"--config={name}"):
                self.assertIn(word, header)


class FolderTest(parameterized.TestCase):
    """The recipes for a folder of one's own, a few steps of them."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        rng = np.random.default_rng(0)
        for split, count in (("train", 8), ("validation", 2)):
            for label in ("bolt", "nut"):
                folder = self.folder / "photos" / split / label
                folder.mkdir(parents=True)
                for index in range(count):
                    pixels = rng.integers(0, 256, (60, 80, 3), np.uint8)
                    Image.fromarray(pixels).save(folder / f"{index}.png")

    @parameterized.parameters("finetune", "sparse_evidence")
    def test_from_weights_with_other_classes(self, name):
        source = BagNet(ARCHITECTURES["bagnet33"], classes=7, width=_WIDTH)
        weights = self.folder / "source.weights.h5"
        source.save_weights(weights)
        config = _config(name)
        config.update(
            dataset=f"folder:{self.folder}/photos",
            train_split="train[:75%]",
            holdout_split="train[75%:]",
            width=_WIDTH,
            weights=str(weights),
            image_size=40,
            eval_image_size=40,
            batch_size=4,
            epochs=1,
            warmup_epochs=0,
            # So that what is not trained stays as it was.
            learning_rate=1e-3,
            learning_rate_factors={"stem": 0.0},
            weight_decay=0.0,
            precision="float32",
        )
        result = train(config, str(self.folder / "run"))
        self.assertTrue(result.finished)
        model = keras.models.load_model(self.folder / "run" / "last.keras")
        self.assertEqual(model.output_shape, (None, 2))
        for layer in ("stem_conv1", "stem_conv2"):
            np.testing.assert_array_equal(
                model.get_layer(layer).kernel, source.get_layer(layer).kernel
            )
        near, before = (
            net.get_layer("stage4_block3_conv3").kernel.numpy()
            for net in (model, source)
        )
        change = np.abs(near - before).max()
        self.assertBetween(change, 1e-9, 0.1 * np.abs(before).max())

    def test_learning_rate_of_weights_that_are_not_there(self):
        config = _config("glyphs")
        config.update(width=_WIDTH, learning_rate_factors={"stge1": 0.1})
        with self.assertRaisesRegex(
            ValueError, "such as 'stem_conv1/kernel'. Received: 'stge1'"
        ):
            train(config, str(self.folder / "run"))


if __name__ == "__main__":
    absltest.main()
