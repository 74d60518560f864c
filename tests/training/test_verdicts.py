"""Verdicts on networks of which it is known what is wrong with them, over five seeds each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_ext import data
from keras_ext.callbacks import measure
from keras_ext.diagnosis import Diagnosis, diagnose
from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.round import batch_size, compiled_model

SEEDS = range(5)
OPTIMAL = 0.002
TOLERANCE = 0.02

TINY = TrainConfig(model="mlp", units=3, layers=1, learning_rate=0.01, epochs=2)
LARGE = TrainConfig(model="mlp", units=512, layers=2, batch_size=50, epochs=10)
GOOD = TrainConfig(model="convnet", units=8, learning_rate=0.01, batch_size=64, epochs=4)


def noisy(x: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=120, size=x.shape)
    return (x + noise).clip(0, 255).astype("uint8")


SHIFTS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    noisy,
    lambda x: 255 - x,
    lambda x: x[:, ::-1, ::-1],
    lambda x: np.roll(x, 6, axis=2),
    lambda x: np.concatenate([x[:, :14], np.zeros_like(x[:, 14:])], axis=1),
)
"""One for each seed: noise, inverted contrast, upside down, shifted, the lower half covered."""


def trained(config: TrainConfig, train: Arrays, seed: int) -> keras.Model:
    config = replace(config, seed=seed)
    model, _ = compiled_model(config, train)
    size = batch_size(config, train)
    batches = data.training_batches(train, batch_size=size, seed=seed)
    model.fit(batches, epochs=config.epochs, verbose=0, shuffle=False)
    return model


def verdict(
    model: keras.Model,
    train: Arrays,
    validation: Arrays,
    train_validation: Arrays | None = None,
) -> Diagnosis:
    def estimate(arrays: Arrays):
        return measure(model, (arrays.x, arrays.y))[0]

    return diagnose(
        estimate(train.take(slice(0, 5000))),
        estimate(validation),
        train_validation=None if train_validation is None else estimate(train_validation),
        optimal_error=OPTIMAL,
        tolerance=TOLERANCE,
    )


@pytest.mark.slow
def test_nineteen_of_twenty_verdicts_are_right() -> None:
    """The good network is judged twice: on validation digits as they are, and on shifted ones."""
    digits = data.load("mnist")
    found = []
    for seed in SEEDS:
        splits = data.split(digits, seed=seed, validation=3_948)
        validation, other = splits.validation, splits.train.take(slice(-2000, None))
        pool = splits.train.take(slice(0, -2000))
        many, few = (data.sample(pool, count, seed=seed) for count in (15_000, 500))
        found.append((("bias",), verdict(trained(TINY, many, seed), many, validation)))
        found.append((("variance",), verdict(trained(LARGE, few, seed), few, validation)))
        good = trained(GOOD, many, seed)
        found.append((("none", "inconclusive"), verdict(good, many, validation)))
        shifted = replace(validation, x=SHIFTS[seed](validation.x))
        found.append((("mismatch",), verdict(good, many, shifted, other)))
    assert len(found) == 20
    wrong = [(right, diagnosis) for right, diagnosis in found if diagnosis.dominant not in right]
    for right, diagnosis in found:
        print(right, diagnosis.dominant, diagnosis.avoidable_bias, diagnosis.variance)
    assert len(wrong) <= 1, wrong
