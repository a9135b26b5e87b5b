"""The variants of ImageNet, by their TFDS names, on made-up photos."""

import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized

from bagnet_tf.datasets.labels import imagenet_labels
from bagnet_tf.model_info import ModelInfo
from tests.commands_here import run_here
from tests.small_models import compute, tiny_model
from train import evaluate

_SIDE = 32
_COUNT = 6


class EvaluateTfdsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        name = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(name)
        self.model = tiny_model(classes=1000)
        self.path = self.folder / "model.keras"
        self.model.save(self.path)
        labels = tuple(imagenet_labels().values())
        ModelInfo((_SIDE, _SIDE), labels).save(self.model, self.path)
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (_COUNT, _SIDE, _SIDE, 3), np.uint8)
        logits = compute(self.model, self.images.astype("float32"))
        # Half of the labels are what the model says.
        self.labels = np.where(
            np.arange(_COUNT) % 2, logits.argmax(axis=1), np.arange(_COUNT)
        ).tolist()
        self.logits = logits

    def _evaluate(self, name, split, key, labels, **flags):
        """Runs the command on photos that are prepared as if by TFDS."""
        builder = tfds.builder(name, data_dir=self.folder)
        split_info = tfds.core.SplitInfo(
            name=split, shard_lengths=[_COUNT], num_bytes=0
        )
        builder.info.set_splits(tfds.core.splits.SplitDict([split_info]))
        pathlib.Path(builder.data_path).mkdir(parents=True)
        builder.info.write_to_directory(builder.data_path)
        ranks = (None,) if isinstance(labels[0], list) else ()

        def examples(builder, *args, **kwargs):
            return tf.data.Dataset.from_generator(
                lambda: (
                    {
                        "image": tf.io.encode_png(image).numpy(),
                        key: label,
                        "tfds_id": f"{split}__{index}",
                    }
                    for index, (image, label) in enumerate(
                        zip(self.images, labels, strict=True)
                    )
                ),
                output_signature={
                    "image": tf.TensorSpec((), tf.string),
                    key: tf.TensorSpec(ranks, tf.int64),
                    "tfds_id": tf.TensorSpec((), tf.string),
                },
            )

        with tfds.testing.mock_data(
            num_examples=_COUNT, data_dir=self.folder, as_dataset_fn=examples
        ):
            ran = run_here(
                evaluate,
                model=self.path,
                dataset=name,
                split=split,
                data_dir=self.folder,
                batch_size=4,
                json=True,
                **flags,
            )
        return json.loads(ran.printed)

    @parameterized.parameters(
        ("imagenet2012", "validation"),
        ("imagenet_v2/matched-frequency", "test"),
        ("imagenet_sketch", "test"),
        ("imagenet2012_corrupted/gaussian_noise_3", "validation"),
    )
    def test_all_classes(self, name, split):
        scores = self._evaluate(name, split, "label", self.labels)
        self.assertEqual(scores["count"], _COUNT)
        right = self.logits.argmax(axis=1) == self.labels
        self.assertEqual(scores["top1"]["value"], np.mean(right))
        true = self.logits[np.arange(_COUNT), self.labels]
        ranks = (self.logits > true[:, None]).sum(axis=1)
        self.assertEqual(scores["top5"]["value"], np.mean(ranks < 5))

    @parameterized.parameters("imagenet_a", "imagenet_r")
    def test_the_classes_that_are_there(self, name):
        scores = self._evaluate(
            name, "test", "label", self.labels, only_present_classes=True
        )
        present = np.unique(self.labels)
        decisions = present[self.logits[:, present].argmax(axis=1)]
        self.assertEqual(
            scores["top1"]["value"], np.mean(decisions == self.labels)
        )
        self.assertEqual(
            scores["classes"],
            {"scored": len(present), "dataset": 1000, "model": 1000},
        )

    @parameterized.parameters(
        ("imagenet2012_real", "real_label"),
        ("imagenet2012_multilabel", "correct_multi_labels"),
    )
    def test_sets_of_right_answers(self, name, key):
        decision = int(self.logits[0].argmax())
        others = [c for c in (5, 6, 7) if c != decision][:2]
        sets = [[others[0], decision], others, [], [7], [decision], []]
        scores = self._evaluate(name, "validation", key, sets)
        decisions = self.logits.argmax(axis=1)
        right = [
            decisions[i] in answers for i, answers in enumerate(sets) if answers
        ]
        self.assertEqual((scores["count"], scores["num_without_label"]), (4, 2))
        self.assertEqual(scores["top1"]["value"], np.mean(right))


if __name__ == "__main__":
    absltest.main()
