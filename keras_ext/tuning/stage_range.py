"""From where to where a stage of a staged search turns a hyperparameter."""

from __future__ import annotations

from typing import Any

from keras_ext.tuning.axes import Axis, Values

FIRST_NOTCHES = 2.0
"""A stage's range reaches this far to either side of the best value, in notches."""
RATE_NOTCHES = 3.0
EDGE = 0.1
"""A best value within this share of the range from its end is at the edge."""


def part(
    axis: Axis, value: Any, best: Values, extended: int, rates: tuple[float, float] | None
) -> tuple[float, float]:
    """The places of an axis to draw from: its range, or what was added to it last.

    Args:
        axis, value, extended, rates: as for ``reach``.
        best: the values of the best point so far.
    """
    low, high = reach(axis, value, extended, rates)
    if not extended or not axis.steps or axis.name not in best:
        return low, high
    before = reach(axis, value, extended - 1, rates)
    place, edge = axis.place(best[axis.name]), EDGE * (before[1] - before[0])
    if place > before[1] - edge and high > before[1]:
        return before[1], high
    if place < before[0] + edge and low < before[0]:
        return low, before[0]
    return before


def reach(
    axis: Axis, value: Any, extended: int, rates: tuple[float, float] | None
) -> tuple[float, float]:
    """Lowest and highest place of an axis in a stage.

    Args:
        axis: of the stage.
        value: that the stage's points start from.
        extended: how often the range has been extended.
        rates: the range of a learning rate, where a range test has set it.
    """
    if axis.role == "learning_rate" and rates is not None and not axis.choices:
        wide = rates[0] / 10**extended, rates[1] * 10**extended
        low, high = (axis.place(axis.near(rate)) for rate in wide)
        return low, high
    if not axis.ordered or axis.role is None:
        return 0.0, 1.0
    notches = RATE_NOTCHES if axis.role == "learning_rate" else FIRST_NOTCHES
    notches *= 1 + extended
    ends = [axis.moved(value, sign * notches) for sign in (-1, 1)]
    here = axis.place(value)
    low, high = (here if end is None else axis.place(end) for end in ends)
    return low, high


def at(axis: Axis, low: float, high: float, share: float) -> Any:
    """The value at a share of a range of places."""
    if not axis.choices:
        return axis.value(low + share * (high - low))
    count = len(axis.choices)
    if not axis.ordered:
        return axis.choices[min(count - 1, int(share * count))]
    first, last = round(low * (count - 1)), round(high * (count - 1))
    return axis.choices[min(last, first + int(share * (last - first + 1)))]
