"""How exactly a cost can be computed, measured and not taken from its dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DOUBLE_ROUND_OFF = 2.0**-53
SINGLE_FROM = 3e-11
"""Relative noise: double precision shows about 1e-16, single 1e-9 even averaged over a batch."""

SPACINGS = (1e-6, 1e-5, 1e-4, 1e-3)
"""Small enough for kinks, and no powers of two, which single precision would follow exactly."""

SPREAD = 5.0
"""A step along n weights at once is ``SPREAD / sqrt(n)`` of the step along one.

A kernel moved as a whole by the best step of a single weight crosses hundreds of kinks of ReLU
and max pooling; this keeps the length of the move in check.
"""

POINTS = 7
GROUPS = 3
FOURTH_DIFFERENCE = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
AMPLIFIED = math.sqrt(70.0)
"""By how much the fourth difference of independent noise exceeds it: sqrt(8! / 4!^2)."""


@dataclass(frozen=True)
class Precision:
    """How exactly the cost can be computed, and what follows for a comparison of slopes.

    Args:
        name: "double" or "single".
        noise: of the cost, absolute.
        step: for a central difference along a single weight of the order of 1.
        ok: the relative error up to which two slopes agree.
        wrong: the relative error from which on a gradient is wrong; "suspect" lies between.
    """

    name: str
    noise: float
    step: float
    ok: float
    wrong: float


def shortened(size: int) -> float:
    """The share of the step along one weight that is fit for ``size`` weights at once."""
    return min(1.0, SPREAD / math.sqrt(size))


def precision_of(
    cost: Callable[[np.ndarray], float], theta: np.ndarray, where: slice, seed: int
) -> Precision:
    """Measure the noise of the cost along random directions of the weights ``where``.

    A single-precision operation inside a model of double-precision variables shows here, although
    every dtype says float64. The step balances noise / step against step^2: the cube root of the
    relative noise (Press et al., Numerical Recipes, section 5.7).

    >>> def cost(theta, kind=float):
    ...     return float(kind(theta @ theta))
    >>> precision_of(cost, np.ones(3), slice(0, 3), seed=0).name
    'double'
    >>> precision_of(lambda theta: cost(theta, np.float32), np.ones(3), slice(0, 3), seed=0).name
    'single'
    """
    return from_noise(_noise(cost, theta, where, seed), cost(theta))


def from_noise(noise: float, value: float) -> Precision:
    """The precision of a cost of this value and noise, both absolute.

    >>> from_noise(1e-8, 1.0).name, round(from_noise(1e-9, 1.0).step, 6)
    ('single', 0.001)
    """
    value = abs(value)
    noise = max(noise, DOUBLE_ROUND_OFF * value)
    relative = noise / value if value > 0 else DOUBLE_ROUND_OFF
    step = min(max(relative ** (1 / 3), DOUBLE_ROUND_OFF ** (1 / 3)), 1e-2)
    if relative > SINGLE_FROM:
        return Precision("single", noise, step, ok=1e-3, wrong=1e-2)
    return Precision("double", noise, step, ok=1e-6, wrong=1e-4)


def _noise(
    cost: Callable[[np.ndarray], float], theta: np.ndarray, where: slice, seed: int
) -> float:
    """The median, over a few directions, of what fourth differences leave of a smooth cost.

    The median, because one direction may cross a kink. Directions that happen to show nothing say
    nothing. Where the cost takes the same value twice the points are too close for its resolution.
    Source: More and Wild, Estimating computational noise (2011), section 3.
    """
    size = where.stop - where.start
    noise = 0.0
    for spacing in SPACINGS:
        rng = np.random.default_rng(seed)
        lines = [
            _along(cost, theta, where, spacing * shortened(size) * rng.standard_normal(size))
            for _ in range(GROUPS)
        ]
        rest = [np.convolve(line, FOURTH_DIFFERENCE, mode="valid") / AMPLIFIED for line in lines]
        seen = sorted(float(np.sqrt(np.mean(np.square(left)))) for left in rest if left.any())
        noise = seen[(len(seen) - 1) // 2] if seen else 0.0
        if all(len(np.unique(line)) == POINTS for line in lines):
            break
    return noise


def _along(
    cost: Callable[[np.ndarray], float], theta: np.ndarray, where: slice, change: np.ndarray
) -> np.ndarray:
    """The cost at evenly spaced points of a line from theta, which itself may be a corner."""
    values = []
    for place in range(POINTS):
        moved = theta.copy()
        moved[where] += (place + POINTS) * change
        values.append(cost(moved))
    return np.array(values)
