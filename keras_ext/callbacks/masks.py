"""Which positions of an output Keras leaves out of the loss: padding, say."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_ext.callbacks.examples import filled_batches
from keras_ext.callbacks.on_device import OnDevice
from keras_ext.callbacks.outputs import ONLY, Output
from keras_ext.errors import ConfigError

try:  # Masks travel on tensors by no public name.
    from keras.src.backend import get_keras_mask
except ImportError:
    get_keras_mask = None


def of_output(
    model: Any,
    x: Any,
    batch_size: int,
    output: Output = ONLY,
    device: OnDevice | None = None,
) -> np.ndarray | None:
    """A boolean array of shape (examples, ...) with False where Keras masks the output, or None.

    A compiled ``predict`` gives no masks, so the model is called once more without being compiled,
    if it has a layer that can make one.

    Args:
        model: built.
        x: arrays of shape (examples, ...), what it predicts from.
        batch_size: examples a call.
        output: which one is meant.
        device: keeps the batches, see ``predictions``.
    """
    if get_keras_mask is None or not _can_mask(model):
        return None
    count = len(keras.tree.flatten(x)[0])
    parts = []
    size = min(batch_size, count)
    batches = filled_batches(x, size) if device is None else device.batches(x, size)
    for batch in batches:
        (predicted,) = keras.tree.flatten(output.of(model(batch, training=False), "prediction"))
        mask = get_keras_mask(predicted)
        if mask is None:
            return None
        parts.append(np.asarray(keras.ops.convert_to_numpy(mask), dtype=bool))
    return np.concatenate(parts)[:count]


def spread(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mask in the shape of what was measured at each position.

    Args:
        mask: boolean array of shape (examples, ...).
        values: array of the same shape, or with further axes behind it.

    Raises:
        ConfigError: for values of another shape.

    >>> spread(np.array([[True, False]]), np.zeros((1, 2, 3))).sum(axis=-1).tolist()
    [[3, 0]]
    """
    if values.shape[: mask.ndim] != mask.shape:
        raise ConfigError(
            f"error must be a function for an output with a mask of shape {mask.shape}: its loss"
            f" has shape {values.shape}"
        )
    further = (1,) * (values.ndim - mask.ndim)
    return np.broadcast_to(mask.reshape(mask.shape + further), values.shape)


def mean_of_each(values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """The mean of each example over its positions that count; examples without any are left out.

    Args:
        values: array of shape (examples, ...).
        mask: as for ``spread``; None where everything counts.

    >>> mean_of_each(np.array([[2.0, 4.0], [6.0, 9.0]]), np.array([[True, True], [True, False]]))
    array([3., 6.])
    """
    flat = values.reshape(len(values), -1).astype("float64")
    if mask is None:
        return np.asarray(flat.mean(axis=1))
    counts = spread(mask, values).reshape(flat.shape)
    some = counts.any(axis=1)
    return np.asarray((flat * counts).sum(axis=1)[some] / counts.sum(axis=1)[some])


def _can_mask(model: Any) -> bool:
    layers = model._flatten_layers(include_self=False) if isinstance(model, keras.Model) else ()
    return any(type(layer).compute_mask is not keras.layers.Layer.compute_mask for layer in layers)
