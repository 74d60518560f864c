"""The one place where test labels are read."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from keras_ext.callbacks import measure
from keras_ext.callbacks.measure import predictions
from keras_ext.records import Arrays, Mistake, Mistakes, RunResult, Splits

WORST = 16
BATCH = 1000


def open_test(result: RunResult, splits: Splits) -> RunResult:
    """Judge the kept model on the test examples: once, after everything else has been decided.

    Args:
        result: of ``run`` or ``improve``, with its model.
        splits: the same splits.

    Returns:
        The result with ``errors["test"]`` and, for classes, the mistakes that are left.
    """
    x, y = splits.test.x, np.asarray(splits.test.y)
    estimate, _ = measure(result.model, (x, y))
    found = mistakes(result.model, replace(splits.test, y=y)) if splits.test.classes else None
    return replace(result, errors={**result.errors, "test": estimate}, mistakes=found)


def mistakes(model: keras.Model, arrays: Arrays, *, worst: int = WORST) -> Mistakes:
    """The confusion matrix and the errors made with the greatest confidence.

    Args:
        model: puts out logits of shape (examples, classes).
        arrays: examples with class numbers.
        worst: how many single mistakes are kept.
    """
    logits = predictions(model, arrays.x, BATCH)
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits)).astype("float64")
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(arrays.classes),) * 2, dtype=int)
    np.add.at(confusion, (arrays.y, predicted), 1)
    wrong = np.flatnonzero(predicted != arrays.y)
    order = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")]
    is_image = arrays.x.ndim == 4 and arrays.x.dtype == np.uint8
    return Mistakes(
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        worst=tuple(
            Mistake(
                row=int(row),
                label=int(arrays.y[row]),
                predicted=int(predicted[row]),
                probabilities=tuple(float(p) for p in probabilities[row]),
                image=np.asarray(arrays.x[row]) if is_image else None,
            )
            for row in order[:worst]
        ),
        classes=arrays.classes,
    )
