"""The pieces that both kinds of network are made of."""

from __future__ import annotations

from typing import Any

import keras

from keras_ext import regularization
from keras_ext.errors import ConfigError
from keras_ext.records import TrainConfig

BATCH_NORM_MOMENTUM = 0.9
"""Keras's 0.99 takes hundreds of steps to follow: short runs would be judged on stale values."""

OUTPUT_SCALE = 0.01


def initializer(activation: str) -> str:
    """The initializer whose variance keeps the signal: 2/n for ReLU, 1/n for tanh, n = fan-in.

    He et al. 2015, equation 10 (ReLU); LeCun et al. 1998, section 4.6 (tanh).

    >>> initializer("relu")
    'he_normal'
    """
    return {"relu": "he_normal", "tanh": "lecun_normal"}[activation]


def kernel_options(config: TrainConfig, activation: str) -> dict[str, Any]:
    """Initializer and L2 penalty of a kernel: one live penalty for each owner."""
    penalty = regularization.L2(config.l2) if config.l2 > 0 else None
    return {"kernel_initializer": initializer(activation), "kernel_regularizer": penalty}


def predict_from(x: Any, config: TrainConfig, outputs: int) -> Any:
    """The output layer: logits, or values, in single precision under any policy.

    Its weights start with variance 1/(100 n): an untrained network then prefers no class and costs
    ln(classes).
    """
    options = kernel_options(config, "tanh")
    options["kernel_initializer"] = keras.initializers.VarianceScaling(OUTPUT_SCALE, mode="fan_in")
    return keras.layers.Dense(outputs, dtype="float32", name="outputs", **options)(x)


def activate(x: Any, config: TrainConfig) -> Any:
    """Batch norm, if asked for, before the activation."""
    if config.batch_norm:
        x = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return keras.layers.Activation(config.activation)(x)


def drop(x: Any, rate: float, seed: int) -> Any:
    """Dropout where the rate is above zero; no layer at all where it is zero."""
    return regularization.Dropout(rate, seed=seed)(x) if rate > 0 else x


def dropout_rates(config: TrainConfig, layers: int) -> tuple[float, ...]:
    """One rate for each of the layers.

    >>> dropout_rates(TrainConfig(dropout=0.2), 3)
    (0.2, 0.2, 0.2)

    Raises:
        ConfigError: when as many rates as layers were asked for and others are given.
    """
    if not isinstance(config.dropout, tuple):
        return (config.dropout,) * layers
    if len(config.dropout) != layers:
        raise ConfigError(
            f"dropout must be one rate or {layers} rates (one for each place), "
            f"got dropout={config.dropout!r}"
        )
    return config.dropout


def check_images(shape: tuple[int, ...], network: str) -> None:
    """Refuse what is no image of at least 8 x 8 pixels.

    Raises:
        ConfigError: naming the network and the shape of an example.
    """
    if len(shape) != 3 or min(shape[:2]) < 8:
        raise ConfigError(
            f"a {network} needs images of at least 8 x 8 pixels, got examples of shape {shape}"
        )


def start(shape: tuple[int, ...], normalizer: keras.layers.Layer | None) -> tuple[Any, Any]:
    """The input and what the first layer sees of it: examples normalised by the model itself."""
    inputs = keras.Input(shape)
    return inputs, normalizer(inputs) if normalizer is not None else inputs
