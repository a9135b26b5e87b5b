"""How is a model written as an ONNX file, and how is that file run?

Keras's own exporter writes it: the optional extra `onnx`.
"""

import importlib
import pathlib
import time
import warnings

import keras
import numpy as np

from .client.signature_names import PATCH_LOGITS, SERVING_DEFAULT
from .request import Request

_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")

# By input and output, names of the sides that are not fixed; the exporter's
# are numbers.
_AXES = {
    "image": ("batch", "height", "width", "channels"),
    "logits": ("batch", "classes"),
    "patch_logits": ("batch", "rows", "cols", "classes"),
}


def require_onnx() -> None:
    """Makes sure that ONNX files can be written and run.

    Raises:
        ValueError: If a package is missing; it says what to install.
    """
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ValueError(
                f"ONNX files need {package}: pip install 'bagnet-tf[onnx]'"
            ) from error


def write_onnx(request: Request, path: pathlib.Path) -> None:
    """Writes a float32 `.onnx` file.

    Its input `image` is float32 (batch, height, width, channels), RGB 0-255 or
    what else the model takes, of any size where the model takes any; its
    outputs are `logits` (batch, classes) and `patch_logits`
    (batch, rows, cols, classes).

    Args:
        request: The model.
        path: The file to write.

    Raises:
        ValueError: If the model has no classifier or does not normalise, or
            the extra `onnx` is not installed.
    """
    require_onnx()
    import onnx

    network = request.graph.network
    signature = keras.InputSpec("float32", network.input_shape, name="image")
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Keras gives NumPy 2 a name of NumPy 1 that tf2onnx asks for.
        warnings.filterwarnings("ignore", "In the future `np.object`")
        network.export(
            path, format="onnx", verbose=False, input_signature=[signature]
        )
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        axes = value.type.tensor_type.shape.dim
        for axis, name in zip(axes, _AXES[value.name], strict=True):
            if axis.HasField("dim_param"):
                axis.dim_param = name
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


class OnnxRunner:
    """A written `.onnx` file, reloaded by ONNX Runtime alone.

    Attributes:
        seconds: How long the patch logits of each image took.
    """

    def __init__(self, path: pathlib.Path):
        """Loads the file `path`.

        Raises:
            ValueError: If the extra `onnx` is not installed.
        """
        require_onnx()
        import onnxruntime

        self._session = onnxruntime.InferenceSession(
            path, providers=["CPUExecutionProvider"]
        )
        self.seconds = []

    def __call__(
        self, images: np.ndarray, class_ids: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Runs the file for the logits alone, then for the patch logits too.

        Args:
            images: uint8 (batch, height, width, channels).
            class_ids: Not used.

        Returns:
            The outputs, by the signatures of the other formats:
            `signature.output`.
        """
        del class_ids
        inputs = {"image": images.astype(np.float32)}
        outputs = {}
        for signature, names in (
            (SERVING_DEFAULT, ["logits"]),
            (PATCH_LOGITS, ["logits", "patch_logits"]),
        ):
            start = time.perf_counter()
            values = self._session.run(names, inputs)
            each = (time.perf_counter() - start) / len(images)
            if signature == PATCH_LOGITS:
                self.seconds += [each] * len(images)
            for name, value in zip(names, values, strict=True):
                outputs[f"{signature}.{name}"] = value
        return outputs
