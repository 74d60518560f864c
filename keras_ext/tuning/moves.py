"""Turns of one knob: which there are, what each may gain, and how far to go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from keras_ext.tuning.axes import Axis, Values
from keras_ext.tuning.proposal import Trials
from keras_ext.tuning.reading import Reading

# How much a turn is expected to help at first, by problem, of what the best one does. Guesses, from
# what a first study saw: width helped under both diagnoses; narrower never did, nor raising the
# learning rate for bias once a line of rates had been tried; beta almost never. What a knob does in
# a search soon outweighs them.
BIAS = {
    ("units", 1): 1.0,
    ("epochs", 1): 0.9,
    ("dropout", -1): 0.8,
    ("magnitude", -1): 0.8,
    ("layers", 1): 0.6,
    ("batch_size", -1): 0.6,
    ("l2", -1): 0.5,
    ("decay_rate", -1): 0.3,
    ("schedule", -1): 0.3,
    ("learning_rate", -1): 0.2,
}
VARIANCE = {
    ("magnitude", 1): 1.0,
    ("dropout", 1): 0.9,
    ("units", 1): 0.7,
    ("l2", 1): 0.5,
    ("decay_rate", 1): 0.3,
    ("schedule", 1): 0.3,
    ("batch_size", -1): 0.3,
    ("learning_rate", -1): 0.2,
    ("layers", 1): 0.2,
}
UNSTABLE = {
    ("decay_rate", 1): 1.0,
    ("schedule", 1): 1.0,
    ("learning_rate", -1): 1.0,
    ("batch_size", 1): 0.6,
    ("momentum", -1): 0.3,
}
OTHER = 0.15
"""The same for a hyperparameter without a role."""
RARELY = 0.05
"""The same for a turn of a knob that no table names."""
NEVER = {("units", -1), ("epochs", -1)}
CONSTANT = ("constant", "none", "false")
"""Schedules without decay; from one of them to any other is a turn up."""
EXPECTED = 0.2
"""The share of the error that the best turn is expected to take away at first."""
FADES = 0.8
"""What an outcome counts less for each turn made since."""
GROWS, SHRINKS = 1.5, 0.5
SHORTEST, LONGEST = 0.5, 3.0


@dataclass(frozen=True)
class Move:
    """One knob, turned.

    Args:
        axis: whose knob.
        sign: 1 up, -1 down; 0 between choices of which neither is more.
        notches: how far, negative for down.
        before, after: the values.
        gain: the expected share of the error that it takes away.
        tried: how often the same turn has been made.
        helped: how often of these it lowered the error.
    """

    axis: Axis
    sign: int
    notches: float
    before: Any
    after: Any
    gain: float
    tried: int = 0
    helped: int = 0


def moves(trials: Trials, base: Values, found: Reading) -> list[Move]:
    """Every turn from ``base`` that gives an untried point, the most promising first."""
    made = []
    for axis in trials.axes:
        if axis.role == "seed" or axis.fixed or axis.name not in base:
            continue
        if axis.ordered:
            made += [_turn(trials, base, found, axis, sign) for sign in (1, -1)]
        else:
            others = (choice for choice in axis.choices if choice != base[axis.name])
            made += [_choice(trials, base, found, axis, choice) for choice in others]
    kept = [move for move in made if move is not None]
    return sorted(kept, key=lambda move: -move.gain)


def first_guess(axis: Axis, sign: int, found: Reading) -> float:
    """What a turn is worth before it was ever tried, from 0 to 1."""
    turn = (axis.role or "", sign)
    if turn in NEVER or turn == ("learning_rate", 1):
        return 0.0
    tables = (BIAS, VARIANCE, UNSTABLE)
    if not any(turn in table for table in tables):
        return RARELY if axis.role and sign else OTHER
    weights = (found.bias, found.variance, found.unstable)
    return sum(w * table.get(turn, 0.0) for w, table in zip(weights, tables, strict=True))


def _turn(trials: Trials, base: Values, found: Reading, axis: Axis, sign: int) -> Move | None:
    gain, size, tried, helped = _learned(trials, found, axis, sign)
    value = base[axis.name]
    for notches in (sign * size, sign * size * GROWS):
        after = axis.moved(value, notches)
        if after is not None and not trials.known({**base, axis.name: after}):
            return Move(axis, sign, notches, value, after, gain, tried, helped)
    return None


def _choice(trials: Trials, base: Values, found: Reading, axis: Axis, choice: Any) -> Move | None:
    if trials.known({**base, axis.name: choice}):
        return None
    before = base[axis.name]
    sign = decays(choice) - decays(before) if axis.role == "schedule" else 0
    gain, _, tried, helped = _learned(trials, found, axis, sign)
    return Move(axis, sign, float(sign), before, choice, gain, tried, helped)


def decays(schedule: Any) -> bool:
    """Whether the learning rate falls.

    >>> decays("cosine"), decays("constant")
    (True, False)
    """
    return str(schedule).lower() not in CONSTANT


def _learned(
    trials: Trials, found: Reading, axis: Axis, sign: int
) -> tuple[float, float, int, int]:
    """Of a turn: the gain, the size in notches, how often it was made and how often it helped."""
    size, tried, helped = 1.0, 0, 0
    gain, weight = EXPECTED * first_guess(axis, sign, found), 1.0
    for age, notches, share in outcomes(trials, axis.name) if sign else ():
        same = (notches > 0) == (sign > 0)
        counts = FADES**age
        gain += counts * (share if same else -0.5 * share)
        weight += counts
        if same:
            size = min(LONGEST, max(SHORTEST, size * (GROWS if share > 0 else SHRINKS)))
            tried, helped = tried + 1, helped + (share > 0)
    return gain / weight, size, tried, helped


def outcomes(trials: Trials, name: str) -> list[tuple[int, float, float]]:
    """Of each turn of a knob so far: how many turns ago, notches, and the share of error it took.

    The share is of the error of the point it started from, between -1 and 1.
    """
    turns = [t for t in trials.tried if t.proposal and t.proposal.step in ("line", "turn")]
    found = []
    for age, item in enumerate(reversed(turns)):
        made = item.proposal
        if made is None or made.knob != name or item.error is None or not made.notches:
            continue
        before, after = trials.error(made.base), trials.error(item.values)
        if before and after is not None and isfinite(after):
            found.append((age, made.notches, max(-1.0, min(1.0, (before - after) / before))))
    return found[::-1]


def words(move: Move, found: Reading) -> str:
    """Why this turn, for a person to read."""
    change = f"{move.axis.name} {plain(move.before)} -> {plain(move.after)}"
    why = found.words
    if move.tried:
        why = f"{why}; {move.helped} of {move.tried} such turns helped so far"
        if not move.axis.choices:
            why += f", so the step is {abs(move.notches):.3g} notches"
    return f"{why}: {change}"


def plain(value: Any) -> str:
    """A value as a person writes it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def in_words(values: Values, names: Sequence[str]) -> str:
    """Some of the values by name."""
    return ", ".join(f"{name} {plain(values[name])}" for name in names if name in values)
