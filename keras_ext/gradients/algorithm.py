"""Which variable's gradient is wrong, and at which element.

Pure: works on ``cost(theta)`` and ``gradient(theta)`` over a flat vector of all weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.gradients.finding import Finding, not_finite
from keras_ext.gradients.precision import precision_of
from keras_ext.gradients.slope import Point
from keras_ext.gradients.variable import by_element, by_projection

METHODS = ("projection", "exhaustive")

DETERMINISTIC = 1e-5
"""Two evaluations may differ by round-off of single precision, relative to the cost; by no more."""

NUDGE = 1e-3
"""How far to move from a corner. Zero biases under zero inputs stand on one exactly."""

CORNERS = 3
"""Elements on a corner after which a variable is judged nearby at once: one may be a chance."""


def check(
    cost: Callable[[np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray],
    theta: np.ndarray,
    segments: Sequence[slice],
    *,
    method: str = "projection",
    directions: int = 3,
    max_elements: int | None = None,
    seed: int = 0,
) -> tuple[Finding, ...]:
    """One finding a segment, each judged by itself: one norm over all hides a wrong bias.

    A variable that kinks hide at theta is judged at weights nearby, if they don't hide it there.
    Where theta stands on a corner that is done at once; all is measured at theta only if nearby
    nothing can be told.

    >>> theta = np.array([1.0, -2.0, 3.0])
    >>> wrong = lambda theta: 2 * theta * [1, 1, 2]
    >>> found = check(lambda theta: theta @ theta, wrong, theta, [slice(0, 2), slice(2, 3)])
    >>> [finding.status for finding in found], found[1].index, f"{found[1].numeric:.6f}"
    (['ok', 'wrong'], 0, '6.000000')

    Args:
        cost: a scalar of theta, a float64 array of shape (weights,).
        gradient: an array of theta's shape.
        theta: where to check.
        segments: the slice of theta that each variable takes.
        method: "projection" measures random directions of +1 and -1 and halves one that fails down
            to the worst element; "exhaustive" measures every element.
        directions: how many for each variable.
        max_elements: how many elements of each variable "exhaustive" draws; None is all.
        seed: of directions and draws.

    Raises:
        ConfigError: when two evaluations of the cost differ by more than round-off.
    """
    point = _point(cost, gradient, theta)
    _check_deterministic(point.value, cost(theta))
    if not math.isfinite(point.value):
        return (not_finite(),) * len(segments)
    overall = precision_of(cost, theta, slice(0, len(theta)), seed)

    def judge(number: int, at: Point, *, hasty: bool = False) -> Finding:
        where, own = segments[number], (seed, number)
        precision = overall if overall.name == "double" else precision_of(cost, theta, where, seed)
        bad = np.flatnonzero(~np.isfinite(at.gradient[where]))
        if len(bad):
            return not_finite(int(bad[0]), float(at.gradient[where][bad[0]]), precision)
        size = where.stop - where.start
        if method == "projection" and size > directions:
            patience = 1 if hasty else math.inf
            return by_projection(at, where, precision, directions, own, patience=patience)
        most = max_elements if method == "exhaustive" and max_elements is not None else size
        drawn = np.random.default_rng(own).choice(size, min(size, most), replace=False)
        patience = CORNERS if hasty else math.inf
        return by_element(at, where, precision, np.sort(drawn), patience=patience)

    found = [judge(number, point, hasty=True) for number in range(len(segments))]
    hidden = [number for number, finding in enumerate(found) if finding.status == "kink"]
    if hidden:
        change = NUDGE * np.random.default_rng(seed).standard_normal(len(theta))
        nearby = _point(cost, gradient, theta + change)
        for number in hidden:
            second = judge(number, nearby)
            decided = second.status in ("ok", "suspect", "wrong")
            found[number] = second if decided else judge(number, point)
    return tuple(found)


def _point(
    cost: Callable[[np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray],
    theta: np.ndarray,
) -> Point:
    return Point(cost, theta, np.asarray(gradient(theta), dtype="float64"), cost(theta))


def _check_deterministic(first: float, second: float) -> None:
    if abs(first - second) > DETERMINISTIC * abs(first):
        raise ConfigError(
            f"the cost must be deterministic, got {first!r} and then {second!r} at the same "
            "weights: draw random numbers from a keras.random.SeedGenerator that the layer owns"
        )
