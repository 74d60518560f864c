"""A number measured with several seeds: its mean, and how far that may be from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from typing import Any

import numpy as np

from keras_ext.diagnosis.intervals import t_quantile
from keras_ext.errors import ConfigError


@dataclass(frozen=True)
class OverSeeds:
    """A mean over seeds with its interval.

    Args:
        value: the mean.
        low, high: limits of the interval.
        seeds: how many values there were.
    """

    value: float
    low: float
    high: float
    seeds: int

    def above(self, limit: float = 0.0) -> bool:
        """Whether the whole interval is above a limit."""
        return self.low > limit

    def below(self, limit: float = 0.0) -> bool:
        """Whether the whole interval is below a limit."""
        return self.high < limit


def over_seeds(values: Any, confidence: float = 0.95, *, geometric: bool = False) -> OverSeeds:
    """Mean and Student's t interval of one number a seed.

    For a difference give the differences, seed by seed: what the seed does to both is gone then.

    Args:
        values: finite numbers of shape (seeds,), two at least.
        confidence: of the interval.
        geometric: mean and interval of the logarithms, turned back: for ratios, of which a half
            and a double are equally far from 1.

    Raises:
        ConfigError: for fewer than two values, or one that is not finite (or, for a geometric
            mean, not above 0).

    Source: Student (1908), Biometrika 6, 1-25.

    >>> found = over_seeds([0.1, 0.2, 0.3])
    >>> [round(number, 3) for number in (found.value, found.low, found.high)]
    [0.2, -0.048, 0.448]
    >>> round(over_seeds([0.5, 2.0], geometric=True).value, 6)
    1.0
    """
    each = np.asarray(values, dtype="float64")
    if geometric:
        if not (each > 0).all():
            raise ConfigError(f"values must be above 0 for a geometric mean, got values={values!r}")
        found = over_seeds(np.log(each), confidence)
        return OverSeeds(exp(found.value), exp(found.low), exp(found.high), found.seeds)
    if each.ndim != 1 or each.size < 2 or not np.isfinite(each).all():
        raise ConfigError(
            f"values must be finite numbers of at least 2 seeds, got values={values!r}"
        )
    half = t_quantile(confidence, each.size - 1) * float(each.std(ddof=1)) / sqrt(each.size)
    mean = float(each.mean())
    return OverSeeds(mean, mean - half, mean + half, int(each.size))
