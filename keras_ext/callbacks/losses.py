"""What the compiled loss says about a model: which error to count, and the cost."""

from __future__ import annotations

from functools import partial
from math import inf, isfinite
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks.outputs import ONLY, Output
from keras_ext.gradients.labels import kind as kind


def compiled_loss(model: Any, output: Output = ONLY) -> Any:
    """The loss of a compiled model as a function or ``keras.losses.Loss``, None without one.

    Args:
        model: compiled, with one loss for all outputs, or one for each in a mapping or list.
        output: whose loss it is.

    Raises:
        ConfigError: for several losses, when none of them is the output's.
    """
    loss = getattr(model, "loss", None)
    several = isinstance(loss, (list, tuple))
    if isinstance(loss, dict) and "class_name" not in loss:
        several = output.name not in output.names or output.name in loss
        loss = loss if several else None  # Of an output that is left out there is none.
    return keras.losses.get(output.of(loss, "loss") if several else loss)


_OF_NUMBERS = {
    "meansquarederror",
    "meanabsoluteerror",
    "meanabsolutepercentageerror",
    "meansquaredlogarithmicerror",
    "huber",
    "logcosh",
    "poisson",
    "cosinesimilarity",
    "kldivergence",
}


def of_numbers(loss: Any) -> bool:
    """Whether it is one of Keras's losses whose labels are numbers, and surely no classes.

    >>> of_numbers("mse"), of_numbers("hinge"), of_numbers(lambda y_true, y_pred: y_pred)
    (True, False, False)
    """
    loss = keras.losses.get(loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    return name.replace("_", "").lower() in _OF_NUMBERS


def from_logits(loss: Any) -> bool:
    """Whether the loss takes scores from minus to plus infinity instead of probabilities."""
    if isinstance(loss, partial):
        return bool(loss.keywords.get("from_logits", False))
    return bool(getattr(keras.losses.get(loss), "from_logits", False))


def mean_cost(loss: Any, y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """The mean loss of the examples, without regularization; infinite where it isn't a number.

    Args:
        loss: a function, a ``keras.losses.Loss`` or the name of one.
        y_true: array of shape (examples, ...), labels.
        y_pred: array of shape (examples, ...), predictions.

    >>> mean_cost("mse", np.array([1.0, 2.0]), np.array([[1.0], [4.0]]))
    2.0
    """
    return finite_mean(costs(loss, y_true, y_pred))


def finite_mean(values: np.ndarray) -> float:
    """The mean; infinite where it isn't finite."""
    mean = float(np.mean(values, dtype="float64"))
    return mean if isfinite(mean) else inf


def costs(loss: Any, y_true: Any, y_pred: np.ndarray) -> np.ndarray:
    """The loss before its mean is taken: of shape (examples, ...) for most losses, else a scalar.

    Args:
        loss, y_true, y_pred: as for ``mean_cost``; labels may be a tensor, of ``dtype_of(loss)``.

    >>> costs("mse", np.array([1.0, 2.0]), np.array([[1.0], [4.0]])).tolist()
    [0.0, 4.0]
    """
    loss, dtype = keras.losses.get(loss), dtype_of(loss)
    y_true, y_pred = aligned(y_true, y_pred)
    tensors = [keras.ops.convert_to_tensor(array, dtype=dtype) for array in (y_true, y_pred)]
    each = loss.call(*tensors) if isinstance(loss, keras.losses.Loss) else loss(*tensors)
    return np.asarray(keras.ops.convert_to_numpy(each))


def dtype_of(loss: Any) -> str:
    """In which labels and predictions are compared.

    >>> dtype_of("mse")
    'float32'
    """
    return str(getattr(keras.losses.get(loss), "dtype", keras.config.floatx()))


def aligned(y_true: Any, y_pred: np.ndarray) -> tuple[Any, np.ndarray]:
    """Labels and predictions that differ only in a last axis of length 1, brought to one shape.

    Without that, (examples,) minus (examples, 1) would be a square matrix.
    """
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        return y_true[..., np.newaxis], y_pred
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        return y_true[..., 0], y_pred
    return y_true, y_pred
