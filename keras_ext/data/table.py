"""The real tables that come with scikit-learn; no network is needed."""

from __future__ import annotations

import numpy as np

from keras_ext.data._require import require
from keras_ext.errors import DataError
from keras_ext.records import Arrays

TABLES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def load_table(name: str) -> Arrays:
    """One of "breast_cancer", "diabetes" (regression), "digits", "iris" and "wine".

    Returns:
        x: float32 of shape (examples, features), in the units of the table.
        y: int32 class numbers, or float32 values for regression.

    Raises:
        DataError: for another name.
        MissingExtraError: without scikit-learn.

    >>> load_table("breast_cancer").x.shape
    (569, 30)
    """
    if name not in TABLES:
        raise DataError(f"scikit-learn comes with {', '.join(TABLES)}, got name={name!r}")
    sets = require("sklearn.datasets", extra="tuner", package="scikit-learn")
    table = getattr(sets, f"load_{name}")()
    regression = name == "diabetes"
    y = table.target.astype(np.float32 if regression else np.int32)
    classes = () if regression else tuple(str(label) for label in table.target_names)
    return Arrays(table.data.astype(np.float32), y, name, classes)
