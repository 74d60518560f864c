"""How far one turn of a knob goes: one table for recipes, guided sweeps and advice."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

from keras_ext.errors import ConfigError


@dataclass(frozen=True)
class Notch:
    """One step of a knob: ``add`` to it or take it ``times``, within ``low`` and ``high``.

    ``start`` is the smallest value above 0 of a knob that is multiplied but can be off.
    """

    add: float = 0
    times: float = 1
    low: float = 0
    high: float = inf
    start: float = 0


NOTCHES = {
    "dropout": Notch(add=0.1, high=0.8),
    "l2": Notch(times=3, high=1, start=1e-4),
    "magnitude": Notch(add=0.25, high=1),
    "units": Notch(times=2, low=1),
    "layers": Notch(add=1, low=1),
    "epochs": Notch(times=2, low=1),
    "learning_rate": Notch(times=3),
}

KNOBS = tuple(NOTCHES)


def notch(knob: str, value: Any, up: bool = True) -> Any:
    """The value one turn further, or None at the end of the knob's range.

    Args:
        knob: "dropout", "l2", "magnitude", "units", "layers", "epochs" or "learning_rate".
        value: a number, or one for each layer (a tuple: every entry moves, those at the end
            stay). Whole numbers stay whole.
        up: further, or back.

    Raises:
        ConfigError: for a knob that isn't in the table, or a value that is no finite number.

    >>> notch("dropout", 0.1), notch("dropout", 0.8), notch("dropout", (0.2, 0.75))
    (0.2, None, (0.3, 0.8))
    >>> notch("l2", 0.0), notch("l2", 1e-4), notch("l2", 1e-4, up=False)
    (0.0001, 0.0003, 0.0)
    >>> notch("units", 32), notch("epochs", 5, up=False), notch("layers", 1, up=False)
    (64, 2, None)
    """
    if knob not in NOTCHES:
        raise ConfigError(f"knob must be one of {', '.join(KNOBS)}, got knob={knob!r}")
    if isinstance(value, (tuple, list)):
        moved = tuple(notch(knob, item, up) for item in value)
        if all(item is None for item in moved):
            return None
        return tuple(old if new is None else new for old, new in zip(value, moved, strict=True))
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise ConfigError(f"{knob} must be a finite number to be turned, got {knob}={value!r}")
    whole = isinstance(value, Integral)
    before = float(value)
    after = _turned(NOTCHES[knob], before, whole, up)
    if (after <= before) if up else (after >= before):
        return None
    return int(after) if whole and after.is_integer() else after


def _turned(step: Notch, value: float, whole: bool, up: bool) -> float:
    if up:
        return _tidy(min(step.high, max(step.start, value * step.times + step.add)))
    if step.start and value <= step.start:
        return 0.0
    lower = max(step.low, step.start, value / step.times - step.add)
    return float(int(lower)) if whole and step.low >= 1 else _tidy(lower)


def _tidy(value: float) -> float:
    """Without the digits that binary fractions leave behind: 0.1 + 0.2 is 0.3."""
    return float(f"{value:.6g}") if abs(value) < 1e5 else value
