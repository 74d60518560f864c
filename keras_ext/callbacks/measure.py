"""The error of a model on clean examples, one example at a time, in inference mode."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks import losses, masks, metrics, outputs
from keras_ext.callbacks.checks import whole_number
from keras_ext.callbacks.examples import Examples, filled_batches, read
from keras_ext.callbacks.inference_model import inference_model
from keras_ext.callbacks.on_device import OnDevice, takes_tensors
from keras_ext.callbacks.outputs import ONLY, Output
from keras_ext.diagnosis import ErrorEstimate
from keras_ext.errors import ConfigError, DivergedError

BATCH_SIZE = 512
MOST_CLASSES = 100

ErrorFunction = Callable[[np.ndarray, np.ndarray], Any]


@dataclass(frozen=True)
class Measured:
    """What was measured, one example at a time.

    Args:
        errors: float64 array of shape (examples,).
        costs: likewise, of the compiled loss without regularization; None for a model without a
            loss, and for a loss that gives no number for each example.
        cost: their mean, infinite where it isn't finite; None without a loss.
    """

    errors: np.ndarray
    costs: np.ndarray | None
    cost: float | None

    @property
    def estimate(self) -> ErrorEstimate:
        """The mean error, and how far it may be from the truth."""
        return ErrorEstimate.from_values(self.errors)


def measure(
    model: Any,
    data: Any,
    *,
    error: str | ErrorFunction = "auto",
    output: str | int | None = None,
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
        output: name or place (from 0) of the one that counts, of a model with several.
        batch_size: examples a call of the model; every call has the same shape.

    Returns:
        The estimate, and the mean of the compiled loss (None for a model without one).

    Raises:
        ConfigError: for data, or an error, that can't be used.
        DivergedError: when a prediction isn't finite.
    """
    measured = measure_each(model, data, error=error, output=output, batch_size=batch_size)
    return measured.estimate, measured.cost


def measure_each(
    model: Any,
    data: Any,
    *,
    error: str | ErrorFunction = "auto",
    output: str | int | None = None,
    batch_size: int = BATCH_SIZE,
    device: OnDevice | None = None,
) -> Measured:
    """As ``measure``, with the error and the cost of each example, in the order of the data.

    With a ``device`` examples stay on the accelerator, to be measured there again. The numbers are
    the same.
    """
    whole_number("batch_size", batch_size, 1)
    model = inference_model(model)
    chosen = Output.of_model(model, outputs.check(output))
    loss = losses.compiled_loss(model, chosen)
    check_error(error, loss)
    examples = data if isinstance(data, Examples) else read(data, "data", chosen)
    if device is not None and not takes_tensors(model):
        device = None
    predicted = predictions(model, examples.x, batch_size, chosen, device)
    bad = int((~np.isfinite(predicted.reshape(len(predicted), -1))).any(axis=1).sum())
    if bad:
        raise DivergedError(
            f"the predictions of {bad} of {len(predicted)} examples are not finite: training has"
            " diverged, try a lower learning rate first"
        )
    mask = masks.of_output(model, examples.x, batch_size, chosen, device)
    y = np.asarray(examples.y)
    values = per_example_errors(y, predicted, loss=loss, error=error, mask=mask)
    if loss is None:
        return Measured(values, None, None)
    labels: Any = y
    if device is not None and y is examples.y:
        labels = device.labels(y, losses.dtype_of(loss))
    costs = losses.costs(loss, labels, predicted)
    if costs.shape[:1] != predicted.shape[:1]:
        return Measured(values, None, losses.finite_mean(costs))
    counted = costs if mask is None else costs[masks.spread(mask, costs)]
    return Measured(values, masks.mean_of_each(costs, mask), losses.finite_mean(counted))


def check_error(error: str | ErrorFunction, loss: Any) -> None:
    """Refuse an error that can't be used with the loss.

    Raises:
        ConfigError: for a name other than "auto", a metric that is no error of an example, or
            "auto" without a loss.
    """
    advice = metrics.instead(error)
    if advice is not None:
        raise ConfigError(
            f"error must give one number for each example, got error={error!r}: {advice}"
        )
    if not (callable(error) or (isinstance(error, str) and error == "auto")):
        raise ConfigError(
            'error must be "auto" or a function (y_true, y_pred) that gives one number for each'
            f" example, got error={error!r}"
        )
    if error == "auto" and loss is None:
        raise ConfigError(
            "error must be a function for a model compiled without a loss, got error='auto'"
        )


