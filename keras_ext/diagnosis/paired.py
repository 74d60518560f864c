"""The difference between two errors measured on the same examples."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from keras_ext.diagnosis.intervals import normal, z_score
from keras_ext.errors import ConfigError


def paired_interval(first: Any, second: Any, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of ``mean(first) - mean(second)``, two errors of each of the same examples.

    Most examples are right under both models, or wrong under both, and say nothing about the
    difference: the interval is narrower than that of independent samples. Where all values are 0 or
    1, as in McNemar's test only the examples that changed count: the adjusted Wald interval of
    Bonett and Price (2012), J. Educ. Behav. Stat. 37, 479-488, which Fagerland, Lydersen and Laake
    (2014), Stat. Med. 33, 2850-2875, recommend. Otherwise normal, from the spread of the paired
    differences.

    Args:
        first, second: numbers of shape (examples,), row by row of the same examples.
        confidence: of the interval.

    Raises:
        ConfigError: for shapes that differ, fewer than two examples or a confidence outside 0 to 1.

    >>> now, best = [1] * 30 + [0] * 970, [1] * 10 + [0] * 990
    >>> [round(limit, 4) for limit in paired_interval(now, best)]
    [0.0109, 0.0291]
    """
    one, two = np.asarray(first, dtype="float64"), np.asarray(second, dtype="float64")
    if one.ndim != 1 or one.shape != two.shape or one.size < 2:
        raise ConfigError(
            "first and second must both have shape (examples,) with at least 2 examples, got"
            f" shapes {one.shape} and {two.shape}"
        )
    if np.isin(one, (0, 1)).all() and np.isin(two, (0, 1)).all():
        return _proportions(one, two, z_score(confidence))
    each = one - two
    return normal(float(each.mean()), float(each.std(ddof=1)) / sqrt(each.size), confidence)


def _proportions(first: np.ndarray, second: np.ndarray, z: float) -> tuple[float, float]:
    """Bonett and Price: a pair is added to each of the two kinds of changed examples."""
    count = first.size + 2
    more = (int(np.count_nonzero(first > second)) + 1) / count
    fewer = (int(np.count_nonzero(first < second)) + 1) / count
    half = z * sqrt((more + fewer - (more - fewer) ** 2) / count)
    return more - fewer - half, more - fewer + half
