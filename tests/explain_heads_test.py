"""The explain command follows the model's head and its channels."""

import csv

import keras
import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

import bagnet_tf
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.rendering import render_explanation
from tests.explain_helpers import SIZE, TINY, ExplainCommandTestCase, noise

_DEFECTS = ("scratch", "dent", "stain")


def _sigmoid(logits):
    return 1 / (1 + np.exp(-np.float64(logits)))


class HeadsTest(ExplainCommandTestCase):
    def _save_model(self, labels, head, channels=3, metrics=None, bias=0):
        """Writes a model; returns its patch logits of a photo."""
        keras.utils.set_random_seed(1)
        shape = (None, None, channels)
        model = bagnet_tf.BagNet(TINY, classes=len(labels), input_shape=shape)
        kernel = model.get_layer("classifier").get_weights()[0]
        model.get_layer("classifier").set_weights(
            [kernel, np.full(len(labels), bias)]
        )
        path = self.here / "head.keras"
        model.save(path)
        info = ModelInfo((SIZE, SIZE), labels, metrics or {}, head)
        info.save(model, path)
        network = bagnet_tf.patch_logits_model(model)

        def patch_logits(photo):
            outputs = network(photo[None].astype(np.float32), training=False)
            return np.float64(outputs["patch_logits"][0])

        return path, patch_logits

    def test_sigmoid_head_names_all_classes_above_their_thresholds(self):
        photo = noise(SIZE, SIZE)
        _, patch_logits = self._save_model(_DEFECTS, "sigmoid")
        maps = patch_logits(photo)
        found = _sigmoid(maps.mean(axis=(0, 1)))
        # Two classes above their thresholds by a little, one below by one.
        thresholds = found + [-0.01, 0.01, -0.01]
        points = [
            {"class_id": i, "threshold": t}
            for i, t in enumerate(thresholds.tolist())
        ]
        metrics = {"operating_points": points}
        path, _ = self._save_model(_DEFECTS, "sigmoid", metrics=metrics)
        printed = self.run_command(
            "--table",
            "--save_maps",
            "--contact_sheet",
            f"--regions_threshold={np.median(maps)}",
            model=path,
        )
        content = self.numbers()
        self.assertNotIn("prediction", content)
        named = [0, 2] if found[0] > found[2] else [2, 0]
        predictions = content["predictions"]
        self.assertEqual([p["class_id"] for p in predictions], named)
        for prediction in predictions:
            probability = found[prediction["class_id"]]
            self.assertAlmostEqual(prediction["probability"], probability, 5)
        title = ", ".join(_DEFECTS[class_id] for class_id in named)
        self.assertIn(f"photo.png: {title}, p = ", printed)
        for entry in content["classes"]:
            class_id, decision = entry["class_id"], entry["decision"]
            self.assertEqual(decision["above"], class_id in named)
            self.assertTrue(decision["is_operating_threshold"])
            self.assertEqual(decision["threshold"], thresholds[class_id])
        self.assertEqual(content["drawn"], "class evidence, logits")
        ids = [entry["class_id"] for entry in content["classes"]]
        drawn = np.load(self.output / "photo.npy")
        np.testing.assert_allclose(drawn, maps[..., ids], atol=1e-5)
        for file in ("photo.csv", "regions.csv"):
            with open(self.output / file, newline="") as stream:
                (row, *_) = csv.DictReader(stream)
            self.assertNotIn("centred_contribution", row)
        self.assertEqual(row["evidence_name"], "class evidence")

    def test_dense_maps_of_a_sigmoid_head_are_not_centred(self):
        path, patch_logits = self._save_model(_DEFECTS, "sigmoid")
        self.run_command("--stride=1", "--save_maps", model=path)
        maps = patch_logits(noise(SIZE, SIZE))
        ids = [entry["class_id"] for entry in self.numbers()["classes"]]
        drawn = np.load(self.output / "photo.npy")
        # The patches of the grid have their centres at 4, 12, 20, ...
        inner = drawn[4:-4:8, 4:-4:8][: maps.shape[0], : maps.shape[1]]
        np.testing.assert_allclose(inner, maps[..., ids], atol=1e-4)

    @parameterized.parameters((5, "scratch"), (-5, "not scratch"))
    def test_one_logit(self, bias, title):
        path, patch_logits = self._save_model(
            ("scratch",), "sigmoid", bias=bias
        )
        logit = patch_logits(noise(SIZE, SIZE)).mean()
        self.assertEqual(logit > 0, bias > 0)
        printed = self.run_command(
            "--overlay",
            "--contact_sheet",
            "--picture_format=png,svg",
            model=path,
        )
        content = self.numbers()
        self.assertLen(content["predictions"], int(bias > 0))
        (entry,) = content["classes"]
        self.assertAlmostEqual(entry["probability"], _sigmoid(logit), 5)
        self.assertStartsWith(
            content["verdict"], f"{title}, p = {_sigmoid(logit):.3f}, "
        )
        self.assertIn(content["verdict"], printed)
        # The bias is in the evidence of each patch: all speak for the class,
        # or none.
        shares = [patch["evidence"] > 0 for patch in content["top_patches"]]
        self.assertEqual(all(shares), bias > 0)

    def test_model_of_one_channel_sees_grey(self):
        labels = ("cat", "dog")
        path, patch_logits = self._save_model(labels, "softmax", channels=1)
        photo = noise(SIZE + 9, SIZE)
        colour = self.save("colour.png", photo)
        fitting = noise(SIZE, SIZE)[..., 0]
        grey = self.save("grey.png", fitting)
        self.run_command(
            "--overlay",
            "--contact_sheet",
            model=path,
            image=f"{self.photo},{colour},{grey}",
        )
        in_grey = np.asarray(Image.fromarray(noise(SIZE, SIZE)).convert("L"))[
            ..., np.newaxis
        ]
        for name, image in (
            ("photo", in_grey),
            ("grey", fitting[..., np.newaxis]),
        ):
            logits = patch_logits(image).mean(axis=(0, 1))
            for entry in self.numbers(name)["classes"]:
                self.assertAlmostEqual(
                    entry["logit"], logits[entry["class_id"]], 4
                )
        self.assertEqual(self.numbers("photo")["notes"], ["RGB to grey"])
        self.assertEqual(self.numbers("grey")["notes"], [])
        overlay = Image.open(self.output / "colour-overlay.png")
        self.assertEqual(overlay.size, (SIZE, SIZE + 9))

    def test_photos_have_no_five_channels(self):
        path, _ = self._save_model(_DEFECTS, "softmax", channels=5)
        with self.assertRaisesRegex(ValueError, "of 3 channels or 1;.*=5"):
            self.run_command(model=path)
        self.assertFalse(self.output.exists())


class PictureTest(absltest.TestCase):
    def test_numbers_stand_beside_their_thresholds(self):
        keras.utils.set_random_seed(1)
        shape = (None, None, 1)
        model = bagnet_tf.BagNet(TINY, classes=2, input_shape=shape)
        photo = noise(SIZE, SIZE)[..., :1]
        explanation = bagnet_tf.explain(model, photo[None], head="sigmoid")
        probabilities = _sigmoid(model(photo[None])[0])
        figure = render_explanation(
            photo, explanation, ("crack", "rust"), thresholds={1: 0.987}
        )
        words = [text.get_text() for text in figure.texts]
        signs = ("≥ 0.5" if probabilities[0] >= 0.5 else "< 0.5", "< 0.987")
        for probability, sign in zip(probabilities, signs, strict=True):
            starts = f"p = {probability:.3f} {sign} · logit "
            self.assertTrue(any(w.startswith(starts) for w in words), words)
        self.assertIn("the threshold of its class", " ".join(words))
        self.assertFalse([w for w in words if "…" in w])


if __name__ == "__main__":
    absltest.main()
