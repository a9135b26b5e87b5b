"""Gram matrices against a hand computation; textures come closer to them."""

import tempfile

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest

from bagnet_tf.analysis import texturised
from bagnet_tf.analysis.gram_textures import TextureSynthesis
from tests.analysis_helpers import classifier_of, noise_source, request_of
from tests.small_models import random_images, tiny_model

_SIZE = 16, 20


def _half(images):
    return images / 2


def _network(size=(None, None)):
    keras.utils.set_random_seed(1)
    image = x = keras.Input((*size, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", name="one")(x)
    x = keras.layers.ReLU(name="fine")(x)
    x = keras.layers.Conv2D(6, 3, strides=2, name="coarse")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(4)(x))


class TexturesTest(absltest.TestCase):
    def test_gram_matrices_equal_a_hand_computation(self):
        network = _network()
        synthesis = TextureSynthesis(network, _half, _SIZE, ["fine"])
        images = random_images(*_SIZE, batch=2)
        features = keras.Model(network.input, network.get_layer("fine").output)(
            images / 2
        ).numpy()
        (found,) = synthesis.grams(tf.constant(images))
        for index in range(2):
            expected = np.zeros((5, 5))
            for row in range(_SIZE[0]):
                for col in range(_SIZE[1]):
                    vector = features[index, row, col].astype(np.float64)
                    expected += np.outer(vector, vector) / np.prod(_SIZE)
            np.testing.assert_allclose(found[index], expected, rtol=1e-4)

    def test_loss_is_relative_and_0_for_the_photo_itself(self):
        synthesis = TextureSynthesis(_network(), _half, _SIZE, ["one"])
        images = tf.constant(random_images(*_SIZE, batch=2))
        targets = synthesis.grams(images)
        np.testing.assert_allclose(synthesis.losses(images, targets), 0)
        doubled = [gram * 2 for gram in targets]
        # Half of a matrix is missing: a quarter of its square.
        np.testing.assert_allclose(
            synthesis.losses(images, doubled), 0.25, rtol=1e-5
        )

    def test_the_last_layer_of_each_resolution(self):
        synthesis = TextureSynthesis(_network(), _half, _SIZE)
        self.assertEqual(synthesis.layers, ("fine", "coarse"))

    def test_textures_have_the_statistics_and_not_the_pixels(self):
        synthesis = TextureSynthesis(_network(), _half, _SIZE, steps=80)
        photos = random_images(*_SIZE, batch=2)
        photos[:, :, 10:] = photos[:, :, 10:] / 8 + 100
        textures, losses = synthesis(photos, seeds=[0, 1])
        self.assertEqual(
            (textures.shape, textures.dtype), (photos.shape, "uint8")
        )
        self.assertLess(losses.max(), 0.02)
        self.assertGreater(np.abs(textures - photos).mean(), 20)

    def test_a_photo_does_not_depend_on_its_batch(self):
        synthesis = TextureSynthesis(_network(), _half, _SIZE, steps=5)
        photos = random_images(*_SIZE, batch=2)
        both, _ = synthesis(photos, seeds=[[0, 5], [0, 6]])
        alone, _ = synthesis(photos[1:], seeds=[[0, 6]])
        self.assertLessEqual(np.abs(both[1:].astype(int) - alone).max(), 1)
        self.assertFalse(np.array_equal(both[0], both[1]))

    def test_a_network_of_one_size(self):
        synthesis = TextureSynthesis(_network((8, 8)), _half, _SIZE, steps=2)
        textures, _ = synthesis(random_images(*_SIZE), [0])
        self.assertEqual(textures.shape[1:3], _SIZE)

    def test_unknown_layers(self):
        with self.assertRaisesRegex(ValueError, "coarse.*feature_layers=pool"):
            TextureSynthesis(_network(), _half, _SIZE, ["fine", "pool"])

    def test_the_experiment_has_a_row_of_textures(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = f"{folder}/network.keras"
        _network().save(path)
        request = request_of(
            self,
            [classifier_of(tiny_model())],
            noise_source(3),
            "texturised",
            tile_sizes=[4],
            feature_network=path,
            synthesis_steps=3,
        )
        result = texturised.run(request)
        names = [row["images"] for row in result.rows]
        self.assertEqual(names, ["intact", "tiles of 4", "texture"])
        self.assertLess(result.rows[-1]["median_loss"], 1)
        (_, tiles), *_ = result.figures["examples"].rows
        self.assertEqual(tiles[-1].title, "texture")


if __name__ == "__main__":
    absltest.main()
