"""The error of a model on clean examples, one example at a time, in inference mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks import losses
from keras_ext.callbacks.checks import whole_number
from keras_ext.callbacks.examples import Examples, read
from keras_ext.diagnosis import ErrorEstimate
from keras_ext.errors import ConfigError, DivergedError

BATCH_SIZE = 512

ErrorFunction = Callable[[np.ndarray, np.ndarray], Any]


def measure(
    model: Any,
    data: Any,
    *,
    error: str | ErrorFunction = "auto",
    batch_size: int = BATCH_SIZE,
) -> tuple[ErrorEstimate, float | None]:
    """Error and un-regularized cost of a built model with the weights it has now.

    Neither weights nor optimizer, metrics or random state change.

    Args:
        model: compiled; without a loss, ``error`` must be a function and there is no cost.
        data: ``(x, y)``, ``(x, y, sample_weight)`` or a finite data set of batches. All examples
            count the same: sample weights are left out.
        error: "auto" takes 0/1 errors for cross-entropies (multi-label: all labels must be right)
            and squared errors for every other loss. A function gets labels and predictions as
            arrays of shape (examples, ...) and gives one number for each example.
        batch_size: examples a call of the model; every call has the same shape.

    Returns:
        The estimate, and the mean of the compiled loss (None for a model without one).

    Raises:
        ConfigError: for data, or an error, that can't be used.
        DivergedError: when a prediction isn't finite.
    """
    whole_number("batch_size", batch_size, 1)
    loss = losses.compiled_loss(model)
    check_error(error, loss)
    examples = data if isinstance(data, Examples) else read(data, "data")
    predicted = predictions(model, examples.x, batch_size)
    bad = int((~np.isfinite(predicted.reshape(len(predicted), -1))).any(axis=1).sum())
    if bad:
        raise DivergedError(
            f"the predictions of {bad} of {len(predicted)} examples are not finite: training has"
            " diverged, try a lower learning rate first"
        )
    values = per_example_errors(examples.y, predicted, loss=loss, error=error)
    cost = None if loss is None else losses.mean_cost(loss, examples.y, predicted)
    return ErrorEstimate.from_values(values), cost


def check_error(error: str | ErrorFunction, loss: Any) -> None:
    """Refuse an error that can't be used with the loss.

    Raises:
        ConfigError: for a name other than "auto", or "auto" without a loss.
    """
    if error != "auto" and not callable(error):
        raise ConfigError(
            'error must be "auto" or a function (y_true, y_pred) that gives one number for each'
            f" example, got error={error!r}"
        )
    if error == "auto" and loss is None:
        raise ConfigError(
            "error must be a function for a model compiled without a loss, got error='auto'"
        )


def per_example_errors(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    *,
    loss: Any = None,
    error: str | ErrorFunction = "auto",
) -> np.ndarray:
    """The error of each example.

    Args:
        y_true: array of shape (examples, ...), labels as the loss takes them.
        y_pred: array of shape (examples, ...), what the model predicts.
        loss: decides what "auto" is; a function, a ``keras.losses.Loss`` or the name of one.
        error: as for ``measure``.

    Returns:
        float64 array of shape (examples,). An example with several positions (a sequence, an image
        of classes, several numbers) counts with the mean over them.

    Raises:
        ConfigError: when labels and predictions don't fit each other, or the error function gives
            something else than one number for each example.

    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    >>> per_example_errors(np.array([0, 1]), probabilities, loss="sparse_categorical_crossentropy")
    array([0., 1.])
    """
    check_error(error, loss)
    if callable(error):
        values = error(y_true, y_pred)
        values = keras.ops.convert_to_numpy(values) if keras.ops.is_tensor(values) else values
        values = np.asarray(values, dtype="float64")
        if values.shape != (len(y_true),):
            raise ConfigError(
                f"error must give one number for each of {len(y_true)} examples, got shape"
                f" {values.shape}"
            )
        return values
    values = _automatic(y_true, y_pred, loss)
    return np.asarray(values.reshape(len(values), -1).mean(axis=1, dtype="float64"))


def predictions(model: Any, x: Any, batch_size: int = BATCH_SIZE) -> np.ndarray:
    """What the model predicts for each example, as an array of shape (examples, ...).

    The last batch is filled up with the first examples, so that all calls have one shape and
    the model is traced once. ``predict`` itself isn't used: on torch its data loader draws from
    the random state that shuffles the training examples.
    """
    count = len(keras.tree.flatten(x)[0])
    size = min(batch_size, count)
    parts = []
    for start in range(0, count, size):
        rows = np.arange(start, start + size) % count
        batch = keras.tree.map_structure(lambda leaf, rows=rows: leaf[rows], x)
        parts.append(_single(model.predict_on_batch(batch))[: count - start])
    return np.concatenate(parts)


def _single(output: Any) -> np.ndarray:
    leaves = keras.tree.flatten(output)
    if len(leaves) != 1:
        raise ConfigError(f"model must have one output, got {len(leaves)}")
    values = np.asarray(leaves[0])
    return values if values.dtype == "float64" else values.astype("float32", copy=False)


def _automatic(y_true: np.ndarray, y_pred: np.ndarray, loss: Any) -> np.ndarray:
    kind = losses.kind(loss)
    if kind == "sparse":
        chosen = y_pred.argmax(axis=-1)
        y_true = y_true[..., 0] if y_true.ndim == y_pred.ndim else y_true
        _same_shape(y_true, chosen, loss)
        return np.asarray(chosen != y_true)
    y_true, y_pred = losses.aligned(y_true, y_pred)
    _same_shape(y_true, y_pred, loss)
    if kind == "categorical":
        return np.asarray(y_pred.argmax(axis=-1) != y_true.argmax(axis=-1))
    if kind == "binary":
        wrong = (y_pred > (0.0 if losses.from_logits(loss) else 0.5)) != (y_true > 0.5)
        return np.asarray(wrong.reshape(len(wrong), -1).any(axis=1))
    return np.asarray((y_pred.astype("float64") - y_true) ** 2)


def _same_shape(y_true: np.ndarray, y_pred: np.ndarray, loss: Any) -> None:
    if y_true.shape != y_pred.shape:
        raise ConfigError(
            f"error must be a function for the loss {loss!r}: 'auto' can't compare labels of shape"
            f" {y_true.shape} with predictions of shape {y_pred.shape}"
        )
