"""A model made anew from its config, with some of its objects turned into others on the way."""

from __future__ import annotations

import inspect
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.regularization import strengths
from keras_ext.regularization.l2 import L2

Config = dict[str, Any]
"""An object as ``keras.saving.serialize_keras_object`` gives it."""

_PASSED_ON = {"name", "dtype", "trainable"}
"""Arguments of a subclassed model's constructor that say nothing about what it computes."""

_MORE = inspect.Parameter.VAR_KEYWORD


def rebuild(
    model: keras.Model,
    convert: Callable[[Config], Config],
    unconverted: Callable[[keras.Model], Iterator[keras.layers.Layer]],
) -> keras.Model:
    """A model that is not compiled, made from the config of another, with a copy of its weights.

    Args:
        model: the model to copy; it stays as it is.
        convert: gives for each serialized object the one to take its place, or the same.
        unconverted: the layers of the new model that should have been converted; there may be none.

    Raises:
        ConfigError: naming the layer that can't be rebuilt, converted or copied.
    """
    if not isinstance(model, keras.Model):
        raise ConfigError(f"model must be a keras.Model, got model={model!r}")
    layers = list(strengths.walk(model))
    for layer in reversed(layers):
        _check_config(layer)
    own = {type(layer) for layer in layers if not of_keras(type(layer))}
    classes = {keras.saving.get_registered_name(kind): kind for kind in own}
    try:
        new = _remake(model, convert, classes)
    except ConfigError:
        raise
    except (NotImplementedError, TypeError, ValueError) as error:
        raise _innermost(layers, convert, classes) or ConfigError(_why(model, error)) from error
    for layer in unconverted(new):
        raise ConfigError(
            f"layer {layer.name!r} can't be converted: the layer or model around it makes it in "
            "its own code; take it as an argument there and put it into get_config"
        )
    _copy_weights(model, new, {})
    return new


def _remake(
    layer: keras.layers.Layer, convert: Callable[[Config], Config], classes: dict[str, type]
) -> Any:
    """A layer or model from its config, without the weights."""
    config = _convert(keras.saving.serialize_keras_object(layer), convert)
    return keras.saving.deserialize_keras_object(config, custom_objects=classes)


def _innermost(
    layers: list[keras.layers.Layer],
    convert: Callable[[Config], Config],
    classes: dict[str, type],
) -> ConfigError | None:
    """What to say of the innermost layer that can't be made from its config, if one alone can't."""
    for layer in reversed(layers):
        try:
            _remake(layer, convert, classes)
        except (NotImplementedError, TypeError, ValueError) as error:
            return error if isinstance(error, ConfigError) else ConfigError(_why(layer, error))
    return None


def _convert(node: Any, convert: Callable[[Config], Config]) -> Any:
    """Every serialized object inside, converted from the outside in; nothing stays compiled."""
    if isinstance(node, list | tuple):
        return type(node)(_convert(item, convert) for item in node)
    if not isinstance(node, dict):
        return node
    if "class_name" in node and isinstance(node.get("config"), dict):
        node = {key: value for key, value in convert(node).items() if key != "compile_config"}
    return {key: _convert(value, convert) for key, value in node.items()}


def of_keras(kind: type) -> bool:
    """Whether a class is one of Keras itself."""
    return kind.__module__.partition(".")[0] == "keras"


def _check_config(layer: keras.layers.Layer) -> None:
    """Refuse what has no config, or one that Keras made up.

    For a subclassed model without ``get_config`` Keras 3.15 takes the defaults of the constructor
    for the arguments that were passed: the rebuilt model could be another one.
    """
    own = type(layer).get_config is not keras.layers.Layer.get_config
    if isinstance(layer, keras.Model) and not own:
        _check_constructor(layer)
    try:
        layer.get_config()
    except NotImplementedError as error:
        raise ConfigError(_why(layer, error)) from error


def _check_constructor(layer: keras.Model) -> None:
    """Refuse a class that its own config, which is that of any model, can't be given to."""
    parameters = inspect.signature(layer.__init__).parameters
    star = {p.kind: name for name, p in parameters.items() if p.kind in (p.VAR_POSITIONAL, _MORE)}
    if set(parameters) - set(star.values()) - _PASSED_ON:
        raise ConfigError(_why(layer, "its constructor takes arguments, but it has no get_config"))
    if _MORE not in star and not set(parameters) >= _PASSED_ON:
        advice = (
            "its constructor must take **kwargs (name, dtype, trainable) and pass them to "
            "super().__init__; or use keras_ext.regularization.Dropout in the class itself"
        )
        raise ConfigError(_why(layer, advice))


def _why(layer: keras.layers.Layer, reason: BaseException | str) -> str:
    """One line that names the layer and, of a chain of errors, the one at its root."""
    while isinstance(reason, BaseException) and reason.__context__ is not None:
        reason = reason.__context__
    if isinstance(layer, keras.layers.Lambda):
        reason = "its function is a Python lambda; write a layer class in its place"
    text = textwrap.shorten(str(reason), 200, placeholder=" ...")
    return f"{type(layer).__name__} {layer.name!r} can't be rebuilt from its config: {text}"


def _copy_weights(
    old: keras.layers.Layer, new: keras.layers.Layer, copies: dict[int, keras.layers.Layer]
) -> None:
    """Copy the state of each layer to the one in its place; ``copies`` holds those done by id."""
    if copies.setdefault(id(old), new) is not new:
        raise ConfigError(
            f"layer {old.name!r} is shared between two models, which a config can't express"
        )
    if new.trainable != old.trainable:  # Not in the config of a Sequential; goes to all inside.
        new.trainable = old.trainable
    _copy_random_state(old, new)
    try:
        if type(old) is type(new):
            _copy_state(old, new)
        pairs = _pair_children(old, new)
    except ValueError as error:
        raise ConfigError(_why(old, error)) from error
    for old_child, new_child in pairs:
        _copy_weights(old_child, new_child, copies)


def _copy_state(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """The layer's own weights and assets (vocabularies), without those of layers inside."""
    store: dict[str, Any] = {}
    old.save_own_variables(store)
    # Copied, as JAX would share the buffer, and a step of either model gives its buffers away.
    new.load_own_variables({key: _to_numpy(value) for key, value in store.items()})
    if hasattr(old, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)


def _copy_random_state(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """The state of the layer's own random generators, as far as both have some.

    Keras has no public list of them; a stock dropout of rate 0 has none.
    """
    for one, other in zip(old._seed_generators, new._seed_generators, strict=False):
        other.state.assign(_to_numpy(one.state))


def _to_numpy(value: Any) -> np.ndarray:
    """A copy of a variable, tensor or array."""
    return np.array(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value)))


def _pair_children(
    old: keras.layers.Layer, new: keras.layers.Layer
) -> list[tuple[keras.layers.Layer, keras.layers.Layer]]:
    """Layers in the same place; a config gives layers in the order of those it was made from."""
    olds, news = (
        [layer for layer in strengths.children(parent) if not isinstance(layer, L2)]
        for parent in (old, new)
    )
    return list(zip(olds, news, strict=True))
