"""The costs that single elements will be judged by, computed in chunks before they are asked for.

Pure: a cost that can do many points at once has a method ``many``; any other is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from keras_ext.gradients.precision import Precision
from keras_ext.gradients.slope import Point, first_step

WORTHWHILE = 64
"""With fewer elements, the compilation for many points at once costs more than it saves."""

MOST_POINTS = 64
MOST_NUMBERS = 4_000_000
"""In the rows of a chunk: 32 MB in double precision."""


def ahead(point: Point, where: slice, offsets: Sequence[int], precision: Precision) -> Point:
    """The point, with the costs at the ends of the first step along each of the elements.

    >>> class Cost:
    ...     def __call__(self, theta):
    ...         return float(theta @ theta)
    ...     def many(self, theta, where, rows):
    ...         return np.sum(rows**2, axis=1)
    >>> point = Point(Cost(), np.ones(100), 2 * np.ones(100), 100.0)
    >>> precision = Precision("double", noise=1e-14, step=6e-6, ok=1e-6, wrong=1e-4)
    >>> len(ahead(point, slice(0, 100), range(100), precision).known)
    200

    Args:
        point: where on the cost.
        where: the weights of the variable.
        offsets: of the elements in it.
        precision: of the cost, which says how far the first step goes.
    """
    many = getattr(point.cost, "many", None)
    if many is None or len(offsets) < WORTHWHILE:
        return point
    values = point.theta[where]
    moves = [
        (offset, sign * first_step(point, _element(where, offset), precision))
        for offset in offsets
        for sign in (1.0, -1.0)
    ]
    count = max(1, min(MOST_POINTS, MOST_NUMBERS // len(values)))
    known: dict[tuple[int, float], float] = {}
    for first in range(0, len(moves), count):
        chunk = moves[first : first + count]
        rows = np.repeat(values[None], count, axis=0)
        for row, (offset, move) in zip(rows, chunk, strict=False):
            row[offset] += move
        costs = many(point.theta, where, rows)
        if costs is None:
            return point
        for (offset, move), cost in zip(chunk, costs, strict=False):
            known[where.start + offset, move] = float(cost)
    return replace(point, known=known)


def _element(where: slice, offset: int) -> slice:
    return slice(where.start + offset, where.start + offset + 1)
