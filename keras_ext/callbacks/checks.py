"""Checks of arguments, and copies, that the callbacks have in common."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from math import isfinite
from numbers import Integral, Real
from typing import Any, TypeVar

from keras_ext.errors import ConfigError

T = TypeVar("T")


def whole_number(name: str, value: Any, low: int) -> int:
    """The value, if it is a whole number of at least ``low``; else ConfigError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ConfigError(f"{name} must be a whole number of at least {low}, got {name}={value!r}")
    return int(value)


def not_negative(name: str, value: Any) -> float:
    """The value as a float, if it is finite and at least 0; else ConfigError."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not isfinite(value) or value < 0:
        raise ConfigError(f"{name} must be finite and at least 0, got {name}={value!r}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """The value as a float, if it is finite and above 0; else ConfigError."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not isfinite(value) or value <= 0:
        raise ConfigError(f"{name} must be finite and above 0, got {name}={value!r}")
    return float(value)


def of_type(name: str, value: T, kind: Any, wanted: str) -> T:
    """The value, if it is an instance of ``kind``; else ConfigError."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name} must be {wanted}, got {name}={value!r}")
    return value


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the names; else ConfigError."""
    if not isinstance(value, str) or value not in choices:
        names = ", ".join(repr(choice) for choice in choices)
        raise ConfigError(f"{name} must be one of {names}, got {name}={value!r}")
    return value


def reason(error: BaseException) -> str:
    """The line that tells what was wrong; Keras puts one in front that says where.

    >>> reason(ValueError("Exception encountered when calling Dense.call().\\n\\nrank 3"))
    'rank 3'
    """
    lines = [line.strip() for line in re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()]
    telling = [line for line in lines if line and not line.startswith("Exception encountered")]
    return (telling or [type(error).__name__])[0]


def copy_sharing(original: T, memo: dict[int, Any], shared: Iterable[Any]) -> T:
    """A deep copy of a callback whose data, model or terminal stay the same objects.

    Data sets of a backend can't be copied at all, and arrays should not take memory twice.
    """
    memo.update({id(item): item for item in shared})
    twin = object.__new__(type(original))
    memo[id(original)] = twin
    twin.__dict__.update(copy.deepcopy(original.__dict__, memo))
    return twin
