import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf.datasets import image_source
from bagnet_tf.datasets.batches import evaluation_batches
from bagnet_tf.preprocessing import evaluation_transform
from tests.training_helpers import ArraySource, tiny_config
from train.pipeline import training_batches


def _folder_of_gradients(folder, kind, count=8):
    """Images whose red and green say where a pixel was."""
    for split in ("train", "validation"):
        for label, blue in (("dark", 0), ("light", 255)):
            (folder / split / label).mkdir(parents=True)
            for index in range(count):
                rows, cols = np.mgrid[0:96, 0:128]
                pixels = np.stack(
                    [rows * 2, cols, np.full_like(rows, blue)], axis=-1
                ).astype(np.uint8)
                Image.fromarray(pixels).save(
                    folder / split / label / f"{index}.{kind}"
                )


def _arrays(batches):
    return [(images.numpy(), labels.numpy()) for images, labels in batches]


class TrainingBatchesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.source = image_source("glyphs")

    def _batches(self, epoch=0, first_step=0, **changes):
        config = tiny_config(**changes)
        return _arrays(training_batches(self.source, config, epoch, first_step))

    def test_shapes(self):
        batches = self._batches()
        self.assertLen(batches, 3)
        images, labels = batches[0]
        self.assertEqual((images.shape, images.dtype), ((8, 64, 64, 3), "u1"))
        self.assertEqual((labels.shape, labels.dtype), ((8, 10), "f4"))
        np.testing.assert_array_equal(labels.sum(axis=1), 1)

    def test_crops_grow_with_the_epochs(self):
        changes = {"epochs": 5, "progressive_resizing": ((1, 32), (3, 48))}
        sizes = [
            self._batches(epoch, **changes)[0][0].shape[1] for epoch in range(5)
        ]
        self.assertEqual(sizes, [32, 48, 48, 64, 64])

    @parameterized.parameters(
        [[(2, 32), (2, 48)]], [[(2, 32), (1, 48)]], [[(5, 32)]], [[(0, 32)]]
    )
    def test_epochs_of_crop_sizes_that_do_not_increase(self, pairs):
        message = "progressive_resizing must .* below config.epochs, 5"
        with self.assertRaisesRegex(ValueError, message):
            self._batches(epochs=5, progressive_resizing=tuple(pairs))

    def test_incomplete_batches_are_dropped(self):
        self.assertLen(self._batches(batch_size=10), 2)

    def test_any_step_is_the_same_again(self):
        whole = self._batches(epoch=1)
        rest = self._batches(epoch=1, first_step=1)
        self.assertLen(rest, 2)
        for expected, actual in zip(whole[1:], rest, strict=True):
            np.testing.assert_array_equal(actual[0], expected[0])
            np.testing.assert_array_equal(actual[1], expected[1])

    def test_epochs_differ_in_order_and_crops(self):
        first, second = self._batches(epoch=0), self._batches(epoch=1)
        self.assertFalse(np.array_equal(first[0][1], second[0][1]))
        self.assertFalse(np.array_equal(first[0][0], second[0][0]))

    def test_an_image_is_cropped_anew_in_every_epoch(self):
        changes = {"train_split": "train[:1]", "batch_size": 1}
        first, second = (
            self._batches(epoch, **changes)[0][0] for epoch in (0, 1)
        )
        self.assertFalse(np.array_equal(first, second))

    def test_seeds_differ(self):
        images = [self._batches(seed=seed)[0][0] for seed in (0, 1)]
        self.assertFalse(np.array_equal(*images))

    @parameterized.parameters(0, 1)
    def test_order_of_seed_0_is_that_of_the_epoch(self, epoch):
        # Runs of seed 0 that exist already are to be had again.
        examples = self.source.dataset("train[:24]").shuffle(
            24, seed=epoch, reshuffle_each_iteration=False
        )
        expected = [int(example["label"]) for example in examples]
        batches = self._batches(epoch, seed=0)
        found = np.concatenate([labels for _, labels in batches])
        np.testing.assert_array_equal(found.argmax(axis=1), expected)

    def test_seeds_differ_in_order(self):
        orders = {
            tuple(
                np.concatenate(
                    [y for _, y in self._batches(epoch, seed=s)]
                ).argmax(axis=1)
            )
            for epoch in (0, 1)
            for s in (0, 1, 2)
        }
        self.assertLen(orders, 6)

    def test_each_example_once_an_epoch(self):
        # Untouched images can be found again in the source.
        batches = self._batches(min_crop_area=1.0, random_flip=False)
        seen = {image.tobytes() for images, _ in batches for image in images}
        examples = self.source.dataset("train[:24]")
        self.assertEqual(seen, {e["image"].numpy().tobytes() for e in examples})

    def test_labels_stay_with_their_images(self):
        batches = self._batches(min_crop_area=1.0, random_flip=False)
        labels_of = {
            example["image"].numpy().tobytes(): int(example["label"])
            for example in self.source.dataset("train[:24]")
        }
        for images, labels in batches:
            for image, label in zip(images, labels, strict=True):
                self.assertEqual(labels_of[image.tobytes()], label.argmax())

    @parameterized.named_parameters(("jpeg", "jpg"), ("png", "png"))
    def test_crops_of_encoded_images(self, kind):
        with tempfile.TemporaryDirectory() as name:
            _folder_of_gradients(pathlib.Path(name), kind)
            source = image_source(f"folder:{name}")
            config = tiny_config(
                train_split="train", image_size=32, random_flip=False
            )
            for images, labels in _arrays(training_batches(source, config, 0)):
                values = images.astype(float)
                heights = values[:, -1, 16, 0] - values[:, 0, 16, 0]
                widths = values[:, 16, -1, 1] - values[:, 16, 0, 1]
                # Crops of 50 to 100 % of the area, whole pixels, and 32
                # samples of which the outer ones lie half a step inside.
                areas = heights / 2 * widths / (96 * 128) * (32 / 31) ** 2
                self.assertTrue((areas > 0.46).all(), areas)
                self.assertTrue((areas < 1.04).all(), areas)
                self.assertGreater(np.ptp(areas), 0.02)
                is_light = values[:, 16, 16, 2] > 127
                np.testing.assert_array_equal(labels.argmax(axis=1), is_light)


