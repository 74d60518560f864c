"""Compiling a part of a model where Keras does not compile the whole.

The only file of this room that knows a backend.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which XLA compiles where it is called in a graph of TensorFlow.

    Without an accelerator Keras runs TensorFlow's graphs operation by operation, each of which
    reads and writes all of its tensors; XLA makes them one loop. In a graph that is compiled as a
    whole, this part belongs to it. Called on TensorFlow's eager tensors, and on the other backends,
    the function is run as it is: JAX compiles the whole step anyway.

    Args:
        function: of tensors to tensors, with neither variables nor random numbers, which XLA would
            draw differently.

    >>> double = compiled(lambda x: 2 * x)
    >>> float(double(keras.ops.ones(())))
    2.0
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    fused = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*tensors: Any) -> Any:
        if tf.executing_eagerly():
            return function(*tensors)
        return fused(*(tf.convert_to_tensor(tensor) for tensor in tensors))

    return call
