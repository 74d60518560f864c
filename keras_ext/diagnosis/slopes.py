"""The slope of noisy points, which a few outliers don't move."""

from __future__ import annotations

from math import nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from keras_ext.diagnosis.intervals import z_score

_QUARTILE = NormalDist().inv_cdf(0.75)


def slope_interval(x: Any, y: Any, confidence: float = 0.95) -> tuple[float, float, float]:
    """The median of the slopes between all pairs of points, and its confidence interval.

    Args:
        x, y: numbers of shape (points,); pairs of points at the same x are left out.
        confidence: of the interval.

    Returns:
        Slope, lower and upper limit; three NaN where no two points differ in x. With four points or
        fewer the limits are the smallest and the largest slope.

    Source: Sen (1968), J. Am. Stat. Assoc. 63, 1379-1389, equations 2.7 (slope) and 3.5 (limits).

    >>> slope_interval([0, 1, 2, 3, 4], [0, 2, 4, 99, 8])[0]
    2.0
    """
    x, y = np.asarray(x, dtype="float64"), np.asarray(y, dtype="float64")
    first, second = np.triu_indices(len(x), k=1)
    run = x[second] - x[first]
    apart = run != 0
    slopes = np.sort((y[second] - y[first])[apart] / run[apart])
    if not slopes.size:
        return nan, nan, nan
    count = len(x)
    spread = z_score(confidence) * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    place = max(0, round((slopes.size - spread) / 2) - 1)
    return float(np.median(slopes)), float(slopes[place]), float(slopes[-1 - place])


def scatter(y: Any) -> float:
    """The standard deviation of the noise around a smooth course, from its second differences.

    A straight line has none of those, and a kink or an outlier moves their median little. The noise
    of three points adds up to six times the variance of one.

    Args:
        y: numbers of shape (points,), at about equal distances; fewer than three have no scatter.

    Source: the median absolute deviation, Hampel (1974), J. Am. Stat. Assoc. 69, 383-393, of
    differences that cancel a trend, as in Gasser, Sroka and Jennen-Steinmetz (1986), Biometrika 73.

    >>> scatter([1.0, 2.0, 3.0, 4.0])
    0.0
    """
    bends = np.abs(np.diff(np.asarray(y, dtype="float64"), n=2))
    return float(np.median(bends)) / (_QUARTILE * sqrt(6)) if bends.size else 0.0
