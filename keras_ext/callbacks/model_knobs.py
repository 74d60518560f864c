"""The knobs that a model and its fit have, with their values, as far as they can be read."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks.inference_model import inference_model
from keras_ext.diagnosis import Setting
from keras_ext.regularization import knobs, strengths

MOST_LAYERS = 6

_FIXED = (
    "fixed in this model: keras_ext.regularization.adjustable(model) gives one that can turn it"
)
_MISSING = {
    "dropout": "the model has no Dropout layer yet",
    "l2": "the model has no L2 regularizer yet",
}
_KERNELS = ("Dense", "Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D")


def settings(model: Any, *, epochs: int | None, rate: Setting, images: bool) -> dict[str, Setting]:
    """What can be turned, for remedies that are concrete.

    Args:
        model: compiled or not.
        epochs: that it is trained for, None where it isn't known.
        rate: the learning rate at the start, see ``learning_rate``.
        images: whether the inputs are images, which can be augmented.

    >>> hidden = keras.layers.Dense(16), keras.layers.Dropout(0.5)
    >>> model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(3)])
    >>> found = settings(model, epochs=5, rate=Setting(0.01), images=False)
    >>> {name: setting.value for name, setting in found.items()}
    {'epochs': 5, 'learning_rate': 0.01, 'units': 16, 'layers': 1, 'dropout': 0.5, 'l2': 0.0}
    """
    units, layers = _size(inference_model(model))
    found = {
        "epochs": Setting(epochs),
        "learning_rate": rate,
        "units": Setting(units),
        "layers": Setting(layers),
        **_fixed(model),
        **{name: Setting(knob.value) for name, knob in knobs(model).items()},
    }
    if images:
        found.setdefault("magnitude", Setting(None, "in the input pipeline, or an Augment layer"))
    return found


def learning_rate(model: Any) -> Setting:
    """The learning rate of the optimizer, or that a schedule or nothing known decides it."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # Of mixed precision.
    if optimizer is None:
        return Setting(None)
    value = optimizer.get_config().get("learning_rate")
    if isinstance(value, Real):
        return Setting(float(str(np.float32(value))))  # 0.001, not 0.0010000000474974513
    name = value.get("class_name") if isinstance(value, dict) else type(value).__name__
    return Setting(None, f"{name} sets it")


def _size(model: Any) -> tuple[Any, int | None]:
    """Units of the hidden layers, one number where all are alike, and how many there are.

    Only of plain models, in which the last layer with units makes the one output.
    """
    alone = isinstance(model, keras.Sequential) or len(getattr(model, "output_names", ())) == 1
    if not alone or any(isinstance(layer, keras.Model) for layer in model.layers):
        return None, None
    sized = [layer for layer in model.layers if type(layer).__name__ in _KERNELS]
    hidden = [layer.units if hasattr(layer, "units") else layer.filters for layer in sized[:-1]]
    if not sized or len(hidden) > MOST_LAYERS:
        return None, None
    return (_one_or_all(hidden) if hidden else None), len(hidden)


def _fixed(model: Any) -> dict[str, Setting]:
    """Strengths in stock Keras layers, which are numbers in the compiled step."""
    layers = list(strengths.walk(model))
    rates = [layer.rate for layer in layers if type(layer) is keras.layers.Dropout]
    factors = [float(penalty.l2) for layer in layers for penalty in _penalties(layer)]
    return {
        name: Setting(_one_or_all(values), _FIXED) if values else Setting(0.0, _MISSING[name])
        for name, values in (("dropout", rates), ("l2", factors))
    }


def _penalties(layer: Any) -> Iterator[keras.regularizers.L2]:
    penalty = getattr(layer, "kernel_regularizer", None)
    if type(penalty) is keras.regularizers.L2:
        yield penalty


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else tuple(values)
