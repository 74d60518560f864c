"""How far a search goes on wandering: walkers on a noisy bowl, and the weights of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np

from keras_ext.callbacks import TimeBasedDecay, time_based_rate
from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels
from recipes.article.effort import Effort
from recipes.article.race import TUNING_SEED

CURVATURES, NOISE, ALPHA = np.array([1.0, 10.0]), 1.0, 0.1
EPOCHS, STEPS, LAST = 40, 50, 5


def walkers(effort: Effort, decay: float) -> np.ndarray:
    """RMS distance to the minimum of 500 walkers after each epoch."""
    rng = np.random.default_rng(effort.seed)
    w, far = np.full((500, 2), 3.0), []
    for epoch in range(EPOCHS):
        rate = time_based_rate(epoch, ALPHA, decay)
        for _ in range(STEPS):
            w = w - rate * (CURVATURES * w + NOISE * rng.normal(size=w.shape))
        far.append(float(np.sqrt((w**2).sum(axis=1).mean())))
    return np.array(far)


def theory() -> float:
    """The RMS distance to the minimum at the constant rate ``ALPHA``, in the long run."""
    variances = ALPHA * NOISE**2 / (CURVATURES * (2 - ALPHA * CURVATURES))
    return float(np.sqrt(variances.sum()))


def callback_rates() -> list[float]:
    """What TimeBasedDecay does to an optimizer whose rate is 0.2, with a decay rate of 1."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.2), "mse")
    x = np.ones((4, 1))
    made = model.fit(x, x, epochs=4, verbose=0, callbacks=[TimeBasedDecay(1.0)])
    return list(made.history["learning_rate"])


def settle(
    config: TrainConfig, train: Arrays, unseen: Arrays, make: CompiledModels
) -> tuple[np.ndarray, float]:
    """The validation error after each epoch, and how far the weights still move in the last ones.

    Returns:
        Errors of shape (epochs,), and the RMS distance of the weights after each of the last five
        epochs to their mean, relative to their norm.
    """
    weights: list[np.ndarray] = []

    def keep(model: keras.Model) -> None:
        values = [np.ravel(v.numpy()) for v in model.trainable_variables]
        weights.append(np.concatenate(values).astype("float64"))

    found = course(config, train, validation=unseen, make=make, after_epoch=keep)
    last = np.array(weights[-LAST:])
    away = np.linalg.norm(last - last.mean(axis=0), axis=1)
    return found.errors, float(np.sqrt((away**2).mean()) / np.linalg.norm(last[-1]))


Arm = tuple[str, float]
"""A kind of schedule, and its first rate."""


def settled(
    kinds: Mapping[str, TrainConfig],
    rates: Sequence[float],
    train: Arrays,
    unseen: Arrays,
    seeds: Sequence[int],
) -> tuple[dict[str, float], dict[Arm, list[tuple[np.ndarray, float]]]]:
    """Each kind with its best first rate, chosen on another seed, and with that of the first kind.

    Returns:
        The best rate by kind, and of each arm what ``settle`` gave for each seed.
    """
    make = CompiledModels()

    def run(kind: str, rate: float, seed: int) -> tuple[np.ndarray, float]:
        return settle(replace(kinds[kind], learning_rate=rate, seed=seed), train, unseen, make)

    best = {}
    for kind in kinds:
        ends = {rate: run(kind, rate, seeds[0] + TUNING_SEED)[0][-1] for rate in rates}
        best[kind] = min(rates, key=lambda rate: ends[rate])
    first = best[next(iter(kinds))]
    arms = dict.fromkeys((kind, rate) for kind in kinds for rate in (first, best[kind]))
    return best, {arm: [run(*arm, seed) for seed in seeds] for arm in arms}
