"""Fully connected networks."""

from __future__ import annotations

import math

import keras

from keras_ext.models.blocks import (
    activate,
    drop,
    dropout_rates,
    kernel_options,
    predict_from,
    start,
)
from keras_ext.records import TrainConfig


def mlp(
    config: TrainConfig,
    shape: tuple[int, ...],
    outputs: int,
    normalizer: keras.layers.Layer | None = None,
) -> keras.Model:
    """``config.layers`` hidden layers of ``config.units``, each with norm, activation, dropout.

    Args:
        config: of which units, layers, activation, batch_norm, dropout, l2 and seed are used.
        shape: of one example, for example (28, 28, 1) or (13,).
        outputs: the number of classes (logits come out), or of values for regression.
        normalizer: the first layer.

    >>> mlp(TrainConfig(units=8, layers=2, batch_norm=False), (4,), 3).count_params()
    139
    """
    inputs, x = start(shape, normalizer)
    if math.prod(shape) != shape[-1]:
        x = keras.layers.Flatten()(x)
    for index, rate in enumerate(dropout_rates(config, config.layers)):
        options = kernel_options(config, config.activation)
        x = keras.layers.Dense(config.units, use_bias=not config.batch_norm, **options)(x)
        x = drop(activate(x, config), rate, seed=config.seed + index)
    return keras.Model(inputs, predict_from(x, config, outputs), name="mlp")
