"""Metrics that can't be the error of an example, and what to measure instead of each."""

from __future__ import annotations

import inspect
from typing import Any

import keras

_NO_MEAN = "it is no mean over examples; use "
_SQUARES = _NO_MEAN + "the squared error of each (error=keras.losses.mean_squared_error)"
_RANKS = _NO_MEAN + "'auto', or a function such as the squared error of each probability (Brier)"
_COUNTS = _NO_MEAN + "'auto', and for one class alone only its examples as data"
_OVERLAP = _NO_MEAN + "the share of wrong positions of each, which is 'auto' for cross-entropies"
_RIGHT = "it counts what is right; use 'auto', which counts what is wrong"
_TOP_K = "it counts what is right; use a function that gives 1 minus it for each example"
_ANY = "it is one number for all examples; use a function that gives one for each"

# What to say of a metric -> those names, in lower case, without "_" and without "score" at the end.
_NAMES = {
    _SQUARES: "r2 explainedvariance rootmeansquarederror rmse pearsoncorrelation"
    " concordancecorrelation pearsonr medianabsoluteerror",
    _RANKS: "auc rocauc prauc averageprecision precisionatrecall recallatprecision"
    " sensitivityatspecificity specificityatsensitivity",
    _COUNTS: "f1 fbeta precision recall truepositives truenegatives falsepositives falsenegatives"
    " balancedaccuracy cohenkappa matthewscorrcoef mcc",
    _OVERLAP: "iou meaniou binaryiou onehotiou onehotmeaniou jaccard",
    _RIGHT: "acc accuracy binaryaccuracy categoricalaccuracy sparsecategoricalaccuracy",
    _TOP_K: "topkcategoricalaccuracy sparsetopkcategoricalaccuracy topkaccuracy",
}
_ADVICE = {name: advice for advice, names in _NAMES.items() for name in names.split()}

# Means over examples, by the function of keras.losses that gives the number of each.
_MEANS = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "logcosherror": "log_cosh",
    "bce": "binary_crossentropy",
}


def instead(error: Any) -> str | None:
    """Why a metric can't be used as an error, and what can; None for what isn't known as one.

    Args:
        error: the name of a metric, a ``keras.metrics.Metric``, its class, or a function that is
            known by its name, such as scikit-learn's ``roc_auc_score``.

    >>> instead("accuracy")
    "it counts what is right; use 'auto', which counts what is wrong"
    >>> instead("mae")
    'use the function that gives it for each example: error=keras.losses.mean_absolute_error'
    >>> instead(keras.losses.mean_absolute_error) is None
    True
    """
    name = _plain(_name(error))
    if name in _ADVICE:
        return _ADVICE[name]
    if not (isinstance(error, str) or _is_metric(error)):
        return None
    function = _MEANS.get(name) or _function(name)
    if function:
        return f"use the function that gives it for each example: error=keras.losses.{function}"
    return _ANY if _is_metric(error) else None


def _is_metric(error: Any) -> bool:
    kind = error if inspect.isclass(error) else type(error)
    return issubclass(kind, keras.metrics.Metric)


def _name(error: Any) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, keras.metrics.Metric):
        return type(error).__name__
    return str(getattr(error, "__name__", ""))


def _plain(name: str) -> str:
    return name.lower().replace("_", "").removesuffix("score")


def _function(plain: str) -> str | None:
    """The function of keras.losses of that name."""
    functions = {_plain(name): name for name, _ in inspect.getmembers(keras.losses)}
    found = functions.get(plain)
    return found if found and inspect.isfunction(getattr(keras.losses, found)) else None
