"""A fixed batch of examples, from what a user gives to a callback that probes the model with it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

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
    return keras.tree.map_structure(lambda leaf: leaf[rows], data)


def _arrays(name: str, data: Any) -> Any:
    """The data with every leaf as an array of numpy."""
    if data is None or isinstance(data, (str, bytes)):
        raise ConfigError(f"{name} must be an array, or a structure of arrays, got {name}={data!r}")

    def array(leaf: Any) -> np.ndarray:
        return np.asarray(keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else leaf)

    return keras.tree.map_structure(array, data)
