"""What is taken where examples are wanted, and what is said to everything else."""

from __future__ import annotations

from typing import Any

from keras_ext.errors import ConfigError
from keras_ext.records import Arrays, Splits
from keras_ext.rows import is_array, lazy


def arrays_of(given: Any, name: str) -> Arrays:
    """``Arrays`` as they are, or made of a tuple (x, y).

    Args:
        given: what a user passed.
        name: of the argument, for messages.

    Raises:
        ConfigError: for anything else, naming its type.
        DataError: for x and y that can't be ``Arrays``.
    """
    if isinstance(given, Arrays):
        return given
    if _is_pair(given):
        return Arrays(*given)
    raise ConfigError(
        f"{name} must be Arrays or a tuple (x, y) of two arrays, got {_kind(given)}"
        f"{_remedy(given, name, 'make Arrays(x, y, ...) of it')}"
    )


def examples_of(given: Any, name: str) -> Any:
    """An array of examples as it is, or the x of ``Arrays`` or of a tuple (x, y).

    Raises:
        ConfigError: for anything else, naming its type.
    """
    if isinstance(given, Arrays):
        return given.x
    if _is_pair(given):
        return lazy(given[0])
    if is_array(given):
        return lazy(given)
    raise ConfigError(
        f"{name} must be an array of shape (examples, ...), got {_kind(given)}"
        f"{_remedy(given, name, 'np.asarray makes one of numbers in lists, tables and tensors')}"
    )


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and all(map(is_array, given))


def _kind(given: Any) -> str:
    """The type in words, with the types inside a tuple or list and the keys of a mapping."""
    kind = type(given).__name__
    if isinstance(given, (tuple, list)):
        inside = ", ".join(type(part).__name__ for part in given[:3])
        return f"a {kind} of {len(given)} ({inside}{', ...' if len(given) > 3 else ''})"
    if isinstance(given, dict):
        return f"a dict with the keys {', '.join(map(repr, given))}"
    return f"an array of shape {given.shape}" if is_array(given) else f"a {kind}"


def _remedy(given: Any, name: str, otherwise: str) -> str:
    return f": pass {name}.train" if isinstance(given, Splits) else f": {otherwise}"
