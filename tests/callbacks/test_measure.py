"""Errors and costs against loops over single examples."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from keras_ext.callbacks.measure import (
    measure,
    per_example_errors,
    predictions,
    warn_of_classes,
)
from keras_ext.diagnosis import ErrorEstimate
from keras_ext.errors import ConfigError, DivergedError


def model_of(*layers, inputs=4, **compiled):
    model = keras.Sequential([keras.Input((inputs,)), *layers])
    model.compile(**compiled)
    return model


def test_error_and_cost_are_those_of_inference_one_example_at_a_time(rng):
    model = model_of(
        keras.layers.Dense(16, activation="relu", kernel_regularizer="l2"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.9),
        keras.layers.Dense(3, activation="softmax"),
        loss="sparse_categorical_crossentropy",
    )
    x, y = rng.normal(size=(57, 4)).astype("float32"), rng.integers(0, 3, size=57)
    estimate, cost = measure(model, (x, y), batch_size=10)
    one = [model(x[i : i + 1], training=False)[0] for i in range(57)]
    single = [np.asarray(keras.ops.convert_to_numpy(p)) for p in one]
    assert estimate == ErrorEstimate.from_values(
        [p.argmax() != t for p, t in zip(single, y, strict=True)]
    )
    assert cost == pytest.approx(
        np.mean([-np.log(p[t]) for p, t in zip(single, y, strict=True)]),
        rel=1e-4,  # On a GPU products of matrices are those of TF32.
    )


@pytest.mark.parametrize("count", [1, 9, 10, 11, 25])
def test_all_calls_have_one_shape_and_no_row_is_lost(count):
    shapes = []

    class Twice(keras.Model):
        def predict_on_batch(self, x):
            shapes.append(x.shape)
            return 2 * x

    x = np.arange(count, dtype="float32")[:, None]
    np.testing.assert_array_equal(predictions(Twice(), x, batch_size=10), 2 * x)
    assert set(shapes) == {(min(count, 10), 1)}


@pytest.mark.parametrize(
    "compiled", [{"jit_compile": False}, {"jit_compile": True, "steps_per_execution": 4}]
)
def test_the_model_is_traced_once(rng, compiled):
    traces, backend = [], keras.backend.backend()

    class Counting(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            traces.append(x.shape)
            return self.dense(x)

    model = Counting()
    # Keras on torch has no steps_per_execution, and torch.compile needs a C++ compiler.
    model.compile(loss="mse", **(compiled if backend != "torch" else {}))
    data = rng.normal(size=(50, 4)).astype("float32"), rng.normal(size=50)
    measure(model, data, batch_size=16)
    seen = len(traces)
    measure(model, data, batch_size=16)
    # Where nothing is compiled the model's Python code runs each time, in the same shape at least.
    if backend == "tensorflow" or (backend == "jax" and compiled["jit_compile"]):
        assert len(traces) == seen
    assert {shape[0] for shape in traces[seen:]} <= {16}


def test_one_hot_labels(rng):
    p, labels = rng.dirichlet(np.ones(5), size=40), rng.integers(0, 5, size=40)
    values = per_example_errors(np.eye(5)[labels], p, loss="categorical_crossentropy")
    np.testing.assert_array_equal(values, [p[i].argmax() != labels[i] for i in range(40)])


def test_binary_threshold_is_half_or_0_for_logits(rng):
    logits, y = rng.normal(size=(40, 1)), rng.integers(0, 2, size=40)
    expected = [(logits[i, 0] > 0) != y[i] for i in range(40)]
    scores = keras.losses.BinaryCrossentropy(from_logits=True)
    np.testing.assert_array_equal(per_example_errors(y, logits, loss=scores), expected)
    sigmoid = 1 / (1 + np.exp(-logits))
    found = per_example_errors(y, sigmoid, loss="binary_crossentropy")
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(per_example_errors(y, logits, loss="binary_crossentropy"), expected)


def test_multi_label_counts_only_all_right(rng):
    p, y = rng.uniform(size=(60, 3)), rng.integers(0, 2, size=(60, 3))
    expected = [any((p[i, j] > 0.5) != y[i, j] for j in range(3)) for i in range(60)]
    found = per_example_errors(y, p, loss="binary_crossentropy")
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.mean() < 1


def test_sequences_count_with_their_share_of_wrong_positions():
    p = np.eye(3)[[[0, 1, 2, 0], [1, 1, 1, 1]]]
    y = np.array([[0, 1, 2, 1], [0, 0, 1, 0]])
    found = per_example_errors(y, p, loss="sparse_categorical_crossentropy")
    np.testing.assert_array_equal(found, [0.25, 0.75])


def test_regression_squares_and_never_broadcasts(rng):
    y, p = rng.normal(size=30), rng.normal(size=(30, 1))
    np.testing.assert_allclose(per_example_errors(y, p, loss="mae"), (y - p[:, 0]) ** 2)
    two = rng.normal(size=(30, 2))
    found = per_example_errors(np.zeros((30, 2)), two, loss="mse")
    np.testing.assert_allclose(found, (two[:, 0] ** 2 + two[:, 1] ** 2) / 2)


def test_an_error_of_ones_own(rng):
    y, p = rng.normal(size=30).astype("float32"), rng.normal(size=30).astype("float32")

    def absolute(y_true, y_pred):
        return keras.ops.abs(keras.ops.subtract(y_true, y_pred))

    np.testing.assert_allclose(per_example_errors(y, p, error=absolute), np.abs(y - p))


def test_a_mean_is_no_per_example_error():
    with pytest.raises(ConfigError, match=r"one number for each of 4 examples, got shape \(\)"):
        per_example_errors(np.zeros(4), np.ones(4), error=lambda y, p: np.mean(y - p))


@pytest.mark.parametrize("error", ["auc", "accuracy", 3, None])
def test_errors_by_name_are_refused(error):
    with pytest.raises(ConfigError, match="error="):
        per_example_errors(np.zeros(4), np.ones(4), loss="mse", error=error)


def test_labels_that_do_not_fit_the_predictions():
    def own_loss(y_true, y_pred):
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    with pytest.raises(ConfigError, match=r"own_loss.*shape \(4,\).*shape \(4, 3\)"):
        per_example_errors(np.zeros(4), np.ones((4, 3)), loss=own_loss)
    sparse = "sparse_categorical_crossentropy"
    with pytest.raises(ConfigError, match=r"class numbers .* got shape \(4, 3\): .*one-hot"):
        per_example_errors(np.eye(4)[:, :3], np.ones((4, 3)), loss=sparse)


def test_a_model_without_a_loss_has_an_error_but_no_cost():
    model = model_of(keras.layers.Dense(1))
    data = np.ones((5, 4)), np.zeros(5)
    with pytest.raises(ConfigError, match="error='auto'"):
        measure(model, data)
    estimate, cost = measure(model, data, error=lambda y, p: np.abs(y - p[:, 0]))
    assert estimate.count == 5
    assert cost is None


def test_several_outputs_are_refused():
    inputs = keras.Input((4,))
    outputs = [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)]
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse")
    with pytest.raises(ConfigError, match="output must name one of the 2 outputs"):
        measure(model, (np.ones((5, 4)), np.zeros(5)))


def test_predictions_that_are_not_finite_mean_divergence():
    model = model_of(keras.layers.Dense(1), loss="mse")
    model.layers[0].bias.assign([np.nan])
    with pytest.raises(DivergedError, match=r"5 of 5 examples are not finite.*learning rate"):
        measure(model, (np.ones((5, 4)), np.zeros(5)))


def test_batch_size_is_checked():
    with pytest.raises(ConfigError, match="batch_size=0"):
        measure(model_of(keras.layers.Dense(1), loss="mse"), ([], []), batch_size=0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_predictions(rng, policy):
    model = model_of(keras.layers.Dense(3, activation="softmax", dtype=policy), loss="mse")
    assert predictions(model, np.ones((3, 4), "float32")).dtype == np.float32
    estimate, cost = measure(model, (rng.normal(size=(9, 4)), np.zeros((9, 3))))
    assert cost == pytest.approx(estimate.error, rel=1e-3)


def padded(**compiled):
    """A model of sequences whose zeros are padding, and examples of 3 steps of 8."""
    model = keras.Sequential(
        [
            keras.Input((8,), dtype="int32"),
            keras.layers.Embedding(5, 4, mask_zero=True),
            keras.layers.Dense(3),
        ]
    )
    model.compile("sgd", **compiled)
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 5, (30, 8)), rng.integers(0, 3, (30, 8))
    x[:, 3:] = 0
    return model, x, y


def test_padding_counts_neither_in_the_error_nor_in_the_cost():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model, x, y = padded(loss=loss, weighted_metrics=["accuracy"])
    estimate, cost = measure(model, (x, y), batch_size=7)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert cost == pytest.approx(expected["loss"], rel=1e-5)
    assert estimate.error == pytest.approx(1 - expected["accuracy"], rel=1e-5)
    wrong = model.predict(x, verbose=0).argmax(-1) != y
    assert estimate.error == pytest.approx(wrong[:, :3].mean())
    assert estimate.error != pytest.approx(wrong.mean())


def test_an_example_of_padding_alone_is_left_out():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model, x, y = padded(loss=loss)
    x[:5] = 0
    assert measure(model, (x, y))[0].count == 25


@pytest.mark.parametrize(
    ("loss", "labels", "warned"),
    [
        ("hinge", np.array([-1.0, 1.0]), True),
        (lambda y_true, y_pred: y_pred, np.array([0, 1, 2]), True),
        (lambda y_true, y_pred: y_pred, np.array([0.5, 1.0]), False),
        ("mse", np.array([0, 1, 2]), False),
        ("sparse_categorical_crossentropy", np.array([0, 1, 2]), False),
    ],
)
def test_labels_that_may_be_classes_are_asked_about(loss, labels, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_classes(labels, loss)
    assert ["give error=" in str(item.message) for item in caught] == [True] * warned
