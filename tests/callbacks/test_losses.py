"""What is read off a compiled loss."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest

from keras_ext.callbacks.losses import aligned, compiled_loss, from_logits, kind, mean_cost
from keras_ext.errors import ConfigError


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("sparse_categorical_crossentropy", "sparse"),
        (keras.losses.SparseCategoricalCrossentropy(), "sparse"),
        (partial(keras.losses.sparse_categorical_crossentropy, from_logits=True), "sparse"),
        ("categorical_crossentropy", "categorical"),
        ("CategoricalFocalCrossentropy", "categorical"),
        (keras.losses.binary_crossentropy, "binary"),
        ("BinaryFocalCrossentropy", "binary"),
        ("mse", "number"),
        (keras.losses.Huber(), "number"),
        (lambda y_true, y_pred: y_pred, "number"),
    ],
)
def test_kind(loss, expected):
    assert kind(loss) == expected


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (keras.losses.BinaryCrossentropy(from_logits=True), True),
        (keras.losses.BinaryFocalCrossentropy(from_logits=True), True),
        (keras.losses.BinaryCrossentropy(), False),
        ("binary_crossentropy", False),
        (partial(keras.losses.binary_crossentropy, from_logits=True), True),
    ],
)
def test_from_logits(loss, expected):
    assert from_logits(loss) is expected


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        "mean_absolute_error",
        keras.losses.Huber(delta=0.3),
        keras.losses.MeanSquaredError(reduction="sum"),
        keras.losses.MeanSquaredError(reduction=None),
    ],
)
def test_cost_of_numbers_is_the_mean_whatever_the_reduction(loss, rng):
    y, p = rng.normal(size=50), rng.normal(size=(50, 1))
    same = keras.losses.Huber(delta=0.3) if isinstance(loss, keras.losses.Huber) else None
    loop = [
        float(same(y[i : i + 1], p[i]))
        if same
        else abs(y[i] - p[i, 0])
        if loss == "mean_absolute_error"
        else (y[i] - p[i, 0]) ** 2
        for i in range(50)
    ]
    assert mean_cost(loss, y, p) == pytest.approx(np.mean(loop), rel=1e-5)


def test_cost_of_classes(rng):
    p = rng.dirichlet(np.ones(4), size=30)
    y = rng.integers(0, 4, size=30)
    expected = -np.mean([np.log(p[i, y[i]]) for i in range(30)])
    for labels in (y, y[:, None]):
        cost = mean_cost("sparse_categorical_crossentropy", labels, p)
        assert cost == pytest.approx(expected, rel=1e-5)
    assert mean_cost("categorical_crossentropy", np.eye(4)[y], p) == pytest.approx(
        expected, rel=1e-5
    )


def test_a_cost_that_is_no_number_is_infinite():
    assert mean_cost("mse", np.zeros(2), np.array([np.nan, 0.0])) == np.inf


def test_shapes_that_differ_by_a_last_axis_are_aligned():
    column, row = np.zeros((5, 1)), np.zeros(5)
    assert [part.shape for part in aligned(row, column)] == [(5, 1), (5, 1)]
    assert [part.shape for part in aligned(column, row)] == [(5,), (5,)]
    assert [part.shape for part in aligned(row, np.zeros((5, 3)))] == [(5,), (5, 3)]


def test_compiled_loss():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert compiled_loss(model) is None
    model.compile(loss=["mse"])
    assert compiled_loss(model) is keras.losses.get("mse")
    model.compile(loss={"a": "mse", "b": "mae"})
    listed = "2 outputs of which there is a loss, 'a', 'b', got output=None"
    with pytest.raises(ConfigError, match=listed):
        compiled_loss(model)
