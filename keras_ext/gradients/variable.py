"""One variable's gradient: along random directions, or element by element."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from keras_ext.gradients.ahead import ahead
from keras_ext.gradients.finding import Finding, directions_off, element_off, nothing_off
from keras_ext.gradients.precision import Precision, from_noise
from keras_ext.gradients.slope import (
    AGREES,
    DIFFERS,
    KINK,
    NOT_FINITE,
    Point,
    Slope,
    hidden_noise,
    measure,
)

ONE = np.ones(1)


def by_projection(
    point: Point,
    where: slice,
    precision: Precision,
    directions: int,
    seed: tuple[int, int],
    *,
    patience: float = math.inf,
) -> Finding:
    """Random directions of +1 and -1; one that fails is halved down to the element that is off.

    Args:
        point: where on the cost.
        where: the weights of the variable.
        precision: of the cost; a lower one is used where that explains a difference.
        directions: how many.
        seed: of the directions.
        patience: along so many directions theta may stand on a corner; then it is given up as a
            "kink", unless one has told something before.
    """
    rng = np.random.default_rng(seed)
    every = [rng.choice((-1.0, 1.0), where.stop - where.start) for _ in range(directions)]
    slopes, given_up = _measured(point, [(where, signs) for signs in every], precision, patience)
    if given_up:
        return nothing_off(_doubted(slopes[-1:]), slopes[-1], None, precision)
    number = _worst(slopes)
    worst = slopes[number]
    if worst.verdict != DIFFERS:
        return nothing_off(slopes, worst, None, precision)
    noisier = _noisier(point, where, every[number], worst, precision)
    if noisier is None:
        offset, slope = _halve(point, where, every[number], precision)
        noisier = _noisier(point, _element(where, offset), ONE, slope, precision)
    if noisier is not None:
        return by_projection(point, where, noisier, directions, seed)
    if slope.verdict == DIFFERS:
        return element_off(slope, offset, precision, slopes)
    if slope.verdict == KINK:
        # Corners of opposite sense cancel along a direction and look smooth; one alone doesn't.
        return nothing_off(_doubted(slopes), worst, None, precision)
    return directions_off(slopes, worst, precision)


def by_element(
    point: Point,
    where: slice,
    precision: Precision,
    indices: np.ndarray,
    *,
    patience: float = math.inf,
) -> Finding:
    """Every given element by itself.

    Args:
        point, where, precision, patience: as for ``by_projection``.
        indices: of the elements in the flat variable.
    """
    point = ahead(point, where, [int(index) for index in indices], precision)
    places = [_element(where, int(index)) for index in indices]
    slopes, given_up = _measured(point, [(place, ONE) for place in places], precision, patience)
    if given_up:
        last = int(indices[len(slopes) - 1])
        return nothing_off(_doubted(slopes[-1:]), slopes[-1], last, precision)
    number = _worst(slopes, relative=True)
    worst, index = slopes[number], int(indices[number])
    noisier = _noisier(point, places[number], ONE, worst, precision)
    if noisier is not None:
        return by_element(point, where, noisier, indices)
    if worst.verdict == DIFFERS:
        return element_off(worst, index, precision, slopes)
    return nothing_off(slopes, worst, index, precision)


def _measured(
    point: Point, lines: list[tuple[slice, np.ndarray]], precision: Precision, patience: float
) -> tuple[tuple[Slope, ...], bool]:
    """The slope along each line, and whether they were given up after the last of these.

    That is when so many as ``patience`` show that theta stands on a corner before one tells
    something.
    """
    slopes: list[Slope] = []
    for where, signs in lines:
        slope = measure(point, where, signs, precision)
        slopes.append(slope)
        if slope.verdict in (AGREES, DIFFERS) and not slope.corner:
            patience = math.inf
        patience -= slope.corner
        if patience <= 0:
            return tuple(slopes), True
    return tuple(slopes), False


def _doubted(slopes: tuple[Slope, ...]) -> tuple[Slope, ...]:
    """With what differs put down to kinks."""
    return tuple(replace(one, verdict=KINK) if one.verdict == DIFFERS else one for one in slopes)


def _element(where: slice, offset: int) -> slice:
    return slice(where.start + offset, where.start + offset + 1)


def _worst(slopes: tuple[Slope, ...], *, relative: bool = False) -> int:
    """The number of the worst slope: one that differs first, then by the difference."""
    order = {NOT_FINITE: 3, DIFFERS: 2, AGREES: 1}

    def badness(number: int) -> tuple[int, float]:
        slope = slopes[number]
        size = slope.relative_error if relative else slope.difference
        return order.get(slope.verdict, 0), size

    return max(range(len(slopes)), key=badness)


def _noisier(
    point: Point, where: slice, signs: np.ndarray, slope: Slope, precision: Precision
) -> Precision | None:
    """A lower precision that explains the difference, if there is one."""
    if slope.verdict != DIFFERS:
        return None
    noise = hidden_noise(point, where, signs, slope, precision)
    return from_noise(noise, point.value) if noise > 2 * precision.noise else None


def _halve(
    point: Point, where: slice, signs: np.ndarray, precision: Precision
) -> tuple[int, Slope]:
    """Follow the half with the larger difference to one element, or until both halves agree."""
    low, high = 0, len(signs)
    while True:
        middle = (low + high) // 2
        halves = [(low, middle), (middle, high)]
        slopes = [
            measure(point, slice(where.start + a, where.start + b), signs[a:b], precision)
            for a, b in halves
        ]
        chosen = max((0, 1), key=lambda half: _doubt(slopes[half]))
        low, high = halves[chosen]
        slope = slopes[chosen]
        if high - low == 1:
            sign = float(signs[low])
            return low, replace(slope, analytic=sign * slope.analytic, numeric=sign * slope.numeric)
        if slope.verdict not in (DIFFERS, KINK):
            return low, slope


def _doubt(slope: Slope) -> tuple[int, float]:
    """For choosing the half that may hold the error: a kink may hide it at this step."""
    return {DIFFERS: 2, KINK: 1}.get(slope.verdict, 0), slope.difference
