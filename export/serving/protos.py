"""Where do TensorFlow Serving's messages come from? An optional package."""

import importlib
from types import ModuleType


def serving_api(module: str) -> ModuleType:
    """Imports a module of `tensorflow_serving.apis`, and TensorFlow with it.

    Args:
        module: Its name, such as `"predict_pb2"`.

    Returns:
        The module.

    Raises:
        ValueError: If the package is not installed.
    """
    try:
        return importlib.import_module(f"tensorflow_serving.apis.{module}")
    except ImportError as error:
        raise ValueError(
            "TensorFlow Serving's messages need an optional package; install "
            f"it with: pip install 'bagnet-tf[serving]' ({error})"
        ) from error
