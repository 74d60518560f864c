"""Labels and the loss that takes them: what fits, what doesn't, and what would."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError

# Losses of class labels; all others compare numbers.
_CLASSIFICATION: dict[str, tuple[Any, ...]] = {
    "sparse": (
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.sparse_categorical_crossentropy,
    ),
    "categorical": (
        keras.losses.CategoricalCrossentropy,
        keras.losses.CategoricalFocalCrossentropy,
        keras.losses.categorical_crossentropy,
        keras.losses.categorical_focal_crossentropy,
    ),
    "binary": (
        keras.losses.BinaryCrossentropy,
        keras.losses.BinaryFocalCrossentropy,
        keras.losses.binary_crossentropy,
        keras.losses.binary_focal_crossentropy,
    ),
}

Shape = tuple[int | None, ...]


def kind(loss: Any) -> str:
    """The labels that the loss is made for: "sparse", "categorical", "binary" or "number".

    >>> kind("binary_crossentropy"), kind(keras.losses.MeanSquaredError())
    ('binary', 'number')
    """
    loss = loss.func if isinstance(loss, partial) else keras.losses.get(loss)
    for name, members in _CLASSIFICATION.items():
        for member in members:
            if loss is member or (isinstance(member, type) and isinstance(loss, member)):
                return name
    return "number"


def goes_by_shape(loss: Any) -> bool:
    """Whether it is Keras's name for one of three losses, which goes by the shape of the labels.

    >>> goes_by_shape("CE"), goes_by_shape("mse")
    (True, False)
    """
    return isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")


def by_shape(labels: Shape, outputs: Shape) -> Any:
    """The loss that "crossentropy" stands for, as Keras's ``compile`` takes it.

    >>> by_shape((8,), (8, 3)).__name__, by_shape((8, 3), (8, 3)).__name__
    ('sparse_categorical_crossentropy', 'categorical_crossentropy')
    """
    if outputs[-1] == 1:
        return keras.losses.binary_crossentropy
    if len(labels) < len(outputs) or labels[-1] == 1:
        return keras.losses.sparse_categorical_crossentropy
    return keras.losses.categorical_crossentropy


def check_shape(loss: Any, labels: Shape, outputs: Shape) -> None:
    """Refuse labels that a loss of Keras would broadcast, or can't take.

    >>> check_shape("sparse_categorical_crossentropy", (8,), (8, 3))
    >>> check_shape("mse", (8,), (8, 1))

    Args:
        loss: a function or a ``keras.losses.Loss``; one of the user's may take any shape.
        labels, outputs: shapes with the batch as first axis; None where a side isn't known.

    Raises:
        ConfigError: saying which shape fits.
    """
    kinds = (loss if hasattr(loss, "__name__") else type(loss)) if loss is not None else None
    ours = isinstance(loss, str) or str(getattr(kinds, "__module__", "")).startswith("keras.")
    if not ours or None in labels or None in outputs:
        return
    fits = outputs[:-1] if kind(loss) == "sparse" and len(outputs) > 1 else outputs
    alike = {fits, (*fits, 1), fits[:-1] if fits[-1:] == (1,) else fits}
    if labels not in alike:
        raise ConfigError(
            f"y must have shape {fits} for outputs of shape {outputs} and the loss "
            f"{_name(loss)}, got y of shape {labels}"
        )


def check_classes(loss: Any, labels: Any, outputs: Shape) -> None:
    """Refuse class numbers that the outputs have no place for, which some backends let pass.

    Args:
        loss: as for ``check_shape``.
        labels: array or tensor of class numbers.
        outputs: shape whose last axis is the classes.

    Raises:
        ConfigError: naming the first that doesn't fit.
    """
    if kind(loss) != "sparse" or outputs[-1] is None:
        return
    labels = np.asarray(keras.ops.convert_to_numpy(labels)).ravel()
    ignored = getattr(loss, "ignore_class", None)
    fits = (labels >= 0) & (labels < outputs[-1]) & (labels == np.floor(labels))
    bad = labels[~fits & (labels != ignored if ignored is not None else True)]
    if bad.size:
        raise ConfigError(
            f"y must be class numbers from 0 to {outputs[-1] - 1} for {outputs[-1]} outputs and "
            f"the loss {_name(loss)}, got {bad[0]!s}"
        )


def random_labels(loss: Any, outputs: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Labels that fit the loss and the outputs.

    Args:
        loss: as ``compile`` takes it for one output.
        outputs: shape of the predictions, (examples, ...).
        rng: draws them.

    >>> random_labels("sparse_categorical_crossentropy", (4, 3), np.random.default_rng(0)).shape
    (4,)
    """
    labels = kind(by_shape(outputs[:-1], outputs) if goes_by_shape(loss) else loss)
    if labels == "sparse":
        return rng.integers(0, outputs[-1], outputs[:-1])
    if labels == "categorical":
        classes = rng.integers(0, outputs[-1], outputs[:-1])
        return np.eye(outputs[-1], dtype="float32")[classes]
    if labels == "binary":
        return rng.integers(0, 2, outputs).astype("float32")
    # Between 0 and 1 is a number for every loss, those of positive numbers and of shares included.
    return rng.uniform(0.0, 1.0, outputs).astype("float32")


def _name(loss: Any) -> str:
    if isinstance(loss, str):
        return loss
    return str(getattr(loss, "__name__", type(loss).__name__))
