"""Which learning rates a range test speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from math import isfinite, sqrt

import numpy as np

from keras_ext.diagnosis.moving_average import moving_average
from keras_ext.errors import ConfigError

BETA = 0.9
"""Of the moving average over mini-batches: it looks back over about ten."""
DIVERGED = 4.0
"""As fastai's finder: the smoothed cost is this many times the lowest one before."""
CLEAR = 6.0
"""Standard deviations of the smoothed cost by which a fall is told from the lowest of its noise."""
LEAST = 10


@dataclass(frozen=True)
class LearningRates:
    """What a range test suggests; rates are None where the costs don't show them.

    Args:
        steepest: where the smoothed cost falls fastest over the logarithm of the rate.
        lowest: where it is lowest; at this rate the fall has come to its end.
        tenth_of_lowest: a tenth of that.
        divergence: the first rate at which the cost has grown to four times its lowest, or isn't
            finite.
        tenth_of_divergence: a tenth of that.
        range: lowest and highest rate worth a trial: from a tenth of the steepest to the lowest
            cost's.
    """

    steepest: float | None
    lowest: float | None
    tenth_of_lowest: float | None
    divergence: float | None
    tenth_of_divergence: float | None
    range: tuple[float, float] | None


def smooth(costs: Sequence[float], beta: float = BETA) -> list[float]:
    """The exponentially weighted average with bias correction, up to a cost that isn't finite.

    >>> [round(cost, 2) for cost in smooth([4.0, 1.0], beta=0.5)]
    [4.0, 2.0]
    """
    return moving_average(list(takewhile(isfinite, costs)), over=1 / (1 - beta))


def learning_rates(rates: Sequence[float], costs: Sequence[float]) -> LearningRates:
    """Read a test in which the rate grew from mini-batch to mini-batch.

    Sources: the test is that of L. Smith, "Cyclical learning rates for training neural networks"
    (2017, arXiv 1506.01186), section 3.3: useful rates lie between the one where the network begins
    to learn and the one where that comes to its end. The steepest descent, a tenth of the lowest
    cost's rate and the bound for divergence are those of fastai (Howard and Gugger 2020,
    Information 11, 108). A tenth of the divergence point is an order of magnitude of safety
    (Bengio 2012, arXiv 1206.5533, section 3.1.1, takes half of the largest rate that converges).

    Args:
        rates: rising, one for each mini-batch.
        costs: of each mini-batch before the step with its rate.

    Raises:
        ConfigError: for fewer than ten, lengths that differ, or rates that don't rise.

    >>> rates = [10 ** (place / 20 - 5) for place in range(100)]
    >>> costs = [2.3 / (1 + (rate / 1e-2) ** 2) + (rate / 0.3) ** 4 for rate in rates]
    >>> found = learning_rates(rates, costs)
    >>> round(found.steepest, 3), round(found.divergence, 2)
    (0.018, 0.45)
    """
    if len(rates) != len(costs) or len(rates) < LEAST:
        raise ConfigError(
            f"a range test needs as many costs as rates, {LEAST} at the least, got {len(costs)} "
            f"costs and {len(rates)} rates"
        )
    if not (rates[0] > 0 and all(a < b for a, b in pairwise(rates))):
        raise ConfigError("rates must be above 0 and rise from step to step")
    smoothed = smooth(costs)
    end = diverged_at(smoothed)
    over = end if end is not None else len(smoothed) if len(smoothed) < len(costs) else None
    divergence = None if over is None else float(rates[over])
    usable = np.array(smoothed[: over if over is not None else len(smoothed)])
    none = LearningRates(None, None, None, divergence, _tenth(divergence), None)
    if len(usable) < 3:
        return none
    lowest = int(usable.argmin())
    begin = began_to_fall(usable, noise_of(costs[: len(usable)]))
    if begin is None or lowest < 2:
        return none
    slopes = np.gradient(usable, np.log(rates[: len(usable)]))
    steepest = float(rates[begin + int(slopes[begin : lowest + 1].argmin())])
    bottom = float(rates[lowest])
    return LearningRates(
        steepest=steepest,
        lowest=bottom,
        tenth_of_lowest=_tenth(bottom),
        divergence=divergence,
        tenth_of_divergence=_tenth(divergence),
        range=(max(float(rates[0]), steepest / 10), bottom),
    )


def noise_of(costs: Sequence[float], beta: float = BETA) -> float:
    """Standard deviation of the smoothed cost, as far as mini-batches differ by chance.

    Of second differences, in which a trend cancels, so that what is left has six times the variance
    of a cost; the median makes it deaf to a few jumps. Smoothing divides the variance by
    (1 + beta) / (1 - beta).

    >>> draws = np.random.default_rng(0).normal(0, 0.3, 2000) - np.arange(2000)
    >>> round(noise_of(list(draws), beta=0.0), 1)
    0.3
    """
    if len(costs) < 3:
        return 0.0
    seconds = np.diff(np.asarray(costs, float), 2)
    deviation = float(np.median(np.abs(seconds))) / (0.6745 * sqrt(6))
    return deviation * sqrt((1 - beta) / (1 + beta))


def began_to_fall(smoothed: Sequence[float] | np.ndarray, noise: float) -> int | None:
    """The last step before the lowest cost at which the smoothed cost was where it began, or None.

    None where the lowest cost is within ``CLEAR`` standard deviations of where it began: it never
    fell. Where it began is the median of the first tenth, five steps at the least.

    >>> began_to_fall([2.0, 2.1, 1.9, 2.0, 2.0, 1.5, 1.0, 1.2], noise=0.05)
    4
    >>> began_to_fall([2.0, 2.1, 1.9, 2.0, 2.0, 1.9, 1.95], noise=0.05) is None
    True
    """
    values = np.asarray(smoothed, float)
    level = float(np.median(values[: max(5, len(values) // 10)]))
    lowest = int(values.argmin())
    if level - values[lowest] <= CLEAR * noise:
        return None
    there = np.flatnonzero(values[:lowest] >= level - 2 * noise)
    return int(there[-1]) if there.size else 0


def diverged_at(smoothed: Sequence[float]) -> int | None:
    """The first step whose smoothed cost is ``DIVERGED`` times the lowest one before it.

    >>> diverged_at([2.0, 1.0, 3.9, 4.1]), diverged_at([2.0, 1.0])
    (3, None)
    """
    lowest = float("inf")
    for step, cost in enumerate(smoothed):
        if cost > DIVERGED * lowest and lowest > 0:
            return step
        lowest = min(lowest, cost)
    return None


def _tenth(rate: float | None) -> float | None:
    return None if rate is None else rate / 10
