"""Which variance knob to turn while a model trains, and turning it by one notch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from keras_ext.diagnosis import KNOBS, Overfitting, notch, remedies
from keras_ext.errors import ConfigError
from keras_ext.regularization import Knob

FIRST = "turn"
VARIANCE_KNOBS = tuple(item.knob for item in remedies(["variance"]) if item.knob in KNOBS)

Choice = str | Callable[[Overfitting], str | None] | None


def check(value: Any) -> Any:
    """The value, if it says what to turn: None, "turn", the name of a knob or a function."""
    named = isinstance(value, str) and value in (FIRST, *VARIANCE_KNOBS)
    if value is None or callable(value) or named:
        return value
    names = ", ".join(repr(name) for name in (FIRST, *VARIANCE_KNOBS))
    raise ConfigError(
        f"on_overfitting must be None, one of {names} or a function, got on_overfitting={value!r}"
    )


def require(choice: Choice, live: Mapping[str, Knob]) -> None:
    """Refuse a model without the knob to turn, before it is trained.

    Raises:
        ConfigError: naming the knobs that there are.
    """
    missing = isinstance(choice, str) and choice not in (FIRST, *live)
    if choice is not None and (missing or not live):
        raise ConfigError(
            "on_overfitting needs a knob of the model that can be turned while it trains (there"
            f" are: {', '.join(live) or 'none'}; make some with"
            f" keras_ext.regularization.adjustable), got on_overfitting={choice!r}"
        )


def turn(
    choice: Choice, found: Overfitting, live: Mapping[str, Knob], spent: Set[str]
) -> tuple[str, Any, Any] | None:
    """Turn one knob by one notch.

    Args:
        choice: None, "turn" for the first remedy that is a live knob, a name or a function.
        found: the overfitting.
        live: the model's knobs by name.
        spent: knobs that are left alone; a function may choose them still.

    Returns:
        The knob with its value before and after; None where nothing was turned: no knob chosen, or
        one at the end of its range.

    Raises:
        ConfigError: when the function names no knob of the model.
    """
    name = _name(choice, found, live, spent)
    if name is None:
        return None
    if name not in live:
        raise ConfigError(
            f"on_overfitting must return one of {', '.join(live)} or None, got {name!r}"
        )
    before = live[name].value
    after = notch(name, before)
    if after is None:
        return None
    live[name].value = after
    return name, before, after


def _name(
    choice: Choice, found: Overfitting, live: Mapping[str, Knob], spent: Set[str]
) -> str | None:
    if choice is None:
        return None
    if not isinstance(choice, str):
        return choice(found)
    names = [item.knob for item in found.remedies] if choice == FIRST else [choice]
    return next((name for name in names if name in live and name not in spent), None)
