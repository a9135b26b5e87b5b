"""Which requests shall a server answer before those of its users?

TensorFlow Serving replays the requests that it finds in a SavedModel when it
loads it, so that nobody waits for what TensorFlow sets up on first use. If
one of them fails, the model is not served: they are replayed here before.
"""

import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from .protos import serving_api

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"

# Classes asked of the signature that takes class ids.
_CLASSES_ASKED = 3


def write_warmup_requests(
    saved_model: pathlib.Path,
    model_name: str,
    images: np.ndarray,
    classes: int,
    batch_sizes: tuple[int, ...],
) -> None:
    """Writes real requests to every signature into a SavedModel.

    Args:
        saved_model: The SavedModel's folder.
        model_name: Under which name it will be served.
        images: uint8 (batch, height, width, channels), at least one; they
            are repeated where a request has more.
        classes: Width of the classifier.
        batch_sizes: Images of the requests to each signature.

    Raises:
        ValueError: If tensorflow-serving-api is not installed.
        RuntimeError: If the SavedModel has an input that is unknown here.
    """
    logs = serving_api("prediction_log_pb2")
    signatures = tf.saved_model.load(str(saved_model)).signatures
    file = saved_model / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for batch_size in batch_sizes:
            batch = images[np.arange(batch_size) % len(images)]
            for name, signature in signatures.items():
                request = serving_api("predict_pb2").PredictRequest()
                request.model_spec.name = model_name
                request.model_spec.signature_name = name
                for key in signature.structured_input_signature[1]:
                    value = _input_value(key, batch, classes)
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
                log = logs.PredictLog(request=request)
                record = logs.PredictionLog(predict_log=log)
                writer.write(record.SerializeToString())


def replay_warmup_requests(saved_model: pathlib.Path) -> int:
    """Has a SavedModel answer the requests in it, as the server will.

    Args:
        saved_model: The SavedModel's folder.

    Returns:
        How many there are.

    Raises:
        ValueError: If tensorflow-serving-api is not installed.
        RuntimeError: If a signature has no request, or one is not answered
            with finite numbers in the signature's shapes; one line.
    """
    signatures = tf.saved_model.load(str(saved_model)).signatures
    asked, num_requests = set(), 0
    for request in warmup_requests(saved_model):
        name = request.model_spec.signature_name
        if name not in signatures:
            raise RuntimeError(f"Warm-up: there is no signature {name!r}.")
        _replay(name, signatures[name], request)
        asked.add(name)
        num_requests += 1
    if forgotten := set(signatures) - asked:
        raise RuntimeError(
            f"Warm-up: no request to {', '.join(sorted(forgotten))}."
        )
    return num_requests


def warmup_requests(saved_model: pathlib.Path) -> Iterator:
    """Yields the PredictRequests in a SavedModel."""
    logs = serving_api("prediction_log_pb2")
    records = tf.data.TFRecordDataset(str(saved_model / WARMUP_FILE))
    for record in records.as_numpy_iterator():
        yield logs.PredictionLog.FromString(record).predict_log.request


def _input_value(key: str, images: np.ndarray, classes: int) -> np.ndarray:
    if key == "image":
        return images.astype(np.float32)
    if key == "image_bytes":
        return np.array(
            [tf.io.encode_jpeg(image, quality=95).numpy() for image in images],
            object,
        )
    if key == "class_ids":
        asked = np.arange(min(_CLASSES_ASKED, classes), dtype=np.int32)
        return np.tile(asked, (len(images), 1))
    raise RuntimeError(f"Warm-up: what is the input {key!r}?")


def _replay(name, signature, request) -> None:
    inputs = {
        key: tf.constant(tf.make_ndarray(value))
        for key, value in request.inputs.items()
    }
    try:
        outputs = signature(**inputs)
    except (tf.errors.OpError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RuntimeError(f"Warm-up: {name} failed: {reason}") from error
    batch_size = len(next(iter(inputs.values())))
    for key, spec in signature.structured_outputs.items():
        value = outputs[key].numpy()
        fits = spec.shape.is_compatible_with(value.shape)
        if not fits or len(value) != batch_size:
            raise RuntimeError(
                f"Warm-up: {name} answered {key} of shape {value.shape}."
            )
        if not np.isfinite(value).all():
            raise RuntimeError(f"Warm-up: {name} answered {key} not finite.")
