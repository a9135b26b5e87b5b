"""Which network of keras.applications does a name mean, and how is it fed?"""

import contextlib
import difflib
import inspect
import sys
from collections.abc import Callable
from typing import NamedTuple

import keras

from bagnet_tf.presets import PRESETS

_FOLDER = "keras.src.applications"


class Application(NamedTuple):
    """A builder of keras.applications, and what belongs to it.

    Attributes:
        build: Makes the network.
        preprocess: Takes RGB 0-255 to what the network wants.
    """

    build: Callable
    preprocess: Callable


def application_names() -> list[str]:
    """All names, in lower case: `"vgg16"`, `"resnet152"`, ..."""
    return sorted(_builders())


def find_application(name: str, argument: str = "model") -> Application:
    """The network of a name, in any case.

    Args:
        name: Of the network.
        argument: What to call it in messages.

    Raises:
        ValueError: If there is none; close names are told.
    """
    builders = _builders()
    if name.lower() not in builders:
        known = [*PRESETS, *builders]
        close = difflib.get_close_matches(name.lower(), known, n=5)
        raise ValueError(
            f"{argument} must be a .keras file, a preset or one of "
            f"keras.applications ({', '.join(close) or 'such as vgg16'}). "
            f"Received: {argument}={name!r}"
        )
    build = builders[name.lower()]
    return Application(build, inspect.getmodule(build).preprocess_input)


def build_application(
    name: str, include_top: bool = True
) -> tuple[keras.Model, Callable]:
    """Makes a network with ImageNet's weights, and says how to feed it.

    Args:
        name: Of the network, in any case.
        include_top: Whether it shall give logits, or features of images of
            any size.

    Returns:
        The network, and what takes RGB 0-255 to its input.

    Raises:
        ValueError: If there is none of that name.
        OSError: If its weights are not on disk and cannot be downloaded.
    """
    application = find_application(name)
    try:
        # stdout is the command's: Keras tells there of its downloads.
        with contextlib.redirect_stdout(sys.stderr):
            model = application.build(
                weights="imagenet",
                include_top=include_top,
                classifier_activation=None,
            )
    except Exception as error:  # Keras raises plain ones for a failed download.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OSError(
            f"The weights of keras.applications' {name} must be on disk or be "
            f"downloadable ({reason}). Without a network, give the path of a "
            f".keras file: {name.lower()}@PATH"
        ) from error
    return model, application.preprocess


def _builders() -> dict[str, Callable]:
    """Functions of keras.applications by their lower-case names."""
    return {
        name.lower(): value
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value) and value.__module__.startswith(_FOLDER)
    }
