"""Convolutional networks for small images."""

from __future__ import annotations

from typing import Any

import keras

from keras_ext.models.blocks import (
    activate,
    check_images,
    drop,
    dropout_rates,
    kernel_options,
    predict_from,
    start,
)
from keras_ext.records import TrainConfig

MOST_STAGES = 3
HEAD_WIDTH = 4
"""The hidden dense layer has this many times ``units``."""


def stages(layers: int, most: int = MOST_STAGES) -> tuple[int, ...]:
    """How many convolutions stand in each stage; the later, smaller stages get the surplus.

    >>> stages(2), stages(5)
    ((1, 1), (1, 2, 2))
    """
    count = min(most, layers)
    return tuple(layers // count + (index >= count - layers % count) for index in range(count))


def convnet(
    config: TrainConfig,
    shape: tuple[int, ...],
    outputs: int,
    normalizer: keras.layers.Layer | None = None,
) -> keras.Model:
    """``config.layers`` 3x3 convolutions in up to three stages, then one hidden dense layer.

    Each stage halves the image right after its first convolution, before batch norm and activation,
    which then cost a quarter. (A rising activation commutes with the maximum; batch norm does where
    its scale is positive.)
    Dropout stands before and after the hidden dense layer (two rates, if given one by one).

    Args:
        config: of which units, layers, activation, batch_norm, dropout, l2 and seed are used.
        shape: of one image: (height, width, channels), at least 8 x 8.
        outputs: the number of classes (logits come out), or of values for regression.
        normalizer: the first layer.

    Raises:
        ConfigError: when the examples are no images, or too small for the stages.

    >>> convnet(TrainConfig(units=32, layers=2), (28, 28, 1), 10).count_params()
    225706
    """
    check_images(shape, "convnet")
    inputs, x = start(shape, normalizer)
    channels = config.units
    for count in stages(config.layers):
        for index in range(count):
            x = _convolve(x, channels, config, shrink=index == 0)
        channels *= 2
    before, after = dropout_rates(config, 2)
    x = drop(keras.layers.Flatten()(x), before, seed=config.seed)
    options = kernel_options(config, config.activation)
    x = keras.layers.Dense(HEAD_WIDTH * config.units, use_bias=not config.batch_norm, **options)(x)
    x = drop(activate(x, config), after, seed=config.seed + 1)
    return keras.Model(inputs, predict_from(x, config, outputs), name="convnet")


def _convolve(x: Any, channels: int, config: TrainConfig, *, shrink: bool) -> Any:
    """One convolution with what follows it; padding is left away where a border can be spared."""
    side = min(x.shape[1:3])
    padding = "valid" if shrink and side >= 10 else "same"
    options = kernel_options(config, config.activation)
    x = keras.layers.Conv2D(
        channels, 3, padding=padding, use_bias=not config.batch_norm, **options
    )(x)
    if shrink and side >= 4:
        x = keras.layers.MaxPooling2D()(x)
    return activate(x, config)
