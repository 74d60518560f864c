"""A response surface with a known optimum, and bias, variance and unsteadiness planted in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import exp, inf, log2, log10
from typing import Any

import numpy as np

from keras_ext.tuning.axes import Axis
from keras_ext.tuning.proposal import Proposal, Tried

AXES = (
    Axis("learning_rate", 1e-3, low=1e-5, high=0.1, scale="log", role="learning_rate"),
    Axis("momentum", 0.9, low=0.5, high=0.99, scale="complement", role="momentum"),
    Axis("batch_size", 64, choices=(16, 32, 64, 128, 256), role="batch_size"),
    Axis("units", 64, choices=(16, 32, 64, 128, 256), role="units"),
    Axis("layers", 2, low=1, high=3, whole=True, role="layers"),
    Axis("decay_rate", 0.0, low=0, high=1, role="decay_rate"),
    Axis("l2", 1e-6, low=1e-6, high=1e-2, scale="log", role="l2"),
    Axis("dropout", 0.0, low=0, high=0.7, role="dropout"),
    Axis("magnitude", 0.0, low=0, high=1, role="magnitude"),
)
SCHEDULE = Axis(
    "schedule",
    "constant",
    choices=("constant", "time_based", "cosine"),
    ordered=False,
    role="schedule",
)
DECAY = replace(AXES[5], default=0.1, parents=(("schedule", ("time_based",)),))
SCHEDULED = (*AXES[:5], SCHEDULE, DECAY, *AXES[6:])
"""The same with a schedule, of which the rate of decay is a part."""
BEST_RATE = 2e-3
Rule = Callable[..., Proposal | None]


def gaps(values: Mapping[str, Any]) -> tuple[float, float]:
    """Avoidable bias and variance. Both are lowest at a rate of 0.002 and 256 units.

    Bias grows with dropout and augmentation, variance falls with them, each in its own measure: the
    sum is lowest with much augmentation and some dropout.
    """
    rate = log10(values["learning_rate"] / BEST_RATE)
    narrow = 2.0 ** -log2(values["units"] / 16)
    strong, dropped = values["magnitude"], values["dropout"]
    bias = 0.01 + 0.02 * rate**2 + 0.04 * narrow + 0.06 * dropped**2 + 0.03 * strong**2
    variance = 0.01 + 0.06 * (1 - strong) ** 2 + 0.03 * (1 - dropped) ** 2
    return bias, variance


def play(
    rule: Rule,
    *,
    budget: int,
    seed: int = 0,
    noise: float = 0.03,
    axes: tuple[Axis, ...] = AXES,
    fails: Callable[[Mapping[str, Any]], bool] = lambda values: values["learning_rate"] > 0.05,
    metrics: bool = True,
    before: tuple[Tried, ...] = (),
    **options: Any,
) -> list[Tried]:
    """A whole search; the noise of a trial depends on its number and the seed alone."""
    tried = list(before)
    while True:
        made = rule(axes, tried, budget=budget, seed=seed, **options)
        if made is None:
            return tried
        if fails(made.values):
            tried.append(Tried(made.values, inf, {}, made))
            continue
        luck = exp(np.random.default_rng([seed, len(tried)]).normal(0, noise))
        bias, variance = (luck * gap for gap in gaps(made.values))
        found = {"avoidable_bias": bias, "variance": variance} if metrics else {}
        tried.append(Tried(made.values, bias + variance, found, made))


def best(tried: list[Tried]) -> float:
    """The lowest error without its noise."""
    ended = [item for item in tried if item.error is not None and item.error < inf]
    chosen = min(ended, key=lambda item: item.error or 0.0)
    return sum(gaps(chosen.values))
