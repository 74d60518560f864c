"""What frozen records have in common: checks of their fields, and the way to JSON and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, Union, get_args, get_origin

import numpy as np

from keras_ext.diagnosis import ErrorEstimate
from keras_ext.errors import ConfigError


def encode(value: Any) -> Any:
    """Records, tuples and numpy scalars as plain JSON values; images are left out."""
    if isinstance(value, ErrorEstimate):
        low, high = value.interval()
        return {"error": value.error, "low": low, "high": high, "count": value.count}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value) if f.name != "image"}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def decode(cls: Any, values: Any, prefix: str) -> Any:
    """A record of type ``cls`` from plain values, each checked against its annotation."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{prefix.rstrip('.') or cls.__name__} must be an object with fields, got {values!r}"
        )
    hints = _hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(f"unknown field {prefix}{unknown[0]!s}; there are: {', '.join(hints)}")
    return cls(
        **{name: coerce(value, hints[name], prefix + name) for name, value in values.items()}
    )


@lru_cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def coerce(value: Any, hint: Any, name: str) -> Any:
    """The value as its annotation wants it: whole numbers count as floats, lists as tuples."""
    if hint is Any:
        return value
    if isinstance(value, np.generic):
        return coerce(value.item(), hint, name)
    if get_origin(hint) is Mapping:
        if isinstance(value, Mapping):
            inner = get_args(hint)[1]
            return {str(key): coerce(item, inner, f"{name}.{key}") for key, item in value.items()}
    elif get_origin(hint) in (Union, types.UnionType):
        for option in get_args(hint):
            try:
                return coerce(value, option, name)
            except ConfigError:
                continue
    elif dataclasses.is_dataclass(hint):
        same = isinstance(value, typing.cast(type, hint))
        return value if same else decode(hint, value, name + ".")
    elif get_origin(hint) is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(coerce(item, get_args(hint)[0], name) for item in value)
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    wanted = getattr(hint, "__name__", str(hint)) if isinstance(hint, type) else str(hint)
    raise ConfigError(f"{name} must be {wanted}, got {value!r}")


def check_types(record: Any) -> None:
    """Refuse a field that is not of the type of its annotation; lists become tuples there."""
    cls: Any = type(record)
    for name, hint in _hints(cls).items():
        value = getattr(record, name)
        coerced = coerce(value, hint, name)
        if not isinstance(value, (int, float)):  # A whole number may stand for a float as it is.
            object.__setattr__(record, name, coerced)


def one_of(record: Any, name: str, choices: tuple[Any, ...]) -> None:
    """Refuse a field whose value is none of the choices."""
    value = getattr(record, name)
    if value not in choices:
        names = ", ".join(str(choice) for choice in choices)
        raise ConfigError(f"{name} must be one of {names}, got {name}={value!r}")


def within(record: Any, name: str, low: float, high: float = float("inf")) -> None:
    """Refuse a field whose value is outside the limits, or not a number."""
    value = getattr(record, name)
    if not low <= value <= high:
        limits = f"from {low} to {high}" if high < float("inf") else f"at least {low}"
        raise ConfigError(f"{name} must be {limits}, got {name}={value!r}")
