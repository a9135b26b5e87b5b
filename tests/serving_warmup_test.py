"""The requests that warm up a server are real, and it can answer them."""

import pathlib
import shutil
import tempfile

import grpc
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from tensorflow_serving.apis import prediction_service_pb2_grpc

from export.request import Request
from export.saved_model import write_saved_model
from export.serving.kit import (
    MAX_BATCH_SIZE,
)
from export.serving.warmup import (
    WARMUP_FILE,
    replay_warmup_requests,
    warmup_requests,
    write_warmup_requests,
)
from tests.export_helpers import (
    CLASSES,
    SIZE,
    info_of,
    random_images,
    tiny_model,
)
from tests.serving_helpers import exported, stand_in

_SIGNATURES = (
    "class_evidence",
    "image_bytes",
    "patch_logits",
    "serving_default",
)


class WarmupTest(parameterized.TestCase):
    def _saved_model(self, model):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / "1"
        write_saved_model(Request(model, info_of()), path)
        return path

    def test_every_signature_is_asked_for_one_image_and_a_full_batch(self):
        asked = [
            (request.model_spec.signature_name, *_batch_sizes(request))
            for request in warmup_requests(exported() / "saved_model" / "1")
        ]
        expected = [(n, size) for n in _SIGNATURES for size in (1, 8)]
        self.assertCountEqual(asked, expected)
        self.assertEqual(MAX_BATCH_SIZE, 8)

    def test_requests_hold_the_real_images(self):
        images = random_images(3, SIZE)
        for request in warmup_requests(exported() / "saved_model" / "1"):
            self.assertEqual(request.model_spec.name, "tiny")
            if "image" in request.inputs:
                sent = tf.make_ndarray(request.inputs["image"])
                expected = images[np.arange(len(sent)) % 3]
                np.testing.assert_array_equal(sent, expected)
            else:
                [first, *_] = request.inputs["image_bytes"].string_val
                decoded = tf.io.decode_jpeg(first).numpy()
                self.assertEqual(decoded.shape, images[0].shape)

    def test_a_server_answers_the_requests_of_the_file(self):
        channel = grpc.insecure_channel(stand_in().grpc.removeprefix("grpc://"))
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with channel:
            for request in warmup_requests(exported() / "saved_model" / "1"):
                answer = service.Predict(request, timeout=20)
                for value in answer.outputs.values():
                    array = tf.make_ndarray(value)
                    self.assertLen(array, *_batch_sizes(request))
                    self.assertTrue(np.isfinite(array).all())

    @parameterized.parameters(1, 4)
    def test_models_of_other_channels(self, channels):
        model = tiny_model(input_shape=(None, None, channels))
        path = self._saved_model(model)
        images = random_images(2, SIZE, channels)
        write_warmup_requests(path, "tiny", images, CLASSES, (1, 3))
        # Encoded photos have one channel or three.
        num_signatures = {1: 4, 4: 3}[channels]
        self.assertEqual(replay_warmup_requests(path), 2 * num_signatures)

    def test_replay_finds_a_damaged_model(self):
        model = tiny_model()
        bias = model.variables[-1]
        bias.assign(np.full(bias.shape, np.nan))
        path = self._saved_model(model)
        write_warmup_requests(
            path, "tiny", random_images(1, SIZE), CLASSES, (1,)
        )
        with self.assertRaisesRegex(RuntimeError, "not finite"):
            replay_warmup_requests(path)

    def test_replay_finds_what_a_server_would_refuse(self):
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        path = path / "1"
        shutil.copytree(exported() / "saved_model" / "1", path)
        file = path / WARMUP_FILE
        records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
        for kept, pattern in (
            (records[:1], "no request to"),
            (
                [r.replace(b"patch_logits", b"patch_logitz") for r in records],
                "no signature 'patch_logitz'",
            ),
            (
                [r.replace(b"\xff\xd8\xff", b"\xff\xd8\x00") for r in records],
                "image_bytes failed",
            ),
        ):
            with tf.io.TFRecordWriter(str(file)) as writer:
                for record in kept:
                    writer.write(record)
            with self.assertRaisesRegex(RuntimeError, pattern) as raised:
                replay_warmup_requests(path)
            self.assertNotIn("\n", str(raised.exception))


def _batch_sizes(request):
    """The one batch size of all inputs."""
    return {value.tensor_shape.dim[0].size for value in request.inputs.values()}


if __name__ == "__main__":
    absltest.main()
