"""The gradient of the cost with respect to what a model is called with."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from keras_ext.errors import ConfigError
from keras_ext.gradients import check_input_gradients


def _frozen() -> keras.Model:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="tanh")])
    model.trainable = False
    model.compile(loss="mse")
    return model


def test_it_is_the_gradient_of_the_formula(batch) -> None:
    """Of the mean of squares behind tanh, for a model without trainable weights."""
    model, x, y = _frozen(), batch[0].astype("float64"), np.zeros((6, 3))
    (row,) = check_input_gradients(model, x, y, method="exhaustive").variables
    kernel, bias = (np.asarray(weight, dtype="float64") for weight in model.get_weights())
    out = np.tanh(x @ kernel + bias)
    expected = (2 / 18 * out * (1 - out**2)) @ kernel.T
    assert (row.path, row.shape, row.status) == ("x", (6, 5), "ok")
    assert row.analytic == pytest.approx(expected[row.worst_index], rel=1e-9)
    assert row.numeric == pytest.approx(expected[row.worst_index], rel=1e-6)


def test_only_floats_have_one(rng: np.random.Generator) -> None:
    image, place = keras.Input((4,), name="image"), keras.Input((2,), name="place", dtype="int32")
    where = layers.Flatten()(layers.Embedding(5, 3)(place))
    outputs = layers.Dense(2)(layers.Concatenate()([image, where]))
    model = keras.Model({"image": image, "place": place}, outputs)
    x = {"image": rng.normal(size=(6, 4)), "place": rng.integers(0, 5, (6, 2))}
    report = check_input_gradients(model, x, np.ones((6, 2)), loss="mse")
    assert [(row.path, row.status) for row in report.variables] == [("x['image']", "ok")]
    words = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(5, 3)])
    with pytest.raises(ConfigError, match="x must hold floats"):
        check_input_gradients(words, x["place"], np.ones((6, 2, 3)), loss="mse")


def test_a_wrong_one_is_named_with_its_example(faults, batch) -> None:
    class Third(layers.Layer):
        """Wrong for the fourth example alone."""

        def call(self, x):
            factors = np.ones((6, 1))
            factors[3] = -1.0
            return faults.with_gradient(x, keras.ops.cast(factors, x.dtype))

    model = keras.Sequential([keras.Input(batch_shape=(6, 5)), Third(), layers.Dense(3)])
    model.compile(loss="mse")
    report = check_input_gradients(model, batch[0], np.ones((6, 3)))
    assert report.variables[0].status == "wrong"
    assert report.variables[0].worst_index[0] == 3
    assert "x, element (3, " in report.summary()
