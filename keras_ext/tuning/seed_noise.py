"""How much an error changes with the seed, as far as the trials tell it."""

from __future__ import annotations

from math import isfinite, sqrt

from keras_ext.tuning.proposal import Trials

NOISE = 0.05
"""Of the error: how much it changes with the seed, where nothing tells it."""


def seed_noise(trials: Trials, noise: float | None) -> float:
    """The standard deviation of an error from one seed to the next.

    Of trials that tell it themselves, as those of several executions do, the better half counts:
    what hardly learns varies more. Otherwise points measured more than once tell it.

    Args:
        trials: with their errors and, where it is known, "seed_noise" among their metrics.
        noise: as given; None to find out.
    """
    if noise is not None:
        return noise
    ended = [t for t in trials.tried if t.error is not None and isfinite(t.error)]
    ended = sorted(ended, key=lambda item: item.error or 0.0)
    told = [t.metrics["seed_noise"] for t in ended if "seed_noise" in t.metrics]
    better = told[: (len(told) + 1) // 2]
    if better:
        return sqrt(sum(one**2 for one in better) / len(better))
    measured = _measured(trials)
    if measured is not None:
        return measured
    best = trials.best()
    return NOISE * (best.error if best and best.error else 0.0)


def _measured(trials: Trials) -> float | None:
    """From points measured more than once; None where there is none."""
    squares, freedom = 0.0, 0
    for items in trials.points.values():
        errors = [t.error for t in items if t.error is not None and isfinite(t.error)]
        if len(errors) > 1:
            mean = sum(errors) / len(errors)
            squares += sum((error - mean) ** 2 for error in errors)
            freedom += len(errors) - 1
    return sqrt(squares / freedom) if freedom else None
