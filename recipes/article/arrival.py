"""When a network gets to a validation error: in iterations, and in seconds of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.course import Course, course
from keras_ext.training.reuse import CompiledModels
from recipes.article.race import TUNING_SEED


@dataclass(frozen=True)
class Plan:
    """How a size is trained: iterations between two measurements, and rates to choose from."""

    check: int
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Arrival:
    """When the target was reached.

    Args:
        iterations: until then, or all that there were.
        seconds: of these iterations.
        found: the whole course.
    """

    iterations: int
    seconds: float
    found: Course


def arrive(
    config: TrainConfig,
    train: Arrays,
    unseen: Arrays,
    check: int,
    target: float,
    make: CompiledModels,
) -> Arrival:
    """Train, and see when the error on unseen images is below the target for the first time."""
    found = course(config, train, validation=unseen, make=make, steps_per_epoch=check, until=target)
    periods = len(found.errors)
    each = float(np.median(found.seconds[1:] if periods > 1 else found.seconds))
    return Arrival(periods * check, periods * each, found)


def share_of_rises(found: Course) -> float:
    """The part of the iterations whose cost is above that of the one before."""
    return float((np.diff(found.costs) > 0).mean())


def activations(found: Course) -> float:
    """Bytes of every layer's output for an example, which backpropagation keeps; float32."""
    shapes = [layer.output.shape[1:] for layer in found.model.layers]
    return 4.0 * sum(int(np.prod(shape)) for shape in shapes)


def best_arrivals(
    config: TrainConfig,
    plan: Plan,
    train: Arrays,
    unseen: Arrays,
    target: float,
    seeds: Sequence[int],
    make: CompiledModels,
) -> list[Arrival]:
    """The arrivals of all seeds with the best of the rates, which is chosen on another seed."""

    def run(rate: float, seed: int) -> Arrival:
        seeded = replace(config, learning_rate=rate, seed=seed)
        return arrive(seeded, train, unseen, plan.check, target, make)

    tuned = {rate: run(rate, seeds[0] + TUNING_SEED).iterations for rate in plan.rates}
    best = min(plan.rates, key=lambda rate: tuned[rate])
    return [run(best, seed) for seed in seeds]
