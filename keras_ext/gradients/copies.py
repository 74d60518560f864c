"""Copies of a model, its loss and its data in the precision of the check."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.gradients import backend

FLOATS = ("float16", "bfloat16", "float32", "float64")


@contextmanager
def computing_in(dtype: str) -> Iterator[None]:
    """Let everything that is made inside compute in ``dtype``, and leave no global state changed.

    Losses, constants and layers without a dtype of their own follow Keras's ``floatx`` and dtype
    policy; new layers draw seeds from Python's random numbers.
    """
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    drawn = random.getstate()
    try:
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        with ExitStack() as stack:
            if dtype == "float64":
                stack.enter_context(backend.double_precision())
            yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        random.setstate(drawn)


def copy_model(
    model: keras.Model, dtype: str, build: Callable[[], keras.Model] | None, inputs: Any
) -> keras.Model:
    """The model anew, with every layer computing in ``dtype`` and the same state.

    Args:
        model: a built model; only read.
        dtype: "float64" or "float32".
        build: makes the model; None rebuilds it from its config.
        inputs: for a first call, where ``build`` gives a model without weights.

    Raises:
        ConfigError: naming the layer that can't be rebuilt from its config; or when ``build`` makes
            a model with other weights.
    """
    copy = _from_config(model, dtype) if build is None else build()
    if not isinstance(copy, keras.Model):
        raise ConfigError(f"build must make a keras.Model, got {copy!r}")
    if not copy.built:
        copy(inputs)
    pairs = list(zip(model.variables, copy.variables, strict=False))
    shapes = [tuple(variable.shape) for variable in model.variables]
    if shapes != [tuple(variable.shape) for variable in copy.variables]:
        source = "its config" if build is None else "build"
        raise ConfigError(
            f"{source} makes another model than {model.name!r}: "
            f"{len(copy.variables)} variables of other shapes than its {len(shapes)}; check build="
        )
    for old, new in pairs:
        new.assign(np.array(keras.ops.convert_to_numpy(old.value)))
        new.trainable = old.trainable
    for layer in layers_of(copy):
        if isinstance(layer, keras.layers.Normalization):
            # It computes with tensors made from its weights, not with the weights.
            layer.finalize_state()
    return copy


def compile_copy(copy: keras.Model, model: keras.Model, loss: Any, dtype: str) -> None:
    """Compile the copy with the loss, or structure of losses, computing in ``dtype``.

    Args:
        copy: what to compile.
        model: whose loss and weights of losses are taken where ``loss`` is None.
        loss: all that ``compile(loss=...)`` takes. A loss object is bound to its own dtype, and so
            is wrapped in one of ``dtype``.
    """
    weights = None
    if loss is None:
        # The public get_compile_config would serialize the optimizer and all metrics as well.
        loss, weights = model.loss, getattr(model._compile_loss, "_user_loss_weights", None)
    loss = keras.tree.map_structure(lambda one: _Loss(one, dtype) if _bound(one) else one, loss)
    copy.compile(optimizer=None, loss=loss, loss_weights=weights, jit_compile=False)


def copy_data(data: Any, dtype: str) -> Any:
    """Arrays as tensors: floats in ``dtype``, all others as they are."""

    def convert(array: Any) -> Any:
        if array is None:
            return None
        array = np.asarray(array)
        array = array.astype(dtype) if array.dtype.kind == "f" else array
        return keras.ops.convert_to_tensor(array)

    return keras.tree.map_structure(convert, data)


def layers_of(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """The layer and all inside it, those of layers that are no models included."""
    yield layer
    for inner in layer._layers:
        yield from layers_of(inner)


class _Loss(keras.losses.Loss):
    """A loss object computing in another precision than it was made for."""

    def __init__(self, loss: keras.losses.Loss, dtype: str) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=dtype)
        self._loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._loss.call(y_true, y_pred)


def _bound(loss: Any) -> bool:
    """Whether the loss casts to its own dtype as Keras's base class does."""
    base = keras.losses.Loss
    return isinstance(loss, base) and type(loss).__call__ is base.__call__


def _from_config(model: keras.Model, dtype: str) -> keras.Model:
    kinds = {type(layer).__name__: type(layer) for layer in layers_of(model)}
    custom = {name: kind for name, kind in kinds.items() if not _of_keras(kind)}
    try:
        with keras.saving.custom_object_scope(custom):
            return type(model).from_config(_in_dtype(model.get_config(), dtype))
    except backend.errors() as error:
        raise ConfigError(_why(model, custom, error)) from error


def _in_dtype(node: Any, dtype: str) -> Any:
    """A config with every float dtype replaced, and nothing compiled.

    Random initial values are replaced by zeros: they are overwritten, and each shape costs jax a
    compilation. Seeded ones stay, as a layer might use them as constants.
    """
    if isinstance(node, list | tuple):
        return type(node)(_in_dtype(item, dtype) for item in node)
    if not isinstance(node, dict):
        return node
    if node.get("module") == "keras.initializers" and node["config"].get("seed", 0) is None:
        return {**node, "class_name": "Zeros", "config": {}}
    return {
        key: dtype if key == "dtype" and _is_float(value) else _in_dtype(value, dtype)
        for key, value in node.items()
        if key != "compile_config"
    }


def _is_float(value: Any) -> bool:
    """Whether a dtype in a config, or the policy that stands in its place, is one of floats."""
    if isinstance(value, dict):
        return value.get("class_name") == "DTypePolicy"
    return value in FLOATS


def _of_keras(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "keras"


def _why(model: keras.Model, custom: dict[str, type], error: Exception) -> str:
    """One line naming the innermost layer that its config can't make again, or else the model."""
    culprit: keras.layers.Layer = model
    for layer in reversed(list(layers_of(model))):
        try:
            with keras.saving.custom_object_scope(custom):
                type(layer).from_config(layer.get_config())
        except backend.errors():
            culprit = layer
            break
    reason = str(error).strip().partition("\n")[0]
    return (
        f"{type(culprit).__name__} {culprit.name!r} can't be made again from its config "
        f"({reason}): pass build=, a function that makes the model"
    )
