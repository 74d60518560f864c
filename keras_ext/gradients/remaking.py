"""A model made anew from what it is made of."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import keras

from keras_ext.errors import ConfigError
from keras_ext.gradients import backend

FLOATS = ("float16", "bfloat16", "float32", "float64")

_PASSED_ON = {"self", "args", "kwargs", "name", "dtype", "trainable"}
"""Arguments of a subclassed model's constructor that say nothing about what it computes."""


def remade(model: keras.Model, dtype: str) -> keras.Model:
    """A model like this one, from its config, that computes in ``dtype``; without its weights.

    Classes and functions of the user's need not be registered. A subclassed model without
    a config is made by its constructor, if that takes no arguments.

    Raises:
        ConfigError: naming the innermost layer that can't be made again.
    """
    custom, kind = own_objects(model), type(model)
    try:
        with keras.saving.custom_object_scope(custom):
            return _Maker(kind).from_config(_in_dtype(model.get_config(), dtype))
    except backend.errors() as error:
        raise ConfigError(_why(model, custom, error)) from error


def layers_of(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """The layer and all inside it, those of layers that are no models included."""
    yield layer
    for inner in layer._layers:
        yield from layers_of(inner)


def own_objects(model: keras.Model) -> dict[str, Any]:
    """The user's functions, and makers of the user's classes, that a config may name.

    >>> def swish_like(x):
    ...     return x * keras.ops.sigmoid(x)
    >>> list(own_objects(keras.Sequential([keras.layers.Dense(1, activation=swish_like)])))
    ['swish_like']
    """
    found = {}
    for layer in layers_of(model):
        for value in (layer, *vars(layer).values()):
            kind = value if hasattr(value, "__name__") else type(value)
            config = callable(value) or hasattr(value, "get_config")
            if config and not of_keras(kind):
                found[kind.__name__] = _Maker(kind) if isinstance(kind, type) else kind
    return found


class _Maker:
    """Stands in for a class: makes one from a config, or by a constructor without arguments.

    Keras puts ``trainable`` and ``dtype`` into every config, which such a constructor can't take.
    """

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.__name__ = kind.__name__

    def from_config(self, config: dict[str, Any]) -> Any:
        try:
            return self.kind.from_config(config)  # type: ignore[attr-defined]
        except TypeError:
            arguments = inspect.signature(self.kind.__init__).parameters  # type: ignore[misc]
            if of_keras(self.kind) or not _PASSED_ON.issuperset(arguments):
                raise
            return self.kind()


def of_keras(kind: Any) -> bool:
    """Whether a class or function is one of Keras itself, or of Python."""
    return str(kind.__module__).partition(".")[0] in ("keras", "builtins", "functools")


def _in_dtype(node: Any, dtype: str) -> Any:
    """A config with every float dtype replaced, and nothing compiled or built.

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
        if key not in ("compile_config", "build_config")
    }


def _is_float(value: Any) -> bool:
    """Whether a dtype in a config, or the policy that stands in its place, is one of floats."""
    if isinstance(value, dict):
        return value.get("class_name") == "DTypePolicy"
    return value in FLOATS


def reason_of(error: BaseException | None) -> str:
    """The line of an error that says what is wrong: Keras wraps those of layers in several more."""
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return textwrap.shorten((told or lines or [type(error).__name__])[0], 200, placeholder=" ...")


def _why(model: keras.Model, custom: dict[str, Any], error: BaseException) -> str:
    """One line naming the innermost layer that its config can't make again, or else the model."""
    culprit: keras.layers.Layer = model
    for layer in reversed(list(layers_of(model))):
        try:
            with keras.saving.custom_object_scope(custom):
                _Maker(type(layer)).from_config(layer.get_config())
        except backend.errors() as own:
            culprit, error = layer, own
            break
    while error.__context__ is not None:
        error = error.__context__
    reason = reason_of(error)
    if isinstance(culprit, keras.layers.Lambda):
        reason = "its function is a Python lambda"
    return (
        f"{type(culprit).__name__} {culprit.name!r} can't be made again from its config "
        f"({reason}): pass build=, a function that makes the model"
    )
