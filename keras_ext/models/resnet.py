"""Residual networks for small colour images."""

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
from keras_ext.models.convnet import stages
from keras_ext.records import TrainConfig


def resnet(
    config: TrainConfig,
    shape: tuple[int, ...],
    outputs: int,
    normalizer: keras.layers.Layer | None = None,
) -> keras.Model:
    """A 3x3 convolution and max pooling, then ``config.layers`` residual blocks in three stages.

    A block adds what two convolutions make of its input to that input (He et al. 2016). Each stage
    begins with one convolution to twice the channels; all but the first then halve the image. The
    mean over the image comes before the output. Dropout stands between them.

    Args:
        config: of which units, layers, activation, batch_norm, dropout, l2 and seed are used.
        shape: of one image: (height, width, channels), at least 8 x 8.
        outputs: the number of classes (logits come out), or of values for regression.
        normalizer: the first layer.

    Raises:
        ConfigError: when the examples are no images, or too small for the stages.

    >>> resnet(TrainConfig(units=16, layers=2), (32, 32, 3), 10).count_params()
    117498
    """
    check_images(shape, "resnet")
    inputs, x = start(shape, normalizer)
    channels = config.units
    x = keras.layers.MaxPooling2D()(_convolve(x, channels, config))
    for stage, blocks in enumerate(stages(config.layers)):
        channels *= 2
        x = _convolve(x, channels, config, strides=2 if stage else 1)
        for _ in range(blocks):
            inner = _convolve(x, channels, config)
            x = keras.layers.Add()([x, _convolve(inner, channels, config)])
    x = keras.layers.GlobalAveragePooling2D()(x)
    (rate,) = dropout_rates(config, 1)
    return keras.Model(
        inputs, predict_from(drop(x, rate, seed=config.seed), config, outputs), name="resnet"
    )


def _convolve(x: Any, channels: int, config: TrainConfig, *, strides: int = 1) -> Any:
    """One convolution with norm and activation."""
    options = {"use_bias": not config.batch_norm, **kernel_options(config, config.activation)}
    return activate(keras.layers.Conv2D(channels, 3, strides, "same", **options)(x), config)
