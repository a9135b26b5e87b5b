"""How does one ask a server what an exported model says of images?"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ..client.decision import check_answer
from ..client.metadata import OTHER_JSON, Metadata
from ..client.signature_names import IMAGE_BYTES, PATCH_LOGITS
from .addresses import parse_address
from .failures import ServerError, with_retries
from .grpc_api import GrpcModel
from .names import served_name
from .rest_api import RestModel

_Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model on a server says of one image.

    Attributes:
        image: What the model saw, uint8 (height, width, channels).
        logits: (classes,), float32.
        patch_logits: (rows, cols, classes), float32; their mean over the grid
            is `logits`.
    """

    image: np.ndarray
    logits: np.ndarray
    patch_logits: np.ndarray


class ServedModel:
    """An exported model on TensorFlow Serving.

    Args:
        url: Such as `http://localhost:8501` (REST) or `grpc://localhost:8500`;
            see `addresses.parse_address`.
        metadata: That of the export.
        model_name: The model's name on the server; by default that which the
            serving kit gives it.
        version: Of the model on the server; by default the latest.
        timeout: Seconds to wait for one whole answer.
        retries: How often to ask again where a failure may pass.
        first_wait: Before the first time, seconds; then twice as long each.

    Raises:
        ValueError: If `url` is no address, or gRPC's packages are missing.

    Example:
        >>> served = ServedModel("http://localhost:8501", metadata)
        >>> served.check()
        >>> [answer] = served.predict(image[np.newaxis])
    """

    def __init__(
        self,
        url: str,
        metadata: Metadata,
        model_name: str | None = None,
        version: int | None = None,
        timeout: float = 30.0,
        retries: int = 3,
        first_wait: float = 0.5,
    ):
        """Does not connect yet."""
        self._address = parse_address(url)
        self._metadata = metadata
        self._retries, self._first_wait = retries, first_wait
        protocol = GrpcModel if self._address.uses_grpc else RestModel
        name = model_name or served_name(metadata.model)
        self._model = protocol(self._address, name, version, timeout)

    def check(self, signature: str = PATCH_LOGITS) -> None:
        """Makes sure that the server's model is the one of the metadata.

        Args:
            signature: The signature that will be asked: that of `predict`, or
                `"image_bytes"`, that of `predict_encoded`.

        Raises:
            ServerError: If the server fails, or its model has another input,
                grid or number of classes.
        """
        found = self._ask(self._model.signatures)
        if signature not in found:
            known = ", ".join(sorted(found)) or "none"
            raise self._unlike(f"it has no signature {signature} but {known}")
        try:
            for side, tensors in self._expected(signature).items():
                for name, shape in tensors.items():
                    given = found[signature][side].get(name)
                    self._check_tensor(name, given, shape)
        except OTHER_JSON as error:
            raise self._unlike(
                f"what it says of its signature {signature} makes no sense"
            ) from error

    def predict(self, images: np.ndarray) -> list[Answer]:
        """Asks about images of the model's size.

        Args:
            images: uint8 (batch, height, width, channels), from
                `export.client.photos.evaluation_image`.

        Returns:
            An answer for each.

        Raises:
            ValueError: If `images` are no such array.
            ServerError: If the server fails, or answers what the model of the
                metadata cannot say.
        """
        image_shape = *self._metadata.input_size, self._metadata.channels
        if images.shape[1:] != image_shape or images.dtype != np.uint8:
            raise ValueError(
                f"images must be uint8 (batch, *{image_shape}). "
                f"Received: shape={images.shape}, dtype={images.dtype}"
            )
        found = self._predict(PATCH_LOGITS, {"image": images}, len(images))
        return self._answers(images, found)

    def predict_encoded(self, files: Sequence[bytes]) -> list[Answer]:
        """Asks about photos that the server decodes and brings to size.

        Args:
            files: JPEG, PNG, GIF or BMP files, upright and without
                transparency: `uploads.upright_file` makes such.

        Returns:
            An answer for each.

        Raises:
            ServerError: As for `predict`; or if a file cannot be decoded.
        """
        found = self._predict(IMAGE_BYTES, {"image_bytes": files}, len(files))
        images = found["image"]
        if images.min() < 0 or images.max() > 255:
            raise self._unlike("it answers with images beyond 0-255")
        return self._answers(images.astype(np.uint8), found)

    def _predict(self, signature, inputs, batch) -> dict[str, np.ndarray]:
        expected = self._expected(signature)["outputs"]
        found = self._ask(
            lambda: self._model.predict(signature, inputs, list(expected))
        )
        for name, shape in expected.items():
            if found[name].shape != (batch, *shape[1:]):
                raise self._unlike(
                    f"it answers with {name} of shape {found[name].shape}, "
                    f"not {(batch, *shape[1:])}"
                )
        return found

    def _answers(self, images, found) -> list[Answer]:
        answers = [
            Answer(*parts)
            for parts in zip(
                images, found["logits"], found["patch_logits"], strict=True
            )
        ]
        for answer in answers:
            try:
                check_answer(answer.logits, answer.patch_logits, self._metadata)
            except ValueError as error:
                raise self._unlike(f"in its answer, {error}") from error
        return answers

    def _expected(self, signature) -> dict[str, dict[str, _Shape]]:
        """Shapes of a signature's inputs and outputs, as the metadata says."""
        metadata = self._metadata
        classes = len(metadata.labels)
        image = None, *metadata.input_size, metadata.channels
        outputs = {
            "logits": (None, classes),
            "patch_logits": (None, *metadata.grid_shape(), classes),
        }
        if signature == PATCH_LOGITS:
            return {"inputs": {"image": image}, "outputs": outputs}
        outputs["image"] = image
        return {"inputs": {"image_bytes": (None,)}, "outputs": outputs}

    def _check_tensor(self, name, given, shape: _Shape) -> None:
        if given is None:
            raise self._unlike(f"it has no {name}")
        tensor_shape = given["tensor_shape"]
        if tensor_shape.get("unknown_rank"):
            return
        sides = [int(side["size"]) for side in tensor_shape.get("dim", ())]
        fits = len(sides) == len(shape) and all(
            -1 in (side, wanted) or wanted in (None, side)
            for side, wanted in zip(sides, shape, strict=True)
        )
        if not fits:
            wanted = tuple(-1 if side is None else side for side in shape)
            raise self._unlike(
                f"its {name} is of shape {tuple(sides)}, not {wanted}"
            )

    def _ask(self, ask):
        return with_retries(ask, self._retries, self._first_wait)

    def _unlike(self, how: str) -> ServerError:
        return ServerError(
            f"{self._address} does not serve the model of the metadata, "
            f"{self._metadata.model!r}: {how}"
        )
