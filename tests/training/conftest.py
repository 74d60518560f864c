"""Small real data: a few hundred MNIST images in three splits."""

from __future__ import annotations

import pytest

from keras_ext import data
from keras_ext.records import Splits, TrainConfig


@pytest.fixture(scope="session")
def digits() -> Splits:
    arrays = data.load("mnist")
    train = data.split(arrays, seed=0).train
    return Splits(
        train.take(slice(0, 1000)), train.take(slice(1000, 1500)), train.take(slice(1500, 2000))
    )


@pytest.fixture
def small() -> TrainConfig:
    return TrainConfig(
        model="mlp",
        units=32,
        layers=1,
        learning_rate=0.01,
        epochs=2,
        batch_size=100,
        seed=3,
        optimal_error=0.002,
    )
