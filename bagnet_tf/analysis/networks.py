"""What is in a .keras file that need not be ours, and where are its logits?"""

import json
import pathlib
import zipfile

import keras

from bagnet_tf.keras_files import open_keras_file
from bagnet_tf.weight_files import read_member


def load_network(path: str, argument: str = "model") -> keras.Model:
    """Any network in a `.keras` file.

    Args:
        path: The file.
        argument: What to call it in messages.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    if not pathlib.Path(path).is_file():
        raise ValueError(
            f"{argument} must be an existing file. "
            f"Received: {argument}={path!r}"
        )
    return open_keras_file(path, argument)


def logits_network(model: keras.Model) -> keras.Model:
    """The same classifier without its softmax at the end.

    Args:
        model: A network with one output, (batch, classes).

    Returns:
        One that shares its weights and whose output is logits. The output of
        a network that does not end in a softmax is taken to be logits.

    Raises:
        ValueError: If the network has several outputs, or no vector of
            classes.
    """
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        shapes = [tuple(output.shape) for output in model.outputs]
        raise ValueError(
            "a classifier must have one output, (batch, classes). "
            f"Received: outputs of shape {shapes}"
        )
    last = model.outputs[0]._keras_history.operation
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    if isinstance(last, keras.layers.Softmax) or (
        isinstance(last, keras.layers.Activation)
        and last.activation is keras.activations.softmax
    ):
        return keras.Model(inputs, last.input)
    if getattr(last, "activation", None) is keras.activations.softmax:
        if not isinstance(last, keras.layers.Dense):
            raise ValueError(
                "a classifier must end in a dense layer, a softmax layer or "
                f"logits. Received: last layer {last.name!r}"
            )
        linear = keras.layers.Dense(last.units, use_bias=last.use_bias)
        output = linear(last.input)
        linear.set_weights(last.get_weights())
        return keras.Model(inputs, output)
    return model


def input_channels(name: str) -> int:
    """How many channels the images of a classifier have.

    Args:
        name: Of a classifier. The file of a `.keras` one is not loaded, only
            its configuration read.

    Returns:
        The number; 3 where the name or the file does not say, so that what is
        wrong with it shows when it is loaded.
    """
    path = pathlib.Path(name.rpartition("@")[2])
    try:
        with zipfile.ZipFile(path) as archive:
            network = json.loads(read_member(archive, "config.json"))["config"]
        channels = network["layers"][0]["config"]["batch_shape"][-1]
    except Exception:  # zipfile and json raise many kinds for damaged files.
        return 3
    return channels if type(channels) is int and channels > 0 else 3
