"""Which learning rates a range test speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import numpy as np

from keras_ext.errors import ConfigError

BETA = 0.9
"""Of the moving average over mini-batches: it looks back over about ten."""
DIVERGED = 4.0
"""As fastai's finder: the smoothed cost is this many times the lowest one before."""
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
    average, smoothed = 0.0, []
    for count, cost in enumerate(costs, start=1):
        if not isfinite(cost):
            break
        average = beta * average + (1 - beta) * cost
        smoothed.append(average / (1 - beta**count))
    return smoothed


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
    if lowest < 2:  # It never fell.
        return none
    slopes = np.gradient(usable, np.log(rates[: len(usable)]))
    steepest = float(rates[int(slopes[: lowest + 1].argmin())])
    bottom = float(rates[lowest])
    return LearningRates(
        steepest=steepest,
        lowest=bottom,
        tenth_of_lowest=_tenth(bottom),
        divergence=divergence,
        tenth_of_divergence=_tenth(divergence),
        range=(max(float(rates[0]), steepest / 10), bottom),
    )


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
