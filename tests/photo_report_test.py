"""The numbers about a photo's decision agree with the model and the photo."""

import json
import pathlib
import tempfile

import keras
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import models
from bagnet_tf.architecture import Architecture, Stage
from bagnet_tf.evidence import explain
from bagnet_tf.explanation import Explanation
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.photo_report import describe, read_photo

_LABELS = ("cat", "dog", "bird", "fish")
_SIZE = 48
# A small network with BagNet-9's patches.
_TINY = Architecture(
    "tiny",
    (Stage((3,), 4, 2), Stage((3,), 4, 2), Stage((1,), 4, 2)),
    stem_channels=4,
)


def _noise(height, width):
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def _part(image, box):
    return image[box["top"] : box["bottom"], box["left"] : box["right"]]


def _seen(photo):
    """The evaluation transform, in few words: what a 48-px model sees."""
    height, width = photo.shape[:2]
    # The shorter side becomes round(48 / 0.875).
    scale = 55 / min(height, width)
    size = round(width * scale), round(height * scale)
    resized = Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR)
    left, top = (size[0] - _SIZE) // 2, (size[1] - _SIZE) // 2
    return np.asarray(resized.crop((left, top, left + _SIZE, top + _SIZE)))


class DescribeTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keras.utils.set_random_seed(0)
        cls.model = models.BagNet(_TINY, classes=len(_LABELS))

    def _logits(self, image):
        return np.asarray(self.model(image[None]), np.float64)[0]

    def _describe(self, photo, size=(_SIZE, _SIZE), **options):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder, "photo.png")
        Image.fromarray(photo).save(path)
        read = read_photo(path, size)
        images = read.image[None].astype(np.float32)
        explanation = explain(self.model, images, **options)
        numbers = describe(read, explanation, _LABELS)
        return json.loads(json.dumps(numbers, allow_nan=False))

    def test_prediction_is_the_models(self):
        image = _noise(_SIZE, _SIZE)
        prediction = self._describe(image)["prediction"]
        logits = self._logits(image)
        class_id = int(logits.argmax())
        self.assertEqual(prediction["class_id"], class_id)
        self.assertEqual(prediction["label"], _LABELS[class_id])
        self.assertAlmostEqual(prediction["logit"], logits.max(), places=4)
        self.assertAlmostEqual(
            prediction["probability"],
            np.exp(logits.max()) / np.exp(logits).sum(),
            places=4,
        )

    def test_evidence_is_what_the_model_says_of_the_patch_alone(self):
        image = _noise(_SIZE, _SIZE)
        patches = self._describe(image, class_ids=[2], top_k=3)["top_patches"]
        self.assertLen(patches, 3)
        for patch in patches:
            logits = self._logits(_part(image, patch["box"]))
            self.assertAlmostEqual(
                patch["evidence"], logits[2] - logits.mean(), places=4
            )

    def test_shares_are_parts_of_the_class_centred_logit(self):
        image = _noise(_SIZE, _SIZE)
        numbers = self._describe(image, top_k=3)
        logits = self._logits(image)
        patches = 5 * 5
        self.assertEqual(numbers["grid_shape"], [5, 5])
        for patch in numbers["top_patches"]:
            np.testing.assert_allclose(
                patch["share"],
                patch["evidence"] / patches / (logits.max() - logits.mean()),
                rtol=1e-3,
            )

    def test_the_statement_on_additivity_is_true(self):
        image = _noise(_SIZE, _SIZE)
        numbers = self._describe(image)
        additivity = numbers["additivity"]
        error = max(
            abs(np.mean(entry["class_evidence"]) - entry["logit"])
            for entry in numbers["classes"]
        )
        relative = additivity["relative_error"]
        self.assertAlmostEqual(additivity["absolute_error"], error, places=12)
        largest = np.abs(self._logits(image)).max()
        np.testing.assert_allclose(relative, error / largest, rtol=1e-3)
        self.assertLess(relative, 1e-5)
        self.assertIn(f"within {relative:.0e} of", additivity["statement"])
        self.assertEqual(numbers["drawn"], "class-centred evidence, logits")

    @parameterized.named_parameters(
        ("twice_the_size", 96, 96), ("wide", 90, 200), ("tall", 250, 60)
    )
    def test_boxes_in_the_photo_hold_what_the_patch_saw(self, height, width):
        # Red tells the row in the photo, green the column.
        photo = np.zeros((height, width, 3), np.uint8)
        photo[..., 0] = np.arange(height)[:, None]
        photo[..., 1] = np.arange(width)
        seen = _seen(photo)
        numbers = self._describe(photo, top_k=4)
        pairs = [
            (patch["photo_box"], _part(seen, patch["box"]))
            for patch in numbers["top_patches"] + numbers["patches_against"]
        ]
        for box, expected in [*pairs, (numbers["crop_in_photo"], seen)]:
            np.testing.assert_allclose(
                _part(photo, box).mean((0, 1)),
                expected.mean((0, 1)),
                atol=min(height, width) / 55,
            )
        box = numbers["top_patches"][0]["photo_box"]
        side = 9 * min(height, width) / 55
        self.assertAlmostEqual(box["bottom"] - box["top"], side, delta=1)
        self.assertEqual(numbers["photo_size"], [height, width])
        self.assertEqual(numbers["input_size"], [_SIZE, _SIZE])

    def test_what_was_done_to_the_file_is_told(self):
        grey = Image.fromarray(_noise(_SIZE, _SIZE)[..., 0])
        exif = Image.Exif()
        exif[0x0112] = 3
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder, "photo.png")
        grey.save(path, exif=exif)
        photo = read_photo(path, (_SIZE, _SIZE))
        explanation = explain(self.model, np.float32(photo.image[None]))
        notes = describe(photo, explanation, _LABELS)["notes"]
        self.assertEqual(notes, ["rotated by EXIF", "grey to RGB"])

    def test_the_margin_that_no_patch_sees_is_told(self):
        numbers = self._describe(_noise(52, 50), size=(52, 50))
        # The last of 6 patches ends at 9 + 5 * 8 = 49.
        self.assertEqual(numbers["unseen_margin"], {"bottom": 3, "right": 1})

    def test_a_share_that_is_not_defined_is_null(self):
        zeros = np.zeros((1, 5, 5, 1), np.float32)
        explanation = Explanation(
            logits=zeros[:, 0, 0],
            probabilities=zeros[:, 0, 0] + 1,
            class_ids=np.zeros((1, 1), int),
            class_evidence=zeros,
            centred_evidence=zeros,
            geometry=PatchGeometry(9, 8),
            top_k=1,
        )
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder, "photo.png")
        Image.fromarray(_noise(_SIZE, _SIZE)).save(path)
        numbers = describe(
            read_photo(path, (_SIZE, _SIZE)), explanation, ("only",)
        )
        self.assertIsNone(numbers["top_patches"][0]["share"])
        self.assertEqual(numbers["additivity"]["relative_error"], 0)


if __name__ == "__main__":
    absltest.main()
