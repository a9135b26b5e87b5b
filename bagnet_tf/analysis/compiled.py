"""How is a function of images compiled once for each size of them?"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class Compiled:
    """A function of tensors that is traced once for each of their shapes.

    The first dimension, the batch, may be of any length in one trace.

    Every network has functions of the same code. `tf.function` takes their
    traces for those of one function that is traced again and again, and warns
    of it; what it traced is called here without it.

    Example:
        >>> double = Compiled(lambda images: 2 * images)
        >>> double(tf.ones((3, 8, 8, 3))).shape
        TensorShape([3, 8, 8, 3])
    """

    def __init__(self, function: Callable[..., Any]):
        """Traces nothing yet.

        Args:
            function: Takes tensors whose first dimension is the batch.
        """
        self._function = function
        self._traced = {}

    def __call__(self, *tensors: tf.Tensor) -> Any:
        """Calls the function."""
        signature = tuple(
            tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)
            for tensor in tensors
        )
        if signature not in self._traced:
            self._traced[signature] = tf.function(
                self._function, input_signature=signature
            ).get_concrete_function()
        return self._traced[signature](*tensors)
