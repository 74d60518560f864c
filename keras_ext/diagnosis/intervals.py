"""Confidence intervals of an error and of the difference between two errors."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin, sqrt, tan
from statistics import NormalDist
from typing import TYPE_CHECKING

from keras_ext.errors import ConfigError

if TYPE_CHECKING:
    from keras_ext.diagnosis.error_estimate import ErrorEstimate


MOST_EXAMPLES = 10**9


def least(holds: Callable[[int], bool]) -> int | None:
    """The smallest whole number from 1 for which something holds, by doubling and halving.

    Args:
        holds: false up to some number, true from there on.

    Returns:
        None if it is above a thousand million.

    >>> least(lambda n: n * n > 50)
    8
    """
    enough = 1
    while not holds(enough):
        enough *= 2
        if enough > MOST_EXAMPLES:
            return None
    short = enough // 2
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if holds(middle) else (middle, enough)
    return enough


def z_score(confidence: float) -> float:
    """The two-sided quantile of the normal distribution.

    >>> round(z_score(0.95), 4)
    1.96

    Raises:
        ConfigError: unless confidence is strictly between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must be between 0 and 1, got confidence={confidence!r}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def t_quantile(confidence: float, freedom: int) -> float:
    """The two-sided quantile of Student's t distribution, by halving.

    Source: Abramowitz and Stegun (1964), equations 26.7.3 and 26.7.4, which are exact.

    >>> round(t_quantile(0.95, 1), 3), round(t_quantile(0.95, 4), 3)
    (12.706, 2.776)

    Raises:
        ConfigError: unless confidence is strictly between 0 and 1, and freedom at least 1.
    """
    z_score(confidence)
    if freedom < 1:
        raise ConfigError(f"freedom must be at least 1, got freedom={freedom!r}")
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return sqrt(freedom) * tan((low + high) / 2)


def _within(angle: float, freedom: int) -> float:
    """How often Student's t is within plus and minus sqrt(freedom) tan(angle)."""
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for k in range(freedom // 2):
        total += term
        term *= cos(angle) ** 2 * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


def normal(value: float, standard_error: float, confidence: float = 0.95) -> tuple[float, float]:
    """``value`` plus and minus its standard error times the normal quantile."""
    half = z_score(confidence) * standard_error
    return value - half, value + half


def wilson(proportion: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion seen in ``count`` examples.

    Unlike the normal interval it stays within 0 and 1, and has a width where no error was seen.
    Source: Wilson (1927), J. Am. Stat. Assoc. 22, 209-212; Newcombe (1998a), method 3.

    >>> low, high = wilson(0.0, 100)
    >>> low, round(high, 4)
    (0.0, 0.037)
    """
    z = z_score(confidence)
    shrink = 1 + z * z / count
    centre = (proportion + z * z / (2 * count)) / shrink
    spread = proportion * (1 - proportion) / count + z * z / (4 * count * count)
    half = z / shrink * sqrt(spread)
    return (
        max(0.0, centre - half) if proportion > 0 else 0.0,
        min(1.0, centre + half) if proportion < 1 else 1.0,
    )


def newcombe(
    first: float, first_count: int, second: float, second_count: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of ``first - second``, two proportions of independent samples.

    Source: Newcombe (1998b), Statistics in Medicine 17, 873-890, method 10 (hybrid score); the
    numbers below are row (a) of its table II.

    >>> [round(limit, 4) for limit in newcombe(56 / 70, 70, 48 / 80, 80)]
    [0.0524, 0.3339]
    """
    first_low, first_high = wilson(first, first_count, confidence)
    second_low, second_high = wilson(second, second_count, confidence)
    difference = first - second
    below = sqrt((first - first_low) ** 2 + (second_high - second) ** 2)
    above = sqrt((first_high - first) ** 2 + (second - second_low) ** 2)
    return difference - below, difference + above


def difference_interval(
    first: ErrorEstimate, second: ErrorEstimate, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of ``first.error - second.error``, measured on different examples.

    Newcombe's where both are proportions, otherwise normal with both standard errors.
    """
    if first.proportion and second.proportion:
        return newcombe(first.error, first.count, second.error, second.count, confidence)
    together = sqrt(first.standard_error**2 + second.standard_error**2)
    return normal(first.error - second.error, together, confidence)
