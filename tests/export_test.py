"""Exported files compute what the model computes, under the agreed names."""

import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from ai_edge_litert.interpreter import Interpreter

import bagnet_tf
from export.inference_graph import InferenceGraph
from export.litert import LiteRTRunner, write_litert
from export.saved_model import write_saved_model
from tests.export_helpers import (
    CLASSES,
    SIZE,
    info_of,
    random_images,
    randomized,
    request,
    tiny_model,
)
from tests.small_models import shallow


def _largest_error(value, expected):
    return np.abs(value - expected).max() / np.abs(expected).max()


class SavedModelTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_model()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.path = str(pathlib.Path(folder) / "1")
        write_saved_model(request(cls.model), pathlib.Path(cls.path))
        cls.loaded = tf.saved_model.load(cls.path)
        cls.images = random_images(3, SIZE)
        network = bagnet_tf.patch_logits_model(cls.model)
        cls.expected = network.predict_on_batch(cls.images.astype(np.float32))
        cls.patch_logits = cls.expected["patch_logits"]
        logits = cls.expected["logits"]
        cls.expected["probabilities"] = tf.nn.softmax(logits).numpy()
        cls.expected["image"] = cls.images

    def _run(self, signature, **inputs):
        outputs = self.loaded.signatures[signature](**inputs)
        return {name: value.numpy() for name, value in outputs.items()}

    def test_signatures_have_the_agreed_names_and_shapes(self):
        found = {
            name: (
                function.structured_input_signature[1],
                {k: v.dtype for k, v in function.structured_outputs.items()},
            )
            for name, function in self.loaded.signatures.items()
        }
        image = {
            "image": tf.TensorSpec(
                (None, None, None, 3), tf.float32, name="image"
            )
        }
        encoded = tf.TensorSpec((None,), tf.string, name="image_bytes")
        class_ids = tf.TensorSpec((None, None), tf.int32, name="class_ids")
        decision = {"logits": tf.float32, "probabilities": tf.float32}
        maps = {**decision, "patch_logits": tf.float32}
        self.assertEqual(
            found,
            {
                "serving_default": (image, decision),
                "patch_logits": (image, maps),
                "image_bytes": (
                    {"image_bytes": encoded},
                    {**maps, "image": tf.uint8},
                ),
                "class_evidence": (
                    {**image, "class_ids": class_ids},
                    {"class_evidence": tf.float32},
                ),
            },
        )

    @parameterized.parameters("serving_default", "patch_logits")
    def test_image_signatures_equal_the_model(self, signature):
        image = tf.constant(self.images, tf.float32)
        for name, value in self._run(signature, image=image).items():
            self.assertLess(_largest_error(value, self.expected[name]), 1e-5)

    def test_image_of_another_size(self):
        images = random_images(1, (33, 17)).astype(np.float32)
        outputs = self._run("serving_default", image=tf.constant(images))
        expected = self.model.predict_on_batch(images)
        self.assertLess(_largest_error(outputs["logits"], expected), 1e-5)

    def test_image_bytes_equal_the_model(self):
        encoded = [tf.io.encode_png(image).numpy() for image in self.images]
        outputs = self._run("image_bytes", image_bytes=tf.constant(encoded))
        np.testing.assert_array_equal(outputs["image"], self.images)
        for name in ("logits", "patch_logits", "probabilities"):
            error = _largest_error(outputs[name], self.expected[name])
            self.assertLess(error, 1e-5)

    def test_image_bytes_of_other_sizes_are_brought_to_the_models(self):
        photos = [random_images(1, size)[0] for size in ((60, 50), SIZE)]
        encoded = [tf.io.encode_jpeg(photo).numpy() for photo in photos]
        outputs = self._run("image_bytes", image_bytes=tf.constant(encoded))
        self.assertEqual(outputs["image"].shape, (2, *SIZE, 3))

    @parameterized.parameters(
        "serving_default", "patch_logits", "class_evidence", "image_bytes"
    )
    def test_no_images(self, signature):
        run = self.loaded.signatures[signature]
        inputs = {
            "image": tf.zeros((0, *SIZE, 3)),
            "image_bytes": tf.zeros(0, tf.string),
            "class_ids": tf.zeros((0, 2), tf.int32),
        }
        taken = run.structured_input_signature[1]
        with self.assertRaisesRegex(
            tf.errors.InvalidArgumentError, "must be at least one. Received"
        ):
            run(**{name: inputs[name] for name in taken})

    def test_logits_are_the_mean_of_patch_logits(self):
        image = tf.constant(self.images, tf.float32)
        outputs = self._run("patch_logits", image=image)
        mean = outputs["patch_logits"].mean(axis=(1, 2), dtype=np.float64)
        self.assertLess(_largest_error(outputs["logits"], mean), 1e-5)

    def test_class_evidence_is_patch_logits_of_each_images_classes(self):
        class_ids = np.array([[0, 4], [3, 3], [1, 0]], np.int32)
        outputs = self._run(
            "class_evidence",
            image=tf.constant(self.images, tf.float32),
            class_ids=tf.constant(class_ids),
        )
        for index, ids in enumerate(class_ids):
            expected = self.patch_logits[index][..., ids]
            error = _largest_error(outputs["class_evidence"][index], expected)
            self.assertLess(error, 1e-5)

    def test_object_is_callable_as_in_inference(self):
        image = tf.constant(self.images, tf.float32)
        for logits in (self.loaded(image), self.loaded(image, training=False)):
            error = _largest_error(logits.numpy(), self.expected["logits"])
            self.assertLess(error, 1e-5)

    def test_training_call_uses_batch_statistics_and_updates_moving_ones(self):
        loaded = tf.saved_model.load(self.path)  # Changed here.
        image = tf.constant(self.images, tf.float32)
        before = [v.numpy() for v in loaded.variables]
        logits = loaded(image, training=True).numpy()
        clone = tiny_model()
        expected = clone(image, training=True).numpy()
        self.assertLess(_largest_error(logits, expected), 1e-5)
        self.assertGreater(
            _largest_error(logits, self.expected["logits"]), 1e-2
        )
        changed = 0
        for variable, old, wanted in zip(
            loaded.variables, before, clone.variables, strict=True
        ):
            np.testing.assert_allclose(variable, wanted, atol=1e-4)
            changed += not np.array_equal(variable, old)
        statistics = [v for v in clone.variables if "moving_" in v.path]
        self.assertEqual(changed, len(statistics))

    @parameterized.parameters(False, True)
    def test_gradient_step_on_the_reloaded_object(self, training):
        loaded = tf.saved_model.load(self.path)  # Changed here.
        image = tf.constant(self.images, tf.float32)
        variables = loaded.trainable_variables
        self.assertLen(variables, len(self.model.trainable_variables))
        self.assertEmpty(loaded.regularization_losses)
        labels = [0, 1, 2]

        def loss():
            logits = loaded(image, training=training)
            return tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            )

        with tf.GradientTape() as tape:
            first = loss()
        gradients = tape.gradient(first, variables)
        norm = tf.linalg.global_norm(gradients)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.01 * gradient / norm)
        self.assertLess(loss().numpy(), first.numpy())

    def test_training_changes_the_call_and_not_the_signatures(self):
        loaded = tf.saved_model.load(self.path)  # Changed here.
        loaded.trainable_variables[-1].assign_add(np.ones(CLASSES))
        image = tf.constant(self.images, tf.float32)
        logits = loaded(image, training=False)
        expected = self.expected["logits"] + 1
        self.assertLess(_largest_error(logits, expected), 1e-5)
        outputs = loaded.signatures["serving_default"](image=image)
        expected = self.expected["logits"]
        self.assertLess(_largest_error(outputs["logits"], expected), 1e-5)


