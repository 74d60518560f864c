"""The exponentially weighted average of a noisy course, and when it gets below a target."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan

import numpy as np


def moving_average(
    values: Sequence[float] | np.ndarray, over: float, *, bias_correction: bool = True
) -> list[float]:
    """The exponentially weighted average; what is not finite is passed over.

    Source: A. Ng, Improving Deep Neural Networks, week 2: v = beta v + (1 - beta) value, divided by
    1 - beta^t; it looks back over about 1 / (1 - beta) values.

    Args:
        values: of shape (iterations,).
        over: 1 / (1 - beta), at least 1.
        bias_correction: divide by 1 - beta^t; without it the average starts near 0.

    >>> moving_average([4.0, 1.0], over=2)
    [4.0, 2.0]
    >>> moving_average([4.0, 1.0], over=2, bias_correction=False)
    [2.0, 1.5]
    """
    beta = 1 - 1 / over
    average, weight, smooth = 0.0, 0.0, []
    for value in values:
        if isfinite(value):
            average = beta * average + (1 - beta) * value
            weight = beta * weight + (1 - beta)
        smooth.append(average / (weight if bias_correction else 1.0) if weight else nan)
    return smooth


def steps_to(costs: Sequence[float] | np.ndarray, target: float, over: float) -> int | None:
    """How many iterations it takes until the moving average of the costs is below a target.

    The first ``over`` averages don't count: they are of a few costs, and noisy.

    Args:
        costs: of shape (iterations,), the first one before any step.
        target: cost to get below.
        over: how many iterations the average looks back.

    Returns:
        The number of the iteration, from 1; None where the target isn't reached, or where a cost
        before it is not finite.

    >>> steps_to([2.0, 1.0, 0.5, 0.25, 0.125], target=0.5, over=2)
    5
    """
    smooth = moving_average(costs, over)
    for number, (cost, average) in enumerate(zip(costs, smooth, strict=True), start=1):
        if not isfinite(cost):
            return None
        if number > over and average < target:
            return number
    return None
