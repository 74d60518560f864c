"""Gradient checking inside a test suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.errors import ConfigError
from keras_ext.gradients import adapter, copies
from keras_ext.gradients.check import Measuring, check_gradients, measured
from keras_ext.gradients.gradient_report import GradientReport


def assert_gradients(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Any = None,
    build: Callable[[], keras.layers.Layer] | None = None,
    training: bool = True,
    **options: Any,
) -> None:
    """Raise an AssertionError with the table of the report unless the gradients are right.

    Of a model, the gradient of its cost with respect to its weights. Of a layer, that of its float
    outputs, weighted at random and added up, with respect to its weights and its float inputs. Of
    a loss, that with respect to the predictions.

    >>> assert_gradients(keras.layers.Dense(2, activation="tanh"), np.ones((4, 3)))
    >>> assert_gradients(keras.losses.Huber(), np.ones((4, 1)), np.zeros((4, 1)))

    Args:
        model: a model; or a layer, or a model without a loss, which is built if it isn't yet; or
            a loss, as an object, a function of (y_true, y_pred) or a name.
        x: what it is called with: an array of shape (examples, ...), or a structure of such
            arrays. A tuple holds several arguments, such as query and value. For a loss, the
            predictions.
        y: labels for a model or a loss; a layer needs none.
        loss: of a model, in place of the compiled one.
        build: makes the model, or the layer, anew, where its config can't.
        training: whether dropout and batch norm work as they do in ``fit``.
        options: ``method``, ``seed``, ``directions`` and ``max_elements`` as for
            ``check_gradients``, and ``sample_weight`` for a model.

    Raises:
        AssertionError: naming each variable, and the element where one is off.
        ConfigError: as ``check_gradients``.
    """
    how: dict[str, Any] = {"build": build, "training": training, **options}
    if isinstance(model, keras.Model) and (y is not None or loss is not None or model.compiled):
        report = check_gradients(model, x, y, loss=loss, **how)
    elif isinstance(model, keras.layers.Layer):
        report = _of_layer(model, x, **how)
    elif callable(model) or isinstance(model, str):
        report = _of_loss(keras.losses.get(model), x, y, **how)
    else:
        raise ConfigError(f"model must be a model, a layer or a loss, got model={model!r}")
    report.raise_if_wrong()


def _of_layer(
    layer: keras.layers.Layer,
    x: Any,
    *,
    build: Callable[[], keras.layers.Layer] | None,
    training: bool,
    **options: Any,
) -> GradientReport:
    """Weights and inputs of a layer, by a model around it with the weighted outputs as cost."""
    how = Measuring(**options)
    adapter.check_data(x, None, None)
    x = keras.tree.map_structure(_array, list(x) if (several := isinstance(x, tuple)) else x)

    def model_of(inner: keras.layers.Layer) -> keras.Model:
        leaves = [_input(leaf, path) for path, leaf in keras.tree.flatten_with_path(x)]
        inputs = keras.tree.pack_sequence_as(x, leaves) if keras.tree.is_nested(x) else leaves[0]
        return keras.Model(inputs, inner(*inputs) if several else inner(inputs))

    model = model_of(layer)
    of = ((adapter.WEIGHTS,) if model.trainable_variables else ()) + (
        (adapter.INPUTS,) if adapter.has_float_inputs(x) else ()
    )
    if not of:
        raise ConfigError(
            f"layer {layer.name!r} has no trainable weights and x no floats: nothing to check"
        )
    rng = np.random.default_rng(how.seed)
    with keras.StatelessScope():
        outputs = model(copies.copy_data(x, "float32"), training=False)
    weights = keras.tree.map_structure(
        lambda output: rng.standard_normal(tuple(output.shape)), outputs
    )
    loss = keras.tree.map_structure(_loss_of, outputs)
    return measured(
        model,
        (x, weights, None),
        how,
        loss=loss,
        training=training,
        build=build and (lambda: model_of(build())),
        of=of,
    )


def _of_loss(
    loss: Any,
    y_pred: Any,
    y_true: Any,
    *,
    build: Callable[[], keras.layers.Layer] | None,
    training: bool,
    **options: Any,
) -> GradientReport:
    """The predictions alone, as inputs of a model that passes them on."""
    if y_true is None:
        raise ConfigError("y must be the labels that the loss compares x with, got y=None")
    if build is not None:
        raise ConfigError("build must be None for a loss, which is called as it is")
    y_pred = np.asarray(y_pred)
    adapter.check_data(y_pred, y_true, None)
    if not adapter.has_float_inputs(y_pred):
        raise ConfigError(f"x must be predictions, floats, got an array of {y_pred.dtype}")
    model = keras.Sequential([_input(y_pred), keras.layers.Identity()])
    data, how = (y_pred, y_true, None), Measuring(**options)
    report = measured(
        model, data, how, loss=loss, training=training, build=None, of=(adapter.INPUTS,)
    )
    return replace(report, variables=tuple(replace(r, path="y_pred") for r in report.variables))


def _array(leaf: Any) -> np.ndarray:
    """Whole numbers as jax has them too, without asking for more."""
    array = np.asarray(keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else leaf)
    return array.astype("int32") if array.dtype == "int64" else array


def _input(array: np.ndarray, path: tuple[Any, ...] = ()) -> Any:
    """An input for the array, named as Keras wants that of a mapping to be."""
    kind = "float32" if array.dtype.kind == "f" else array.dtype.name
    name = path[-1] if path and isinstance(path[-1], str) else None
    return keras.Input(array.shape[1:], dtype=kind, name=name)


def _loss_of(output: Any) -> Any:
    """None for whole numbers, which have no gradient."""
    return _weighted_sum if keras.backend.is_float_dtype(output.dtype) else None


def _weighted_sum(weights: Any, outputs: Any) -> Any:
    """Not a plain sum, which is constant for the outputs of a normalisation or a softmax."""
    return ops.sum(weights * outputs, axis=-1)
