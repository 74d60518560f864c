"""Choose the next trial from the diagnosis of the last ones: the rules, as a pure function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_ext.tuning.axes import Axis, Values, active, with_role
from keras_ext.tuning.moves import in_words, moves, plain, words
from keras_ext.tuning.proposal import Proposal, Trials, Tried, same
from keras_ext.tuning.reading import UNKNOWN, reading
from keras_ext.tuning.smooth_model import promising

LINE_SHARE = 0.3
"""Of the budget: the most that the line of learning rates takes, the start included."""
JOINT_SHARE = 0.25
"""Of the budget: what is left for moving several knobs at once, at the end."""
HOPELESS = 0.02
"""Below this expected share of the error no single turn is worth a trial."""
NEAR, FAR = 0.15, 0.25
"""How far the joint refinement and the exploration reach, as shares of each range."""


def guided(
    axes: Sequence[Axis],
    tried: Sequence[Tried],
    *,
    budget: int | None,
    seed: int,
    diagnose: bool = True,
    learning_rates: tuple[float, float] | None = None,
) -> Proposal | None:
    """The next trial, from all that have ended or run; None when there is nothing left to try.

    1. The default values.
    2. A line of learning rates, a notch (three times) apart, until the best one has a worse
       neighbour on either side.
    3. One knob a trial, from the point with the lowest mean error: where bias is the larger part of
       the gaps a knob that makes the network fit, where variance is, one that regularizes, where
       the cost is unsteady, more decay or a lower rate. What a knob did before decides whether it
       is turned again, and how far. When no turn promises anything: a point near by that a smooth
       model of all errors promises most of (several knobs at once).
    4. The last quarter of the budget: the same smooth model, close to the best point.

    The best point is measured once more before the end, where a hyperparameter plays the "seed".

    Args:
        axes: of the space; a function of them and of the trials alone, with ``seed``.
        tried: in the order in which they began.
        budget: how many trials there are in all, None for no end.
        seed: of all that is drawn.
        diagnose: False for the same steps without a look at what hurts.
        learning_rates: the line's lowest and highest rate, as from ``learning_rate_range``.
    """
    trials, made = Trials(axes, tried), len(tried)
    if budget is not None and made >= budget:
        return None
    start = start_values(axes, learning_rates)
    if not made:
        return Proposal(start, start_reason(learning_rates), "start")
    best = trials.best()
    base = dict(best.values) if best else dict(trials.tried[0].values)
    base = complete(axes, base)
    line = _line(trials, dict(trials.tried[0].values), budget, learning_rates)
    if line is not None:
        return line
    left = None if budget is None else budget - made
    joint = left is not None and budget is not None and left <= round(JOINT_SHARE * budget)
    rng = np.random.default_rng([seed, made])
    if joint and best is not None:
        again = measure_again(trials, base)
        return (
            again or several(trials, base, NEAR, rng, "joint refinement") or any_point(trials, rng)
        )
    found = reading(trials, base) if diagnose else UNKNOWN
    kept = {**base}
    for move in moves(trials, active(axes, kept), found):
        if move.gain < HOPELESS:
            break
        if _pending(trials, move.axis.name, move.notches):
            continue
        values = active(axes, {**kept, move.axis.name: move.after})
        return Proposal(
            values, words(move, found), "turn", move.axis.name, move.notches, active(axes, base)
        )
    return several(trials, base, FAR, rng, "exploration") or any_point(trials, rng)


def start_values(
    axes: Sequence[Axis], learning_rates: tuple[float, float] | None = None
) -> dict[str, Any]:
    """The default of each hyperparameter that matters; of the learning rate, inside the limits."""
    values = {axis.name: axis.default for axis in axes}
    rate = with_role(axes, "learning_rate")
    if rate is not None and learning_rates is not None and not rate.choices:
        low, high = learning_rates
        values[rate.name] = rate.near(min(high, max(low, float(rate.default))))
    return active(axes, values)


def start_reason(learning_rates: tuple[float, float] | None) -> str:
    """Why the first trial, in words."""
    reason = "the default values, to start from"
    if learning_rates is None:
        return reason
    low, high = learning_rates
    return f"{reason}, the learning rate within what the range test found: {low:.2g} to {high:.2g}"


def complete(axes: Sequence[Axis], values: Values) -> dict[str, Any]:
    """The values, with the default of each hyperparameter that is missing."""
    return {axis.name: values.get(axis.name, axis.default) for axis in axes}


def _line(
    trials: Trials, start: Values, budget: int | None, rates: tuple[float, float] | None
) -> Proposal | None:
    """The next learning rate of the line through the start; None when the line is done."""
    axis = with_role(trials.axes, "learning_rate")
    if axis is None or axis.name not in start or not axis.steps:
        return None
    done = sum(item.step in ("start", "line") for item in trials.tried)
    if budget is not None and done >= max(3, round(LINE_SHARE * budget)):
        return None
    if any(item.step not in ("start", "line") for item in trials.tried):
        return None
    low, high = rates or (0.0, float("inf"))
    points = {
        item.values[axis.name]: trials.error(item.values)
        for item in trials.tried
        if axis.name in item.values
    }
    ended = {rate: error for rate, error in points.items() if error is not None}
    middle = min(ended, key=lambda rate: ended[rate]) if ended else start[axis.name]
    unsteady = reading(trials, {**start, axis.name: middle}).unstable > 0
    failed = trials.best() is None
    for sign in (-1, 1) if unsteady or failed else (1, -1):
        after = _moved(axis, middle, sign, points)
        for _ in range(20):  # Past rates that run or failed.
            known = after is not None and trials.known({**start, axis.name: after})
            if not known or (after in ended and not failed):
                break
            after = _moved(axis, after, sign, points)
        if after is None or not low <= after <= high:
            continue
        values = {**start, axis.name: after}
        if not trials.known(values):
            reason = f"a line of learning rates: {plain(after)} beside {plain(middle)}"
            reason += ", the best so far" if ended else ""
            return Proposal(
                values, reason, "line", axis.name, float(sign), {**start, axis.name: middle}
            )
    return None


def _moved(axis: Axis, rate: Any, sign: int, tried: Iterable[float]) -> float | None:
    """The next rate; one that was tried, last digits apart, is that one."""
    after = axis.moved(rate, sign)
    if after is None:
        return None
    return next((known for known in tried if same(known, after)), float(after))


def _pending(trials: Trials, name: str, notches: float) -> bool:
    """Whether the same turn is being tried at this moment, by another worker."""
    return any(
        item.error is None
        and item.proposal is not None
        and item.proposal.knob == name
        and (item.proposal.notches > 0) == (notches > 0)
        for item in trials.tried
    )


def measure_again(trials: Trials, base: Values) -> Proposal | None:
    """The best point under another seed, if it has been measured once and one can be set."""
    axis = with_role(trials.axes, "seed")
    if axis is None or trials.evaluations(base) > 1:
        return None
    used = {item.values.get(axis.name) for item in trials.tried}
    numbers = axis.choices or range(int(axis.low), int(axis.high) + 1)
    other = next((number for number in numbers if number not in used), None)
    if other is None:
        return None
    reason = "the best so far once more, under another seed: was it luck?"
    return Proposal(active(trials.axes, {**base, axis.name: other}), reason, "again")


def several(
    trials: Trials, base: Values, reach: float, rng: np.random.Generator, what: str
) -> Proposal | None:
    """Several knobs at once, where the smooth model promises most."""
    axes = [a for a in trials.axes if a.role != "seed" and not a.fixed and a.name in base]
    values = promising(trials, base, reach, rng, axes) if axes else None
    if values is None:
        return None
    kept = active(trials.axes, values)
    turned = [name for name, value in kept.items() if value != base.get(name)]
    reason = f"{what}, by a smooth model of all errors so far: {in_words(kept, turned)}"
    return Proposal(kept, reason, what, None, 0.0, active(trials.axes, base))


def any_point(trials: Trials, rng: np.random.Generator) -> Proposal | None:
    """Any untried point; None when the space seems to be used up."""
    for _ in range(200):
        values = {
            a.name: a.default if a.fixed or a.role == "seed" else a.value(rng.random())
            for a in trials.axes
        }
        if not trials.known(values):
            reason = "nothing near the best is left to try: a random point"
            return Proposal(active(trials.axes, values), reason, "exploration")
    return None
