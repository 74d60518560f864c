"""From a Keras model to a cost and a gradient over one flat vector."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.gradients import backend, copies


@dataclass(frozen=True)
class Flat:
    """A model as functions of one flat vector.

    Args:
        cost: from theta, a float64 array of shape (weights,), to the cost that ``fit`` minimises.
        gradient: from theta to an array of the same shape.
        theta: the weights at present.
        segments: the slice of theta that each trainable variable takes.
        paths, shapes: of the trainable variables, in this order.
    """

    cost: backend.Cost
    gradient: backend.Gradient
    theta: np.ndarray
    segments: tuple[slice, ...]
    paths: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]


def flatten(
    model: keras.Model,
    data: tuple[Any, Any, Any],
    *,
    loss: Any,
    training: bool,
    build: Callable[[], keras.Model] | None,
    dtype: str,
) -> Flat:
    """Make the two functions from a copy of the model; to be called within ``computing_in(dtype)``.

    The cost is the loss with its reduction, weights and masks plus all that the layers add:
    penalties and ``add_loss``. All that isn't trained (masks of dropout, moving statistics) starts
    from the same state at every evaluation.

    Args:
        model: built; only read.
        data: x, y and sample_weight, each an array, a structure of arrays or None.
        loss: in place of the compiled one; None takes that.
        training: whether dropout and batch norm work as they do in ``fit``.
        build: makes the model anew, where its config can't.
        dtype: "float64" or "float32".
    """
    x, y, sample_weight = copies.copy_data(data, dtype)
    copy = copies.copy_model(model, dtype, build, x)
    copies.compile_copy(copy, model, loss, dtype)
    trained = {id(variable) for variable in model.trainable_variables}
    pairs = [
        pair for pair in zip(model.variables, copy.variables, strict=True) if id(pair[0]) in trained
    ]

    def stateless(values: list[Any]) -> Any:
        state = [(new, value) for (_, new), value in zip(pairs, values, strict=True)]
        with keras.StatelessScope(state, collect_losses=True):
            y_pred = copy(x, training=training)
            cost = copy.compute_loss(x, y, y_pred, sample_weight, training=training)
            return keras.ops.sum(cost)

    shapes = tuple(tuple(old.shape) for old, _ in pairs)
    values = [keras.ops.convert_to_numpy(old.value).astype("float64").ravel() for old, _ in pairs]
    ends = [int(end) for end in np.cumsum([0] + [len(value) for value in values])]
    cost, gradient = backend.functions(stateless, shapes, dtype)
    return Flat(
        cost,
        gradient,
        np.concatenate(values),
        tuple(slice(first, last) for first, last in itertools.pairwise(ends)),
        tuple(old.path for old, _ in pairs),
        shapes,
    )


def check_data(x: Any, y: Any, sample_weight: Any) -> None:
    """Refuse data that no cost can be computed on.

    Raises:
        ConfigError: naming the argument: no examples, lengths that differ, or values not finite.
    """
    length = None
    for name, data in (("x", x), ("y", y), ("sample_weight", sample_weight)):
        for array in map(np.asarray, keras.tree.flatten(data) if data is not None else ()):
            if array.ndim == 0 or len(array) == 0:
                raise ConfigError(f"{name} must hold examples, got an array of shape {array.shape}")
            length = len(array) if length is None else length
            if len(array) != length:
                raise ConfigError(f"{name} has {len(array)} examples but x has {length}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                bad = int(np.argwhere(~np.isfinite(array))[0][0])
                raise ConfigError(f"{name} must be finite, got NaN or infinity in example {bad}")


def check_model(model: Any, loss: Any) -> None:
    """Refuse a model that has no cost or nothing to train.

    Raises:
        ConfigError: saying what to do.
    """
    if not isinstance(model, keras.Model):
        raise ConfigError(f"model must be a keras.Model, got model={model!r}")
    if not model.built:
        raise ConfigError(f"model {model.name!r} is not built: give it an Input, or call it once")
    if loss is None and not model.compiled:
        raise ConfigError(f"model {model.name!r} is not compiled: compile it, or pass loss=")
    if not model.trainable_variables:
        raise ConfigError(f"model {model.name!r} has no trainable weights: nothing to check")
