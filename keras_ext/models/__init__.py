"""Networks from a frozen configuration: one builder, uncompiled models, for recipes and sweeps."""

from keras_ext.models.build import build
from keras_ext.models.convnet import convnet
from keras_ext.models.mlp import mlp
from keras_ext.models.resnet import resnet

__all__ = ["build", "convnet", "mlp", "resnet"]
