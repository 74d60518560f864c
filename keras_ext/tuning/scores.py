"""What a strategy is told of a finished trial: a few numbers from its learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, sqrt
from statistics import stdev

from keras_ext.errors import ConfigError, DivergedError
from keras_ext.records import TrainConfig
from keras_ext.sweep_records import OBJECTIVES, Execution, objective_of

STEADY = 5
"""Epochs that ``unsteadiness`` looks at."""


def unsteadiness(costs: Sequence[float]) -> float:
    """How much a cost went up and down over the last five epochs; 0 where it only rose or fell.

    The way that it went beyond the distance it came, over its mean.

    >>> unsteadiness([3.0, 2.0, 1.0]), unsteadiness([1.0, 3.0, 2.0])
    (0.0, 1.0)
    """
    last = list(costs[-STEADY:])
    mean = sum(last) / len(last) if last else 0.0
    if not isfinite(mean) or mean <= 0:
        return 0.0
    way = sum(abs(after - before) for before, after in pairwise(last))
    return (way - abs(last[-1] - last[0])) / mean


def metrics_of(
    executions: Sequence[Execution], config: TrainConfig, objective: str
) -> dict[str, float]:
    """The numbers by name, each the mean over the executions.

    With more than one execution also "seed_noise": the standard deviation of such a mean of
    validation errors from some seeds to others.

    Raises:
        DivergedError: where one is not finite; such a trial is no candidate.
    """
    rows = [_metrics(item, config, objective) for item in executions]
    found = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    for name, value in found.items():
        if not isfinite(value):
            raise DivergedError(f"{name} is not finite: {value}")
    if len(rows) > 1:
        spread = stdev(row["validation_error"] for row in rows)
        found["seed_noise"] = spread / sqrt(len(rows))
    return found


def _metrics(item: Execution, config: TrainConfig, objective: str) -> dict[str, float]:
    last = item.history[-1]
    costs = [[row[name] for row in item.history] for name in ("train_cost", "validation_cost")]
    return {
        "validation_error": objective_of(item.history, objective),
        "train_error": item.train.error,
        "avoidable_bias": item.train.error - config.optimal_error,
        "variance": (item.train_validation or item.validation).error - item.train.error,
        "unsteadiness": max(unsteadiness(line) for line in costs),
        "train_cost": last["train_cost"],
        "validation_cost": last["validation_cost"],
    }


def check_objective(objective: str) -> str:
    """The objective, if there is such a one.

    Raises:
        ConfigError: otherwise.
    """
    if objective not in OBJECTIVES:
        raise ConfigError(
            f"objective must be one of {', '.join(OBJECTIVES)}, got objective={objective!r}"
        )
    return objective
