"""Very deep networks of one shape, whose weights are drawn anew with any variance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np

from keras_ext import data
from keras_ext.callbacks import measure
from keras_ext.diagnosis import LayerHealthReport
from keras_ext.records import Arrays

DEPTH, UNITS, BATCH = 50, 64, 64


def network(activation: str, train: Arrays) -> keras.Model:
    """A deep one, compiled once; its weights are drawn anew for each run."""
    layers = [keras.layers.Dense(UNITS, activation, use_bias=False) for _ in range(DEPTH)]
    front = [keras.Input(train.x.shape[1:]), data.normalizer(train.x), keras.layers.Flatten()]
    model = keras.Sequential([*front, *layers, keras.layers.Dense(10, use_bias=False)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, steps_per_execution=16)
    return model


def draw(model: keras.Model, gain: float, seed: int) -> None:
    """Weights of variance gain / n, and an optimizer that remembers nothing."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            shape = layer.kernel.shape
            scale = math.sqrt((gain if layer.units == UNITS else 1.0) / shape[0])
            layer.kernel.assign(scale * rng.normal(size=shape))
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))


def learn(
    model: keras.Model,
    gain: float,
    seed: int,
    rate: float,
    train: Arrays,
    unseen: Arrays,
    epochs: int,
) -> float:
    """The error on unseen images after a short training; 1 where it diverges."""
    draw(model, gain, seed)
    model.optimizer.learning_rate = rate
    keras.utils.set_random_seed(seed)
    cost = model.fit(train.x, train.y, BATCH, epochs, verbose=0).history["loss"][-1]
    return measure(model, (unseen.x, unseen.y))[0].error if math.isfinite(cost) else 1.0


def best_rate(
    model: keras.Model,
    gain: float,
    seed: int,
    rates: Sequence[float],
    train: Arrays,
    unseen: Arrays,
    epochs: int,
) -> float:
    """The rate with the lowest error on a seed of its own."""
    if len(rates) == 1:
        return rates[0]
    errors = [learn(model, gain, seed, rate, train, unseen, epochs) for rate in rates]
    return rates[int(np.argmin(errors))]


def factor(reports: list[LayerHealthReport], gradients: bool = False) -> float:
    """By what a signal is multiplied a layer: the geometric mean over seeds."""
    name = "gradient_factor" if gradients else "activation_factor"
    return float(np.exp(np.mean([math.log(getattr(report, name)) for report in reports])))


def span(each: float) -> float:
    """What a factor comes to over all layers."""
    return each ** (DEPTH - 1)
