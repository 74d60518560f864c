"""A race on MNIST: how many iterations does each optimizer take to a target cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.diagnosis import OverSeeds, moving_average, over_seeds, steps_to
from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels
from recipes.article.effort import Effort

AVERAGED = 20
"""Mini-batch costs are averaged over so many iterations."""
TUNING_SEED = 1000
"""Learning rates are chosen on a seed of their own, so far above those of the race."""
OPTIMIZERS: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "SGD": ({"optimizer": "sgd", "momentum": 0.0}, (0.1, 0.3, 1.0)),
    "momentum": ({"optimizer": "sgd", "momentum": 0.9}, (0.01, 0.03, 0.1)),
    "RMSprop": ({"optimizer": "rmsprop", "momentum": 0.0}, (0.001, 0.003, 0.01)),
    "Adam": ({"optimizer": "adam", "momentum": 0.9}, (0.001, 0.003, 0.01)),
}
"""What each is in a configuration, and the learning rates to choose from."""
TARGETS = {"quick": 0.5, "normal": 0.2, "full": 0.1}
"""Training cost to get below."""


@dataclass(frozen=True)
class Racer:
    """How many iterations an optimizer took to the target, at the best of its learning rates.

    Args:
        rate: the best one.
        steps: one number a seed; one more than there were, where the target wasn't reached.
        costs: of shape (seeds, iterations).
    """

    rate: float
    steps: np.ndarray
    costs: np.ndarray

    def relative_to(self, other: Racer) -> OverSeeds:
        """How many times the steps of another one, seed by seed: a geometric mean."""
        return over_seeds(self.steps / other.steps, geometric=True)


def race(
    racing: Mapping[str, tuple[TrainConfig, Sequence[float]]],
    train: Arrays,
    seeds: Sequence[int],
    *,
    target: float,
    averaged: int = AVERAGED,
    steps_per_epoch: int | None = None,
) -> dict[str, Racer]:
    """Steps to a target cost: each optimizer with the learning rate that suits it best.

    Args:
        racing: by name the configuration, and the learning rates to choose from.
        train: the training examples.
        seeds: of the runs that count.
        target: the training cost to get below, averaged over so many iterations.
        steps_per_epoch: see ``training.course``.
    """
    make = CompiledModels()

    def run(config: TrainConfig) -> tuple[int, np.ndarray]:
        costs = course(config, train, make=make, steps_per_epoch=steps_per_epoch).costs
        return steps_to(costs, target, averaged) or len(costs) + 1, costs

    found = {}
    for name, (config, rates) in racing.items():
        tries = {
            rate: run(replace(config, learning_rate=rate, seed=seeds[0] + TUNING_SEED))[0]
            for rate in rates
        }
        best = min(tries, key=lambda rate: tries[rate])
        runs = [run(replace(config, learning_rate=best, seed=seed)) for seed in seeds]
        steps, costs = zip(*runs, strict=True)
        found[name] = Racer(best, np.array(steps, dtype="float64"), np.array(costs))
    return found


def entries(
    effort: Effort, *names: str, **settings: Any
) -> dict[str, tuple[TrainConfig, tuple[float, ...]]]:
    """Optimizers by name, on 784-64-64-10 with ReLU and without batch norm.

    Args:
        effort: decides for how many epochs.
        names: of ``OPTIMIZERS``.
        **settings: fields of the configuration that differ.
    """
    fields = {"batch_size": 128, "epochs": effort.pick(2, 5, 10), **settings}
    base = TrainConfig(
        model="mlp", units=64, layers=2, batch_norm=False, schedule="constant", **fields
    )
    return {
        name: (replace(base, **how), rates)
        for name, (how, rates) in OPTIMIZERS.items()
        if name in names
    }


def digits(effort: Effort, quick: int, normal: int, full: int) -> Arrays:
    """Images of MNIST to train on."""
    train = data.load("mnist").part("train")
    return data.sample(train, effort.pick(quick, normal, full), seed=effort.seed)


def chart(*races: Mapping[str, Racer], titles: Sequence[str] = ("",), full: bool = False) -> Chart:
    """The costs of all racers over the iterations, a panel a race.

    Args:
        races: one or several.
        titles: of the panels.
        full: the last race has full batches, whose costs need no averaging.
    """
    averaged = [AVERAGED] * (len(races) - 1) + [1 if full else AVERAGED]
    return Chart(
        title="MNIST: training cost by iteration",
        caption="Geometric means over seeds with 95 % intervals, each method at its best learning "
        f"rate (as Keras counts it); mini-batch costs are averaged over {AVERAGED} iterations.",
        panels=tuple(map(_panel, races, titles, averaged)),
    )


def _panel(racers: Mapping[str, Racer], title: str, averaged: int) -> Panel:
    lines = []
    for name, racer in racers.items():
        smooth = np.array([moving_average(costs, averaged) for costs in racer.costs])
        steps = np.arange(averaged, smooth.shape[1] + 1)
        if np.isfinite(smooth).all():
            label = f"{name}, rate {racer.rate:g}"
            lines.append(Line.over_seeds(label, steps, smooth[:, averaged - 1 :], geometric=True))
    return Panel(
        x_label="iteration", y_label="training cost", title=title, lines=tuple(lines), log_y=True
    )
