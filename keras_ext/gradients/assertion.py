"""Gradient checking inside a test suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.gradients.check import check_gradients


def assert_gradients(
    model: keras.layers.Layer,
    x: Any,
    y: Any = None,
    *,
    loss: Any = None,
    build: Callable[[], keras.layers.Layer] | None = None,
    seed: int = 0,
    **options: Any,
) -> None:
    """Raise an AssertionError with the table of the report unless the gradients are right.

    >>> assert_gradients(keras.layers.Dense(2, activation="tanh"), np.ones((4, 3)))

    Args:
        model: a model; or a layer with one input and one output, whose outputs are weighted at
            random and added up, without y and loss. A layer that isn't built yet is built.
        x, y, loss, seed, options: as for ``check_gradients``.
        build: makes the model, or the layer, anew.

    Raises:
        AssertionError: naming each variable, and the element where one is off.
        ConfigError: as ``check_gradients``.
    """
    if not isinstance(model, keras.Model):
        model, build, y, loss = _around(model, x, build, seed)
    check_gradients(model, x, y, loss=loss, build=build, seed=seed, **options).raise_if_wrong()


def _around(
    layer: keras.layers.Layer, x: Any, build: Callable[[], keras.layers.Layer] | None, seed: int
) -> tuple[keras.Model, Callable[[], keras.Model] | None, np.ndarray, Callable[[Any, Any], Any]]:
    """A model of the layer, its ``build``, random weights for its outputs, their sum as a loss."""
    x = np.asarray(x)
    kind = "float32" if x.dtype.kind == "f" else x.dtype.name

    def model_of(inner: keras.layers.Layer) -> keras.Model:
        return keras.Sequential([keras.Input(x.shape[1:], dtype=kind), inner])

    model = model_of(layer)
    weights = np.random.default_rng(seed).standard_normal(model.compute_output_shape(x.shape))
    return model, build and (lambda: model_of(build())), weights, _weighted_sum


def _weighted_sum(weights: Any, outputs: Any) -> Any:
    """Not a plain sum, which is constant for the outputs of a normalisation or a softmax."""
    return ops.sum(weights * outputs, axis=-1)