def meaning(error: str | ErrorFunction, loss: Any) -> str:
    """In words, which error is measured.

    >>> meaning("auto", "mse"), meaning("auto", "binary_crossentropy")
    ('squared difference of label and prediction', 'share of examples with a wrong label')
    """
    if callable(error):
        return f"mean of {getattr(error, '__name__', type(error).__name__)}"
    if losses.kind(loss) == "number":
        return "squared difference of label and prediction"
    return "share of examples with a wrong label"


def warn_of_classes(y: np.ndarray, loss: Any) -> None:
    """Say so where labels may be classes that "auto" takes for numbers, as with a user's own loss.

    Args:
        y: labels of shape (examples, ...).
        loss: compiled.
    """
    if losses.kind(loss) != "number" or losses.of_numbers(loss):
        return
    values = np.unique(y)
    if len(values) <= MOST_CLASSES and np.all(values == np.round(values)):
        warnings.warn(
            f"the error is the squared difference with the loss {loss!r}; if its labels are"
            " classes, give error=, a function of (y_true, y_pred)",
            stacklevel=2,
        )


def per_example_errors(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    *,
    loss: Any = None,
    error: str | ErrorFunction = "auto",
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """The error of each example.

    Args:
        y_true: array of shape (examples, ...), labels as the loss takes them.
        y_pred: array of shape (examples, ...), what the model predicts.
        loss: decides what "auto" is; a function, a ``keras.losses.Loss`` or the name of one.
        error: as for ``measure``.
        mask: boolean array of shape (examples, ...), False where a position doesn't count, as
            padding; an error function is given everything.

    Returns:
        float64 array of shape (examples,). An example with several positions (a sequence, an image
        of classes, several numbers) counts with the mean over them; one that is masked as a whole
        is left out.

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
            hint = "; a loss needs reduction=None" if isinstance(error, keras.losses.Loss) else ""
            raise ConfigError(
                f"error must give one number for each of {len(y_true)} examples, got shape"
                f" {values.shape}{hint}"
            )
        return values
    return _automatic(y_true, y_pred, loss, mask)


def predictions(
    model: Any,
    x: Any,
    batch_size: int = BATCH_SIZE,
    output: Output = ONLY,
    device: OnDevice | None = None,
) -> np.ndarray:
    """What the model predicts for each example, as an array of shape (examples, ...).

    The last batch is filled up with the first examples, so that all calls have one shape and
    the model is traced once. ``predict`` itself isn't used: on torch its data loader draws from
    the random state that shuffles the training examples.
    """
    count = len(keras.tree.flatten(x)[0])
    size = min(batch_size, count)
    batches = filled_batches(x, size) if device is None else device.batches(x, size)
    parts = [
        _single(model.predict_on_batch(batch), output)[: count - start]
        for start, batch in zip(range(0, count, size), batches, strict=True)
    ]
    return np.concatenate(parts)


def _single(predicted: Any, output: Output) -> np.ndarray:
    leaves = keras.tree.flatten(output.of(predicted, "prediction"))
    if len(leaves) != 1:
        raise ConfigError(
            f"output must be one array, got output={output.wanted!r}, which has {len(leaves)}"
        )
    values = np.asarray(leaves[0])
    return values if values.dtype == "float64" else values.astype("float32", copy=False)


def _automatic(
    y_true: np.ndarray, y_pred: np.ndarray, loss: Any, mask: np.ndarray | None
) -> np.ndarray:
    kind = losses.kind(loss)
    if kind == "sparse":
        chosen = y_pred.argmax(axis=-1)
        if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
            y_true = y_true[..., 0]
        _same_shape(y_true, chosen, loss)
        return masks.mean_of_each(chosen != y_true, mask)
    y_true, y_pred = losses.aligned(y_true, y_pred)
    _same_shape(y_true, y_pred, loss)
    if kind == "categorical":
        return masks.mean_of_each(y_pred.argmax(axis=-1) != y_true.argmax(axis=-1), mask)
    if kind == "binary":
        wrong = (y_pred > (0.0 if losses.from_logits(loss) else 0.5)) != (y_true > 0.5)
        return np.asarray(masks.mean_of_each(wrong, mask) > 0, dtype="float64")
    return masks.mean_of_each((y_pred.astype("float64") - y_true) ** 2, mask)


def _same_shape(y_true: np.ndarray, y_pred: np.ndarray, loss: Any) -> None:
    if losses.kind(loss) == "sparse" and y_true.ndim == y_pred.ndim + 1:
        raise ConfigError(
            f"labels must be class numbers for the loss {loss!r}, got shape {y_true.shape}: for"
            " one-hot labels compile with CategoricalCrossentropy"
        )
    if y_true.shape != y_pred.shape:
        raise ConfigError(
            f"error must be a function for the loss {loss!r}: 'auto' can't compare labels of shape"
            f" {y_true.shape} with predictions of shape {y_pred.shape}"
        )
