"""From a configuration to an uncompiled model."""

from __future__ import annotations

import keras

from keras_ext.models.convnet import convnet
from keras_ext.models.mlp import mlp
from keras_ext.models.resnet import resnet
from keras_ext.records import TrainConfig

BUILDERS = {"convnet": convnet, "mlp": mlp, "resnet": resnet}


def build(
    config: TrainConfig,
    shape: tuple[int, ...],
    outputs: int,
    normalizer: keras.layers.Layer | None = None,
) -> keras.Model:
    """The network that ``config.model`` names; the signature that a user's own builder follows.

    The initial weights are decided by ``config.seed`` and by the global seed alone where the caller
    sets it (``keras.utils.set_random_seed``).

    >>> build(TrainConfig(model="mlp", units=4, layers=1), (2,), 3).output_shape
    (None, 3)
    """
    return BUILDERS[config.model](config, shape, outputs, normalizer)
