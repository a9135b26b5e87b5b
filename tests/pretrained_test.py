"""Does `weights=` of a model take what fits, and name what does not?"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import os
import pathlib
import sys
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf import pretrained
from bagnet_tf.loading import load_model
from bagnet_tf.presets import PRESETS
from tests.shared_data import golden_state_dict
from tests.small_models import TINY
from tests.weight_file_helpers import (
    SMALL_CLASSES,
    SMALL_WIDTH,
    small_state_dict,
    write_tf2cv,
    zipped,
)

_small = functools.partial(
    bagnet_tf.BagNet9, classes=SMALL_CLASSES, width=SMALL_WIDTH
)


class FolderTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)

    def assert_same_weights(self, first, second):
        for one, other in zip(first.weights, second.weights, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


class NamedTest(FolderTestCase):
    """`weights="imagenet"` with a server on this disk."""

    def setUp(self):
        super().setUp()
        home = str(self.folder / "keras")
        self.enterContext(mock.patch.dict(os.environ, {"KERAS_HOME": home}))

    def _publish(self):
        """Publishes the golden weights instead of the real ones."""
        path = self.folder / "bagnet9.tf2.h5"
        write_tf2cv(path, "bagnet9", golden_state_dict("bagnet9", "pytorchcv"))
        preset = dataclasses.replace(
            PRESETS["bagnet9-imagenet"],
            file=path.name,
            file_hash=hashlib.sha1(path.read_bytes()).hexdigest(),
            url=zipped(path).as_uri(),
        )
        presets = {preset.name: preset}
        self.enterContext(mock.patch.object(pretrained, "PRESETS", presets))

    def test_imagenet(self):
        self._publish()
        with contextlib.redirect_stdout(io.StringIO()):
            model = bagnet_tf.BagNet9(weights="imagenet")
        entries = golden_state_dict("bagnet9")
        np.testing.assert_array_equal(
            model.get_layer("classifier").kernel, entries["fc.weight"].T
        )
        with self.subTest("include_preprocessing"):
            other = bagnet_tf.BagNet9("imagenet", include_preprocessing=False)
            self.assert_same_weights(model, other)
        with self.subTest("include_top"):
            headless = bagnet_tf.BagNet9(
                "imagenet", include_top=False, classes=10
            )
            np.testing.assert_array_equal(
                headless.get_layer("stem_conv1").kernel,
                model.get_layer("stem_conv1").kernel,
            )

    def test_preset(self):
        self._publish()
        with contextlib.redirect_stdout(io.StringIO()):
            model, info = load_model("bagnet9-imagenet")
        self.assert_same_weights(
            model, bagnet_tf.load_preset("bagnet9-imagenet")
        )
        entries = golden_state_dict("bagnet9")
        np.testing.assert_array_equal(
            model.get_layer("classifier").kernel, entries["fc.weight"].T
        )
        self.assertEqual(info.image_size, (224, 224))
        self.assertLen(info.labels, 1000)
        self.assertEqual(info.labels[0], "tench")
        self.assertEqual(info.metrics, {"top1": 0.5122, "top5": 0.7459})

    @parameterized.named_parameters(
        ("width", {"width": 0.125}, "need width=1.0", "width=0.125"),
        ("classes", {"classes": 10}, "need classes=1000, or", "classes=10"),
        (
            "channels",
            {
                "input_shape": (None, None, 4),
                "include_top": False,
            },
            "need 3 channels",
            r"input_shape=\(None, None, 4\)",
        ),
    )
    def test_arguments_that_do_not_fit(self, arguments, rule, received):
        for name in ("imagenet", "imagenet-official"):
            message = f"weights='{name}' {rule}.*Received: .*{received}"
            with (
                self.subTest(name),
                self.assertRaisesRegex(ValueError, message),
            ):
                bagnet_tf.BagNet9(name, **arguments)

    def test_architecture_of_ones_own(self):
        message = "weights='imagenet' need.*bagnet33.*architecture='tiny'"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.BagNet(TINY, "imagenet")

    def test_architecture_that_only_has_the_name(self):
        other = dataclasses.replace(TINY, name="bagnet9")
        with self.assertRaisesRegex(ValueError, "need one of the archit"):
            bagnet_tf.BagNet(other, "imagenet")

    def test_torch_is_asked_for_before_the_download(self):
        with mock.patch.dict(sys.modules, {"torch": None}):
            with mock.patch.object(pretrained, "fetch") as fetch:
                with self.assertRaisesRegex(ValueError, "pip install torch"):
                    bagnet_tf.BagNet9("imagenet-official")
        fetch.assert_not_called()


class FileTest(FolderTestCase):
    """Disagreements of a file with the arguments."""

    def _tf2cv(self):
        path = self.folder / "small.h5"
        write_tf2cv(path, "bagnet9", small_state_dict("pytorchcv"))
        return path

    def _ours(self, **kwargs):
        path = self.folder / "ours.weights.h5"
        _small(**kwargs).save_weights(path)
        return path

    def test_classes(self):
        message = (
            r"small.h5 has entries 2 of another shape \(output1/kernel "
            r"\(128, 5\) instead of \(128, 7\), output1/bias \(5,\) instead "
            r"of \(7,\)\). Received: weights='.*small.h5'.*classes=7"
        )
        with self.assertRaisesRegex(ValueError, message):
            _small(self._tf2cv(), classes=7)

    def test_width(self):
        message = r"init_block/conv1/conv/kernel \(1, 1, 3, 4\) .*width=0.125"
        with self.assertRaisesRegex(ValueError, message):
            _small(self._tf2cv(), width=0.125)

    def test_architecture(self):
        message = (
            r"2 of another shape \(stage3/unit1/body/conv2/conv/conv/kernel "
            r"\(1, 1, 16, 16\) instead of \(3, 3, 16, 16\), stage4.*"
            "architecture='bagnet33'"
        )
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.BagNet33(
                self._tf2cv(), classes=SMALL_CLASSES, width=SMALL_WIDTH
            )

    def test_classifier_is_ignored_without_top(self):
        for path in (self._tf2cv(), self._ours()):
            with self.subTest(path.name):
                model = _small(path, include_top=False)
                whole = _small(path)
                for layer in model.layers:
                    self.assert_same_weights(layer, whole.get_layer(layer.name))

    def test_classifier_that_is_missing(self):
        path = self._ours(include_top=False)
        message = (
            r"2 missing \(classifier/kernel, classifier/bias\). "
            "Received: .*include_top=True"
        )
        with self.assertRaisesRegex(ValueError, message):
            _small(path)

    def test_layers_that_are_too_many(self):
        stages = bagnet_tf.BAGNET9.stages[:3]
        shorter = dataclasses.replace(bagnet_tf.BAGNET9, stages=stages)
        with self.assertRaisesRegex(ValueError, "unexpected.*stage4_block1"):
            bagnet_tf.BagNet(
                shorter, self._ours(), width=SMALL_WIDTH, include_top=False
            )

    def test_file_that_is_missing(self):
        message = (
            "weights must be None, imagenet, .*Received: weights='none.h5'"
        )
        with self.assertRaisesRegex(ValueError, message):
            _small("none.h5")

    def test_folder(self):
        with self.assertRaisesRegex(ValueError, "existing file"):
            _small(self.folder)


if __name__ == "__main__":
    absltest.main()
