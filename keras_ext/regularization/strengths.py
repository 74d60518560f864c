"""How a strength is checked, held and read; and the walk that finds the layers holding one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.errors import ConfigError


def check(name: str, value: Any, *, below: float = math.inf, most: float = math.inf) -> float:
    """The value as a Python float from 0 to below one limit, or to the other, that one included.

    Also after rounding to single precision.

    >>> check("rate", 0.5, below=1)
    0.5
    >>> check("magnitude", 1, most=1)
    1.0

    Raises:
        ConfigError: naming the argument and the value received.
    """
    if not _is_number(value) or not 0 <= _single(value) < below or value > most:
        limits = "finite and at least 0"
        if below < math.inf:
            limits = f"in [0, {below:g})"
        elif most < math.inf:
            limits = f"in [0, {most:g}]"
        raise ConfigError(f"{name} must be a number {limits}, got {name}={value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _single(value: Any) -> float:
    """The value as single precision holds it."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def add(layer: keras.layers.Layer, name: str, value: float) -> Any:
    """A scalar weight of the layer that holds a strength, in single precision under every policy.

    A weight, and not a bare variable: on JAX a variable that no layer tracks is baked into the
    compiled step.
    """
    start = keras.initializers.Constant(value)
    return layer.add_weight(
        shape=(), initializer=start, dtype="float32", trainable=False, autocast=False, name=name
    )


def read(variable: Any) -> float:
    """The value as the shortest decimal that single precision can't tell from it.

    A rate set to 0.1 reads 0.1, although the variable holds 0.10000000149.
    """
    return float(str(np.float32(variable.numpy())))


def where_on(variable: Any, on: Callable[[Any], Any], off: Callable[[], Any]) -> Any:
    """``on(strength)`` where the strength is above 0, ``off()`` where it is 0, and not both.

    Traced code gets a condition that both outcomes belong to. Where the strength can be seen there
    is none: JAX would compile one at every call outside of a compiled function.
    """
    strength = ops.convert_to_tensor(variable)
    try:
        seen = None if keras.backend.backend() == "torch" else bool(strength > 0)
    except TypeError:  # A tensor without a value: TensorFlow's graphs, JAX's traces.
        seen = None
    if seen is None:
        return ops.cond(strength > 0, lambda: on(strength), off)
    return on(strength) if seen else off()


def walk(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """The layer and all layers inside it, each once, in the order of the stack."""
    seen = set()
    waiting = [layer]
    while waiting:
        item = waiting.pop()
        if id(item) not in seen:
            seen.add(id(item))
            yield item
            waiting.extend(reversed(children(item)))


def children(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers that a layer or model tracks as its own, without those inside them.

    Keras has no public name for the layers inside one that is no model: the L2 of a Dense layer,
    the layer inside a wrapper.
    """
    return list(layer._layers)
