"""Ng's order of tuning, stage by stage: the rules, as a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Any

import numpy as np

from keras_ext.tuning.axes import STEPS, Axis, Values, active, with_role
from keras_ext.tuning.guided import (
    NEAR,
    any_point,
    complete,
    measure_again,
    several,
    start_reason,
    start_values,
)
from keras_ext.tuning.moves import in_words, plain
from keras_ext.tuning.proposal import Proposal, Trials, Tried
from keras_ext.tuning.quasi_random import quasi_random
from keras_ext.tuning.reading import reading
from keras_ext.tuning.seed_noise import seed_noise
from keras_ext.tuning.stage_range import EDGE, at, part, reach

STAGES = (
    ("learning_rate",),
    ("momentum", "batch_size", "units"),
    ("layers", "schedule", "decay_rate", "epochs"),
    ("l2", "dropout", "magnitude"),
)
"""Andrew Ng, Improving Deep Neural Networks, week 3, "Tuning process": what matters most first."""
SHARES = (0.2, 0.3, 0.15, 0.2)
"""Of the budget; the rest is for learning rates opened anew and the joint refinement."""
WITHOUT_END = 40
"""Trials that the shares are of, where there is no budget."""
REOPENING = ("batch_size", "layers", "optimizer")
NARROW = 2.0
"""A rate opened anew is tried this many times higher and lower; of choices, the next ones."""
MOST_EXTENSIONS = 2


def staged(
    axes: Sequence[Axis],
    tried: Sequence[Tried],
    *,
    budget: int | None,
    seed: int,
    learning_rates: tuple[float, float] | None = None,
    noise: float | None = None,
) -> Proposal | None:
    """The next trial, from all that have ended or run; None when there is nothing left to try.

    Stage 1 is the learning rate alone; 2 momentum beta (on a scale of 1 - beta), batch size and
    hidden units; 3 layers, the learning rate's schedule and its decay; 4 the rest, of which
    regularization only where the best trial's larger gap is variance. The points of a stage are
    quasi-random around the best one so far, all else fixed. A stage ends when its best beats the
    one before it by more than noise, or its share of the budget is spent. A best value at the edge
    of the stage's range extends the range, and gives the stage half as many trials more. After a
    stage that changed the batch size, the depth or the optimizer of the best, the learning rate is
    opened again, narrowly. What is left of the budget goes into a joint refinement.

    A search that goes on with another budget goes through the stages again, from the best so far;
    the trials that each has had count towards its share.

    Args:
        axes, tried, budget, seed: as for ``guided``.
        learning_rates: the range of stage 1, as from ``learning_rate_range``.
        noise: the standard deviation of the error from one seed to the next; None takes it from
            the trials' own "seed_noise", from points measured more than once, or else a twentieth
            of the error.
    """
    if budget is not None and len(tried) >= budget:
        return None
    if not tried:
        start = start_values(axes, learning_rates)
        made: Proposal | None = Proposal(start, start_reason(learning_rates), "stage 1", base=start)
    else:
        made = _next(Trials(axes, tried), budget, seed, noise, learning_rates)
    return None if made is None else replace(made, budget=budget)


def _next(
    trials: Trials,
    budget: int | None,
    seed: int,
    noise: float | None,
    rates: tuple[float, float] | None,
) -> Proposal | None:
    """The next trial but the first."""
    place = _place(trials, budget, noise, rates)
    rng = np.random.default_rng([seed, len(trials.tried)])
    while place.number <= len(STAGES):
        made = _rate_again(trials, place) or _in_stage(trials, place, budget, seed, rates)
        if made is not None:
            return made
        place = _Place(place.number + 1, place.best, 0, 0, place.best, 0)
    base = complete(trials.axes, place.best)
    return (
        _rate_again(trials, place)
        or measure_again(trials, base)
        or several(trials, base, NEAR, rng, "joint refinement")
        or any_point(trials, rng)
    )


@dataclass(frozen=True)
class _Place:
    """Where the search stands.

    Args:
        number: of the stage, from 1; past the last one for the joint refinement.
        base: the values that the stage's points start from.
        done: trials of the stage, out of this budget.
        extended: how often its range has been extended.
        best: the values of the best point so far.
        rates: trials of the learning rate opened again before this stage.
    """

    number: int
    base: Values
    done: int
    extended: int
    best: Values
    rates: int


def _place(
    trials: Trials,
    budget: int | None,
    noise: float | None,
    rates: tuple[float, float] | None,
) -> _Place:
    """The stage of the last trial, or the next one if that is over."""
    best = trials.best()
    made = [item.proposal for item in trials.tried if item.proposal is not None]
    ours = [one for one in made if one.budget == budget]
    last = next((one for one in reversed(ours) if one.step.startswith("stage ")), None)
    values = best.values if best else trials.tried[0].values
    if any(not one.step.startswith(("stage ", "rate")) for one in ours):
        return _Place(len(STAGES) + 1, values, 0, 0, values, 0)  # The refinement has begun.
    if last is None:
        return _Place(1, values, 0 if made else len(trials.tried), 0, values, 0)
    number = int(last.step.removeprefix("stage "))
    done = sum(one.step == last.step for one in ours)
    here = _Place(number, last.base, done, last.extended, values, 0)
    extended = _extension(trials, here, rates)
    here = _Place(number, last.base, done, extended, values, 0)
    if not _over(trials, here, budget, noise):
        return here
    since = ours[ours.index(last) :]
    again = sum(one.step == "rate" for one in since)
    before = next((one.base for one in since if one.step == "rate"), last.base)
    return _Place(number + 1, before, 0, 0, values, again)


def _over(trials: Trials, here: _Place, budget: int | None, noise: float | None) -> bool:
    """Whether the stage has found a sure improvement, or spent its share."""
    if _spent(trials, here, budget):
        return True
    before, after = trials.error(here.base), trials.error(here.best)
    if before is None or after is None or here.number == 1:
        return False
    return before - after > 2 * sqrt(2) * seed_noise(trials, noise)


def _spent(trials: Trials, here: _Place, budget: int | None) -> bool:
    """Whether the stage has had its share of the budget."""
    if here.number == 1 and trials.best() is None:
        return False  # Nothing can stand on rates that all fail.
    share = SHARES[here.number - 1] * (budget or WITHOUT_END)
    size = max(3 if here.number == 1 else 2, round(share))
    size += here.extended * max(1, round(share / 2))
    return here.done + _before(trials, here.number, budget) >= size


def _before(trials: Trials, number: int, budget: int | None) -> int:
    """Trials that a stage had when the budget was another one."""
    made = [item.proposal for item in trials.tried if item.step == f"stage {number}"]
    return sum(one is not None and one.budget != budget for one in made)


def _in_stage(
    trials: Trials,
    place: _Place,
    budget: int | None,
    seed: int,
    rates: tuple[float, float] | None,
) -> Proposal | None:
    """The next untried quasi-random point of the stage; None when there is none, or no share."""
    base = place.base if place.done else place.best
    base = complete(trials.axes, base)
    axes = _axes_of(trials, place.number, base)
    if not axes or (not place.done and _spent(trials, place, budget)):
        return None
    step = f"stage {place.number}"
    if place.number == 1 and trials.best() is None and _all_ended(trials):
        return _lower(trials, base, axes[0], step)
    for attempt in range(50):
        index = place.done + _before(trials, place.number, budget) + attempt * 7
        point = quasi_random(index, len(axes), seed + 100 * place.number)
        values = dict(base)
        for axis, share in zip(axes, point, strict=True):
            low, high = part(axis, base[axis.name], place.best, place.extended, rates)
            values[axis.name] = at(axis, low, high, float(share))
        if not trials.known(values):
            kept = active(trials.axes, values)
            names = [axis.name for axis in axes]
            reason = f"{step}, {', '.join(names)} alone: {in_words(kept, names)}"
            reason += "; the range is extended, as the best was at its edge" * bool(place.extended)
            start = active(trials.axes, base)
            return Proposal(kept, reason, step, base=start, extended=place.extended)
    return None


def _all_ended(trials: Trials) -> bool:
    return all(item.error is not None for item in trials.tried)


def _lower(trials: Trials, base: Values, axis: Axis, step: str) -> Proposal | None:
    """A rate below all that failed; None at the end of the range."""
    lowest = min(
        (item.values[axis.name] for item in trials.tried if axis.name in item.values),
        key=axis.place,
    )
    rate = axis.moved(lowest, -1.0)
    if rate is None:
        return None
    reason = f"{step}: every trial so far failed, so a lower learning rate, {plain(rate)}"
    values = active(trials.axes, {**base, axis.name: rate})
    return Proposal(values, reason, step, axis.name, base=active(trials.axes, base))


def _axes_of(trials: Trials, number: int, base: Values) -> list[Axis]:
    """What a stage turns; the last one also what has no role."""
    roles: tuple[str, ...] = STAGES[number - 1]
    names = _mattering(trials.axes, base, roles)
    axes = [a for a in trials.axes if not a.fixed and a.name in names]
    if number < len(STAGES):
        return [axis for axis in axes if axis.role in roles]
    found = reading(trials, base)
    regularize = not found.known or found.variance >= 0.5
    return [a for a in axes if a.role is None or (regularize and a.role in roles)]


def _mattering(axes: Sequence[Axis], base: Values, roles: tuple[str, ...]) -> set[str]:
    """Names of what matters at a point, or under another schedule where that is turned with it."""
    points = [base]
    schedule = with_role(axes, "schedule")
    if schedule is not None and "schedule" in roles:
        points += [{**base, schedule.name: choice} for choice in schedule.choices]
    return {name for point in points for name in active(axes, point)}


def _extension(trials: Trials, here: _Place, rates: tuple[float, float] | None) -> int:
    """How often the stage's range is extended by now: once more, if the best is at its edge.

    Not before the stage's third trial: the better one of two points lies near an edge easily, even
    where the best value doesn't.
    """
    if here.done < 3 or here.extended >= MOST_EXTENSIONS:
        return here.extended
    base = complete(trials.axes, here.base)
    for axis in _axes_of(trials, here.number, base):
        if not axis.steps or axis.role is None or axis.name not in here.best:
            continue
        low, high = reach(axis, base[axis.name], here.extended, rates)
        place, width = axis.place(here.best[axis.name]), high - low
        below = place < low + EDGE * width and low > 0
        above = place > high - EDGE * width and high < 1
        if width > 0 and (below or above) and here.best[axis.name] != base[axis.name]:
            return here.extended + 1
    return here.extended


def _rate_again(trials: Trials, place: _Place) -> Proposal | None:
    """A higher or a lower learning rate, where what it depends on has changed."""
    axis = with_role(trials.axes, "learning_rate")
    if axis is None or not axis.steps or place.done or place.rates >= 2 or place.number == 1:
        return None
    best = complete(trials.axes, place.best)
    changed = [
        a.name
        for a in trials.axes
        if (a.role in REOPENING or a.name in REOPENING)
        and best[a.name] != place.base.get(a.name, a.default)
    ]
    if not changed:
        return None
    for factor in (NARROW, 1 / NARROW):
        rate = _times(axis, best[axis.name], factor)
        values = active(trials.axes, {**best, axis.name: rate})
        if not trials.known(values):
            reason = f"{' and '.join(changed)} changed, so the learning rate again: {plain(rate)}"
            return Proposal(values, reason, "rate", base=dict(place.base))
    return None


def _times(axis: Axis, rate: Any, factor: float) -> Any:
    """A rate so many times higher, as far as the range goes; the choice on that side nearest to it.

    >>> rates = Axis("rate", 0.01, choices=(1e-4, 1e-3, 1e-2, 1e-1), role="learning_rate")
    >>> _times(rates, 0.01, 2), _times(rates, 0.01, 1 / 2), _times(rates, 0.1, 2)
    (0.1, 0.001, 0.1)
    """
    if not axis.choices:
        return axis.near(float(rate) * factor)
    after = axis.moved(rate, log(factor, STEPS["learning_rate"].times))
    return rate if after is None else after