class InferenceGraphTest(absltest.TestCase):
    def test_fixed_input_shape_stays_fixed(self):
        graph = InferenceGraph(tiny_model(input_shape=(21, 26, 3)))
        self.assertEqual(graph.image_spec.shape, (None, 21, 26, 3))

    def test_refuses_a_model_that_does_not_normalise(self):
        model = tiny_model(include_preprocessing=False)
        with self.assertRaisesRegex(ValueError, "include_preprocessing=True"):
            InferenceGraph(model)

    def test_refuses_a_model_without_classifier(self):
        model = tiny_model(include_top=False, pooling="avg")
        with self.assertRaisesRegex(ValueError, "include_top=True"):
            InferenceGraph(model)


class LiteRTTest(parameterized.TestCase):
    @parameterized.named_parameters(
        (name, name) for name in bagnet_tf.ARCHITECTURES
    )
    def test_variant_equals_the_model(self, name):
        architecture = shallow(bagnet_tf.ARCHITECTURES[name])
        model = bagnet_tf.BagNet(architecture, classes=CLASSES, width=0.05)
        model = randomized(model)
        size = (49, 42)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / "model.tflite"
        write_litert(request(model, info_of(size=size)), path)
        images = random_images(2, size)
        outputs = LiteRTRunner(path)(images, np.zeros((2, 1), np.int32))
        network = bagnet_tf.patch_logits_model(model)
        expected = network.predict_on_batch(images.astype(np.float32))
        self.assertEqual(
            outputs.keys(),
            {
                "serving_default.logits",
                "patch_logits.logits",
                "patch_logits.patch_logits",
            },
        )
        for key, value in outputs.items():
            error = _largest_error(value, expected[key.split(".")[1]])
            self.assertLess(error, 1e-5, key)
        mean = outputs["patch_logits.patch_logits"].mean(axis=(1, 2))
        error = _largest_error(outputs["patch_logits.logits"], mean)
        self.assertLess(error, 1e-5)

    def test_signatures_take_one_float_image(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / "model.tflite"
        write_litert(request(), path)
        interpreter = Interpreter(str(path))
        self.assertEqual(
            interpreter.get_signature_list(),
            {
                "serving_default": {"inputs": ["image"], "outputs": ["logits"]},
                "patch_logits": {
                    "inputs": ["image"],
                    "outputs": ["logits", "patch_logits"],
                },
            },
        )
        for signature in ("serving_default", "patch_logits"):
            runner = interpreter.get_signature_runner(signature)
            image = runner.get_input_details()["image"]
            self.assertEqual(image["shape"].tolist(), [1, *SIZE, 3])
            self.assertEqual(image["dtype"], np.float32)


if __name__ == "__main__":
    absltest.main()
