"""From stock Keras layers to live strengths and back, for models with a config to rebuild from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from keras_ext.errors import ConfigError
from keras_ext.regularization import strengths
from keras_ext.regularization.augment import Augment
from keras_ext.regularization.dropout import BELOW, Dropout
from keras_ext.regularization.l2 import L2
from keras_ext.regularization.rebuild import Config, of_keras, rebuild


def frozen(model: keras.Model) -> keras.Model:
    """The same function in stock Keras layers, for deployment without keras_ext.

    Every Dropout becomes a ``keras.layers.Dropout`` and every L2 a ``keras.regularizers.L2``, with
    the strengths at present. Every Augment becomes a ``keras.layers.Identity``, which it is at
    inference: a frozen model that is trained on is not augmented. (Keras's own layers in its place
    would resample once each, keep the model from XLA also at inference, and turn uint8 into
    floats.) All weights and random states are copied; the model given stays as it is.

    >>> model = keras.Sequential([keras.Input((4,)), Dropout(0.25), keras.layers.Dense(3)])
    >>> frozen(model).layers[0].rate
    0.25

    Args:
        model: functional or sequential, with models inside it as it may be; a subclassed model as
            far as its config says all there is to say.

    Returns:
        A new model, not compiled.

    Raises:
        ConfigError: naming the layer that can't be rebuilt or converted.
    """
    return rebuild(model, _to_stock, _live_layers)


def adjustable(model: keras.Model) -> keras.Model:
    """The same function with strengths that can be changed: the way back from ``frozen``.

    Every ``keras.layers.Dropout`` becomes a Dropout and every ``keras.regularizers.L2`` of a weight
    an L2. What has no live counterpart stays as it is: spatial, alpha and Gaussian dropout, the
    dropout inside recurrent and attention layers, ``L1L2``, penalties on activities, the
    regularizers of attention layers (which share one object), and Keras's augmentation layers
    (``RandomRotation`` and the like; an Identity that was an Augment doesn't become one again).

    A layer that a user's class makes in its own code can't be converted, as the class would make
    the stock one again when the model is loaded.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.25)])
    >>> adjustable(model).layers[0].rate
    0.25

    Args:
        model: as for ``frozen``.

    Returns:
        A new model, not compiled, with a copy of the weights.

    Raises:
        ConfigError: naming the layer that can't be rebuilt or converted.
    """
    return rebuild(model, _to_live, _stock_layers)


def _to_stock(node: Config) -> Config:
    """The object in stock Keras, if it is one of ours."""
    if node.get("registered_name") == keras.saving.get_registered_name(L2):
        strength = node["config"]["strength"]
        return keras.saving.serialize_keras_object(keras.regularizers.L2(strength))
    if node.get("registered_name") == keras.saving.get_registered_name(Dropout):
        return {**node, "module": "keras.layers", "registered_name": None}
    if node.get("registered_name") == keras.saving.get_registered_name(Augment):
        return _identity(node)
    return node


def _identity(node: Config) -> Config:
    """The stock layer that does what an Augment does at inference."""
    name, policy = node["config"]["name"], node["config"]["dtype"]
    if any(call["kwargs"].get("training") for call in node.get("inbound_nodes", ())):
        raise ConfigError(
            f"layer {name!r} is called with training=True: it augments at inference too, which no "
            "stock layer does the same"
        )
    # Images keep their dtype; single precision holds what any lower one does.
    double = "float64" in str(policy)
    identity = keras.layers.Identity(name=name, dtype="float64" if double else "float32")
    return {**node, **keras.saving.serialize_keras_object(identity)}


def _to_live(node: Config) -> Config:
    """The object with a live strength, if it is a stock dropout or has a stock L2 penalty."""
    if _is_class(node, "keras.layers", "Dropout"):
        if node["config"]["rate"] >= BELOW:
            raise ConfigError(f"layer {node['config']['name']!r} drops every input: its rate is 1")
        name = keras.saving.get_registered_name(Dropout)
        return {**node, "module": Dropout.__module__, "registered_name": name}
    live = {
        key: keras.saving.serialize_keras_object(L2(float(value["config"]["l2"])))
        for key, value in node["config"].items()
        if key.endswith("_regularizer") and key != "activity_regularizer"
        if _is_class(value, "keras.regularizers", "L2")
        if "Attention" not in node["class_name"]  # It gives one regularizer to several layers.
    }
    return {**node, "config": {**node["config"], **live}}


def _is_class(node: Any, module: str, name: str) -> bool:
    return isinstance(node, dict) and (node.get("module"), node.get("class_name")) == (module, name)


def _live_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """What is still ours."""
    return (layer for layer in strengths.walk(model) if isinstance(layer, Augment | Dropout | L2))


def _stock_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """What is still fixed because a user's class made it; Keras's own layers may keep theirs."""
    for parent in strengths.walk(model):
        for layer in [] if of_keras(type(parent)) else strengths.children(parent):
            penalty = getattr(layer, "kernel_regularizer", None)
            if type(layer) is keras.layers.Dropout or type(penalty) is keras.regularizers.L2:
                yield layer
