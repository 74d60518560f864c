"""Metrics are refused by name, with what to use instead, and per-example errors are not."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest

from keras_ext.callbacks.measure import check_error, per_example_errors
from keras_ext.callbacks.metrics import instead
from keras_ext.errors import ConfigError

METRICS = [
    kind
    for _, kind in inspect.getmembers(keras.metrics, inspect.isclass)
    if issubclass(kind, keras.metrics.Metric)
]


def roc_auc_score(y_true, y_score):
    """By the name under which scikit-learn has it."""
    return 0.9


def r2_score(y_true, y_pred):
    return 0.9


def test_every_metric_of_keras_is_refused():
    assert len(METRICS) > 40
    for kind in METRICS:
        assert instead(kind), kind
    for metric in (keras.metrics.AUC(), keras.metrics.F1Score(), keras.metrics.MeanSquaredError()):
        assert instead(metric) == instead(type(metric))


class Own(keras.metrics.Metric):
    """One that nobody knows."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("auc", "no mean over examples; use 'auto'"),
        ("AUC", "no mean over examples; use 'auto'"),
        (keras.metrics.AUC, "no mean over examples; use 'auto'"),
        (roc_auc_score, "no mean over examples; use 'auto'"),
        ("f1_score", "for one class alone only its examples"),
        (keras.metrics.F1Score, "for one class alone only its examples"),
        ("Precision", "for one class alone only its examples"),
        ("r2", "error=keras.losses.mean_squared_error"),
        (r2_score, "error=keras.losses.mean_squared_error"),
        (keras.metrics.RootMeanSquaredError, "error=keras.losses.mean_squared_error"),
        ("MeanIoU", "share of wrong positions"),
        ("accuracy", "use 'auto', which counts what is wrong"),
        (keras.metrics.sparse_categorical_accuracy, "use 'auto', which counts what is wrong"),
        (keras.metrics.sparse_top_k_categorical_accuracy, "1 minus it"),
        ("mae", "error=keras.losses.mean_absolute_error"),
        (keras.metrics.CategoricalCrossentropy, "error=keras.losses.categorical_crossentropy"),
        (keras.metrics.KLDivergence, "error=keras.losses.kl_divergence"),
        (Own, "one number for all examples"),
    ],
)
def test_refused_by_name_with_what_to_use(error, message):
    with pytest.raises(ConfigError) as raised:
        check_error(error, "mse")
    assert f"got error={error!r}: " in str(raised.value)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("metric", [keras.metrics.AUC, keras.metrics.R2Score, Own])
def test_an_object_is_refused_and_not_called(metric):
    metric = metric()
    before = [variable.numpy().copy() for variable in metric.variables]
    with pytest.raises(ConfigError, match="error=<"):
        per_example_errors(np.zeros(4), np.ones(4), error=metric)
    for old, variable in zip(before, metric.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


@pytest.mark.parametrize("name", ["mean_absolute_error", "mean_squared_error", "huber"])
def test_what_it_says_to_use_works(name, rng):
    y, p = rng.normal(size=20), rng.normal(size=(20, 1))
    function = getattr(keras.losses, name)
    assert instead(function) is None
    values = per_example_errors(y, p, error=function)
    alone = [float(function(y[i : i + 1, None], p[i : i + 1])[0]) for i in range(20)]
    np.testing.assert_allclose(values, alone, rtol=1e-5)


def test_a_loss_object_must_not_take_the_mean():
    with pytest.raises(ConfigError, match=r"got shape \(\); a loss needs reduction=None"):
        per_example_errors(np.zeros((4, 1)), np.ones((4, 1)), error=keras.losses.MeanSquaredError())
    each = keras.losses.MeanSquaredError(reduction=None)
    np.testing.assert_array_equal(
        per_example_errors(np.zeros((4, 1)), np.full((4, 1), 2.0), error=each), [4.0] * 4
    )