class SourcesTest(parameterized.TestCase):
    """Sources whose images are not RGB, or whose labels are several."""

    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(0)
        self.labels = rng.integers(0, 2, (16, 3)).astype("float32")
        # An image has one value a channel, by which it is known.
        self.values = np.arange(16, dtype=np.uint8)[:, None] * 10 + [0, 5]

    def _source(self):
        images = np.broadcast_to(
            self.values.astype(np.uint8)[:, None, None], (16, 30, 40, 2)
        )
        return ArraySource(images, self.labels, 3)

    @parameterized.parameters(1.0, 0.3)
    def test_multi_hot_labels_pass_as_they_are(self, min_crop_area):
        config = tiny_config(
            train_split="train", min_crop_area=min_crop_area, image_size=24
        )
        batches = _arrays(training_batches(self._source(), config, 0))
        self.assertLen(batches, 2)
        for images, labels in batches:
            self.assertEqual(images.shape, (8, 24, 24, 2))
            self.assertEqual(labels.dtype, np.float32)
            for image, label in zip(images, labels, strict=True):
                index = int(image[0, 0, 0]) // 10
                np.testing.assert_array_equal(
                    image, np.broadcast_to(self.values[index], image.shape)
                )
                np.testing.assert_array_equal(label, self.labels[index])

    def test_multi_hot_labels_mix_as_the_photos_do(self):
        config = tiny_config(
            train_split="train", min_crop_area=1.0, image_size=24, cutmix=1.0
        )
        for images, labels in _arrays(
            training_batches(self._source(), config, 0)
        ):
            for image, label in zip(images, labels, strict=True):
                indices, counts = np.unique(
                    image[..., 0] // 10, return_counts=True
                )
                shares = counts / counts.sum()
                np.testing.assert_allclose(
                    label, shares @ self.labels[indices], atol=1e-6
                )


class EvaluationBatchesTest(absltest.TestCase):
    def test_equals_pillow_on_files(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            _folder_of_gradients(folder, "png", count=3)
            source = image_source(f"folder:{name}")
            batches = list(
                evaluation_batches(source, "validation", (40, 40), 4)
            )
            self.assertEqual([len(b["label"]) for b in batches], [4, 2])
            ids = [
                e["id"].numpy().decode() for e in source.dataset("validation")
            ]
            images = np.concatenate([b["image"] for b in batches])
            for image, path in zip(images, ids, strict=True):
                photo = np.asarray(Image.open(folder / path))
                expected, _ = evaluation_transform(photo, (40, 40))
                difference = image.astype(int) - expected.astype(int)
                self.assertLessEqual(np.abs(difference).max(), 1)

    def test_multi_hot_labels_and_other_channels_pass(self):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (3, 20, 20, 1), np.uint8)
        labels = np.array([[0, 1], [1, 1], [0, 0]], np.float32)
        (batch,) = evaluation_batches(
            ArraySource(images, labels, 2), "train", (20, 20), 4
        )
        np.testing.assert_array_equal(batch["image"], images)
        np.testing.assert_array_equal(batch["label"], labels)

    def test_masks_pass_with_their_images(self):
        source = image_source("glyphs")
        batches = evaluation_batches(source, "validation[:3]", (64, 64), 3)
        batch = next(iter(batches))
        for index, example in enumerate(source.dataset("validation[:3]")):
            np.testing.assert_array_equal(batch["mask"][index], example["mask"])
            np.testing.assert_array_equal(
                batch["image"][index], example["image"]
            )


if __name__ == "__main__":
    absltest.main()
