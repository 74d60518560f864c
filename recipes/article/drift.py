"""Random settings, inputs of deeper layers under shaken weights, noise of a mini-batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels

SHAKES = (0.1, 0.2, 0.5, 1.0, 2.0)
SIZES = (8, 16, 32, 64, 128, 256)
DRAWS = 64
KINDS = {"with": True, "without": False}
"""Of batch norm."""
BASE = TrainConfig(model="mlp", units=64, layers=4, batch_size=64)


def inputs(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """Mean and deviation of each unit that the second, third ... layer sees, as in training."""
    hidden = [item.output for item in model.layers if isinstance(item, keras.layers.Activation)]
    seen = keras.Model(model.input, hidden)(x, training=True)
    values = [keras.ops.convert_to_numpy(value) for value in seen]
    return [np.stack([value.mean(axis=0), value.std(axis=0)]) for value in values]


def drift(model: keras.Model, x: np.ndarray, seed: int) -> list[list[float]]:
    """By how much these move when the first weights are shaken, relative to their deviation.

    Returns:
        A row for each strength of ``SHAKES``, of a number for each layer from the second on.
    """
    kernel = next(item for item in model.layers if isinstance(item, keras.layers.Dense)).kernel
    weights, before = kernel.numpy(), inputs(model, x)
    noise = np.random.default_rng(seed).normal(size=weights.shape) * weights.std()
    found = []
    for shake in SHAKES:
        kernel.assign(weights + shake * noise)
        moved = zip(inputs(model, x), before, strict=True)
        found.append([float(np.sqrt(((a - b) ** 2).mean() / (b[1] ** 2).mean())) for a, b in moved])
    kernel.assign(weights)
    return found


def noises(model: keras.Model, x: np.ndarray, seed: int) -> list[float]:
    """Deviation of one image's normalised values over random mini-batches of each size."""
    first = next(n for n in model.layers if isinstance(n, keras.layers.BatchNormalization))
    z = keras.ops.convert_to_numpy(keras.Model(model.input, first.input)(x))
    z = z[:, z.std(axis=0) > 0]
    rng, found = np.random.default_rng(seed), []
    for size in SIZES:
        made = []
        for _ in range(DRAWS):
            batch = z[np.r_[0, rng.choice(np.arange(1, len(z)), size - 1, replace=False)]]
            made.append((batch[0] - batch.mean(axis=0)) / np.sqrt(batch.var(axis=0) + 1e-3))
        found.append(float(np.sqrt(np.var(made, axis=0).mean())))
    return found


def settings(count: int, seed: int, optimizers: Sequence[str]) -> list[TrainConfig]:
    """Random hyperparameters, the same for both kinds of network."""
    rng = np.random.default_rng(seed)

    def log(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return [
        replace(
            BASE, optimizer=str(rng.choice(optimizers)), learning_rate=log(1e-4, 3.0),
            activation=str(rng.choice(["relu", "tanh"])), l2=log(1e-6, 1e-3), seed=seed + number,
            schedule="time_based", decay_rate=log(0.01, 1.0),
        ) for number in range(count)
    ]  # fmt: skip


def shaken(
    train: Arrays, unseen: Arrays, seeds: Sequence[int], epochs: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Drift and noise of trained networks.

    Returns:
        Drift with and without batch norm, of shape (seeds, shakes, layers from the second on), and
        the noise that batch norm adds, of shape (seeds, sizes).
    """
    make, drifts, noise = CompiledModels(), {}, []
    for name, norm in KINDS.items():
        config = replace(BASE, batch_norm=norm, epochs=epochs, schedule="constant")
        found = []
        for seed in seeds:
            model = course(replace(config, seed=seed), train, make=make).model
            found.append(drift(model, unseen.x[:512], seed))
            if norm:
                noise.append(noises(model, unseen.x, seed))
        drifts[name] = np.array(found)
    return drifts, np.array(noise)
