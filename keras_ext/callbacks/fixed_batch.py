"""A fixed batch of examples, from what a user gives to a callback that probes the model with it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_ext.callbacks.examples import array_of
from keras_ext.errors import ConfigError
from keras_ext.gradients import adapter


def fixed_batch(x: Any, y: Any, count: int, seed: int) -> tuple[Any, Any]:
    """At most so many examples, always the same ones, as copies.

    Args:
        x: inputs, an array of shape (examples, ...) or a structure of arrays.
        y: their labels, likewise.
        count: how many; of more, so many are drawn.
        seed: decides which.

    Raises:
        ConfigError: for what is no data, or has values that aren't finite.
    """
    data = _arrays("x", x), _arrays("y", y)
    adapter.check_data(*data, None)
    length = len(keras.tree.flatten(data)[0])
    rows = np.arange(length)
    if count < length:
        rows = np.sort(np.random.default_rng(seed).choice(length, count, replace=False))
    chosen: tuple[Any, Any] = keras.tree.map_structure(lambda leaf: leaf[rows], data)
    adapter.check_data(*chosen, None)  # What lies on disk is read only now.
    return chosen


def _arrays(name: str, data: Any) -> Any:
    """The data with every leaf as an array of numpy, or as ``Rows`` of what is too large."""
    if data is None or isinstance(data, (str, bytes)):
        raise ConfigError(f"{name} must be an array, or a structure of arrays, got {name}={data!r}")

    return keras.tree.map_structure(array_of, data)
