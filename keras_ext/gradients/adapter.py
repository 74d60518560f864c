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
from keras_ext.gradients.blocked import Trace
from keras_ext.gradients.compiled_loss import compile_copy
from keras_ext.gradients.remaking import layers_of
from keras_ext.rows import Rows

WEIGHTS, INPUTS = "weights", "inputs"


@dataclass(frozen=True)
class Part:
    """A tensor that the cost is a function of.

    Args:
        path: of a weight, such as "dense/kernel"; of an input, such as "x" or "x['image']".
        value: an array of its shape, in double precision.
        variable: the weight in the copy of the model; None for an input.
        place: of an input among the leaves of x.
    """

    path: str
    value: np.ndarray
    variable: Any = None
    place: int = 0


@dataclass(frozen=True)
class Flat:
    """A model as functions of one flat vector.

    Args:
        cost: from theta, a float64 array of shape (elements,), to the cost that ``fit`` minimises.
        gradient: from theta to an array of the same shape.
        theta: the weights, or inputs, at present.
        segments: the slice of theta that each part takes.
        paths, shapes: of the parts, in this order.
        trace: records the operations that the cost is computed by.
        layers: names of all layers.
        retraced: makes the cost once more.
    """

    cost: backend.Cost
    gradient: backend.Gradient
    theta: np.ndarray
    segments: tuple[slice, ...]
    paths: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    trace: Callable[[], Trace]
    layers: frozenset[str]
    retraced: Callable[[], backend.Cost]


def flatten(
    model: keras.Model,
    data: tuple[Any, Any, Any],
    *,
    loss: Any,
    training: bool,
    build: Callable[[], keras.Model] | None,
    dtype: str,
    of: tuple[str, ...] = (WEIGHTS,),
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
        of: what the cost is a function of: the trainable "weights", the float "inputs", or both.
    """
    x, y, sample_weight = copies.copy_data(data, dtype)
    copy = copies.copy_model(model, dtype, build, x)
    if compile_copy(copy, model, loss, dtype, data[1]) and y is None:
        raise ConfigError(f"y must be the labels for the loss of {model.name!r}, got y=None")
    parts = _weights(model, copy) if WEIGHTS in of else []
    parts += _inputs(data[0]) if INPUTS in of else []
    leaves = keras.tree.flatten(x)

    def stateless(values: list[Any]) -> Any:
        state, given = [], list(leaves)
        for part, value in zip(parts, values, strict=True):
            if part.variable is None:
                given[part.place] = value
            else:
                state.append((part.variable, value))
        inputs = keras.tree.pack_sequence_as(x, given) if keras.tree.is_nested(x) else given[0]
        with keras.StatelessScope(state, collect_losses=True):
            y_pred = copy(inputs, training=training)
            cost = copy.compute_loss(inputs, y, y_pred, sample_weight, training=training)
            return keras.ops.sum(cost)

    shapes = tuple(part.value.shape for part in parts)
    ends = [int(end) for end in np.cumsum([0] + [part.value.size for part in parts])]
    cost, gradient = backend.functions(stateless, shapes, dtype)
    return Flat(
        cost,
        gradient,
        np.concatenate([part.value.ravel() for part in parts]),
        tuple(slice(first, last) for first, last in itertools.pairwise(ends)),
        tuple(part.path for part in parts),
        shapes,
        lambda: backend.trace(stateless, shapes, dtype),
        frozenset(layer.name for layer in layers_of(model)),
        lambda: backend.functions(stateless, shapes, dtype)[0],
    )


def frozen_weights(model: keras.Model) -> list[Any]:
    """Weights that were made to be trained and are not: of layers set to ``trainable = False``."""
    trained = {id(variable) for variable in model.trainable_variables}
    made = {
        id(variable): variable
        for layer in layers_of(model)
        for variable in layer._trainable_variables
    }
    return [variable for key, variable in made.items() if key not in trained]


def has_float_inputs(x: Any) -> bool:
    """Whether a gradient with respect to the inputs exists."""
    return bool(_inputs(x))


def check_data(x: Any, y: Any, sample_weight: Any) -> None:
    """Refuse data that no cost can be computed on.

    Raises:
        ConfigError: naming the argument: no examples, lengths that differ, or values not finite.
    """
    if not _leaves("x", x):
        raise ConfigError(f"x must be an array, or a structure of arrays, got x={x!r}")
    length = None
    for name, data in (("x", x), ("y", y), ("sample_weight", sample_weight)):
        for path, array in _leaves(name, data):
            if array.ndim == 0 or len(array) == 0:
                raise ConfigError(f"{path} must hold examples, got an array of shape {array.shape}")
            length = len(array) if length is None else length
            if len(array) != length:
                raise ConfigError(f"{path} has {len(array)} examples but x has {length}")
            if array.dtype.kind == "O":
                raise ConfigError(f"{path} must be an array of numbers, got {type(data).__name__}")
            unread = isinstance(array, Rows)
            if array.dtype.kind == "f" and not unread and not np.isfinite(array).all():
                bad = int(np.argwhere(~np.isfinite(array))[0][0])
                raise ConfigError(f"{path} must be finite, got NaN or infinity in example {bad}")


def check_model(model: Any, loss: Any, *, trains: bool = True) -> None:
    """Refuse a model that has no cost or nothing to train.

    Args:
        model: what was given.
        loss: in place of the compiled one.
        trains: whether it needs trainable weights.

    Raises:
        ConfigError: saying what to do.
    """
    if not isinstance(model, keras.Model):
        raise ConfigError(f"model must be a keras.Model, got model={model!r}")
    if not model.built:
        raise ConfigError(f"model {model.name!r} is not built: give it an Input, or call it once")
    if loss is None and not model.compiled:
        raise ConfigError(f"model {model.name!r} is not compiled: compile it, or pass loss=")
    if trains and not model.trainable_variables:
        frozen = " (all are frozen: set trainable = True)" if model.weights else ""
        raise ConfigError(
            f"model {model.name!r} has no trainable weights{frozen}: nothing to check"
        )


def _weights(model: keras.Model, copy: keras.Model) -> list[Part]:
    """The trainable weights in the model's order, each once."""
    trained = {id(variable) for variable in model.trainable_variables}
    return [
        Part(old.path, _array(old.value), new)
        for old, new in zip(model.variables, copy.variables, strict=True)
        if id(old) in trained
    ]


def _inputs(x: Any) -> list[Part]:
    """The float leaves of x."""
    return [
        Part(path, _array(leaf), None, place)
        for place, (path, leaf) in enumerate(_leaves("x", x))
        if leaf.dtype.kind == "f"
    ]


def _leaves(name: str, data: Any) -> list[tuple[str, np.ndarray]]:
    """Arrays with the path of each, without what is None.

    >>> [path for path, _ in _leaves("x", {"a": np.ones(2), "b": [np.ones(2), None]})]
    ["x['a']", "x['b'][0]"]
    """
    found = []
    for path, leaf in keras.tree.flatten_with_path(data) if data is not None else ():
        if leaf is not None:
            array = keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else leaf
            found.append((name + "".join(f"[{key!r}]" for key in path), np.asarray(array)))
    return found


def _array(value: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(value)).astype("float64")
