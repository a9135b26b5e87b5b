"""Defaults fit the images; what is given is taken, or refused."""

import pathlib
import tempfile

from absl.testing import absltest, parameterized

from bagnet_tf.analysis.experiments import EXPERIMENTS
from bagnet_tf.analysis.options import all_options
from bagnet_tf.analysis.runner import run_experiment
from bagnet_tf.model_info import ModelInfo
from tests.analysis_helpers import noise_source
from tests.small_models import tiny_model

_SIZES = {"interactions": "patch_sizes", "texturised": "tile_sizes"}


class OptionsTest(parameterized.TestCase):
    @parameterized.parameters(
        ("interactions", (224, 224), [8, 16, 24, 32]),
        ("interactions", (96, 500), [8, 16, 24, 32]),  # Room for just three.
        ("interactions", (95, 500), [4, 8, 12, 16]),
        ("interactions", (64, 64), [4, 8, 12, 16]),
        ("interactions", (9, 9), [1, 2]),
        ("texturised", (224, 224), [8, 16, 32, 64]),
        ("texturised", (128, 128), [8, 16, 32, 64]),
        ("texturised", (64, 64), [4, 8, 16, 32]),
    )
    def test_defaults_fit(self, name, image_size, expected):
        found = _options(name, {}, image_size)
        self.assertEqual(found[_SIZES[name]], expected)

    def test_the_smallest_image_of_all_classifiers_counts(self):
        found = _options("texturised", {}, (224, 224), (100, 64))
        self.assertEqual(found["tile_sizes"], [4, 8, 16, 32])

    def test_what_is_given_stays(self):
        found = _options("interactions", {"patch_sizes": [21, 3]}, (64, 64))
        self.assertEqual(found["patch_sizes"], [21, 3])

    @parameterized.parameters(
        ("interactions", "at most 21.*64 pixels.*for 3 of.*patch_sizes=3,22"),
        ("texturised", "at most 32.*64 pixels.*for 2 of.*tile_sizes=3,33"),
    )
    def test_what_is_given_does_not_fit(self, name, message):
        size = 22 if name == "interactions" else 33
        given = {_SIZES[name]: [3, size]}
        with self.assertRaisesRegex(ValueError, message):
            _options(name, given, (64, 64))

    @parameterized.parameters(*_SIZES)
    def test_experiments_on_small_images_need_no_options(self, name):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        folder = pathlib.Path(folder)
        model, path = tiny_model(), folder / "tiny.keras"
        model.save(path)
        source = noise_source(3)
        ModelInfo((20, 20), source.labels).save(model, path)
        written = run_experiment(
            name, str(path), source, folder / "out", split="train"
        )
        sizes = written.content["options"][_SIZES[name]]
        self.assertLen(sizes, 4)
        self.assertLessEqual(max(sizes), 20 // 2)


def _options(name, given, *image_sizes):
    return all_options(EXPERIMENTS[name].options, given, image_sizes)


if __name__ == "__main__":
    absltest.main()
