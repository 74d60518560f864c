"""How much an error changes with the seed, as far as the trials tell it."""

from __future__ import annotations

from math import isfinite, sqrt

from keras_ext.tuning.proposal import Trials

NOISE = 0.05
"""Of the error: how much it changes with the seed, where no point has been measured twice."""


def seed_noise(trials: Trials, noise: float | None) -> float:
    """The standard deviation of an error from one seed to the next.

    Args:
        trials: of which points measured more than once tell it.
        noise: as given; None to find out.
    """
    if noise is not None:
        return noise
    squares, freedom = 0.0, 0
    for items in trials.points.values():
        errors = [t.error for t in items if t.error is not None and isfinite(t.error)]
        if len(errors) > 1:
            mean = sum(errors) / len(errors)
            squares += sum((error - mean) ** 2 for error in errors)
            freedom += len(errors) - 1
    if freedom:
        return sqrt(squares / freedom)
    best = trials.best()
    return NOISE * (best.error if best and best.error else 0.0)
