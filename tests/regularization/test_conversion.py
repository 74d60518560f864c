import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_ext.errors import ConfigError
from keras_ext.regularization import L2, Dropout, adjustable, frozen, knobs, strengths

STOCK_L2 = keras.regularizers.L2
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(8, 6, 6, 1)).astype("float32")
ROWS = RNG.normal(size=(8, 3)).astype("float32")


def convnet(dropout, l2):
    """A model with all that a config alone doesn't hold: adapted and moving statistics."""
    normalization = keras.layers.Normalization(axis=-1)
    normalization.adapt(3 * IMAGES + 1)
    features = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=l2(0.01)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.ReLU(),
            dropout(0.2),
            keras.layers.Flatten(),
        ],
        name="features",
    )
    inputs = keras.Input((6, 6, 1))
    head = keras.layers.Dense(3, kernel_regularizer=l2(0.02), name="head")
    outputs = head(dropout(0.4, name="drop")(features(normalization(inputs))))
    model = keras.Model(inputs, outputs, name="convnet")
    model.compile("adam", "mse")
    model.train_on_batch(IMAGES, ROWS)
    return model


def outputs_of(model, x=ROWS):
    return ops.convert_to_numpy(model(x, training=False))


def classes(model):
    return {type(layer) for layer in strengths.walk(model)}


def penalty(model):
    return sum(float(ops.convert_to_numpy(loss)) for loss in model.losses)


def state(model):
    return [variable.numpy().copy() for variable in model.variables]


def assert_same(before, after):
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def dense(l2, units=3, **options):
    return keras.layers.Dense(units, kernel_regularizer=l2, **options)


@pytest.fixture(scope="module")
def live():
    return convnet(Dropout, L2)


def test_frozen_is_stock_and_predicts_the_same_bit_for_bit(live):
    before = state(live)
    stock = frozen(live)
    assert all(kind.__module__.startswith("keras.") for kind in classes(stock))
    assert not stock.compiled
    assert (stock.name, len(stock.layers)) == (live.name, len(live.layers))
    expected = live.predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(stock.predict(IMAGES, verbose=0), expected)
    assert np.std(expected) > 0
    assert_same(before, state(live))
    assert live.compiled


def test_frozen_has_the_strengths_at_present(live):
    found = knobs(live)
    found["dropout"].value, found["l2"].value = (0.1, 0.7), (0.5, 0.25)
    stock = frozen(live)
    assert stock.get_layer("drop").rate == 0.7
    assert stock.get_layer("features").layers[3].rate == 0.1
    assert stock.get_layer("head").kernel_regularizer.l2 == 0.25
    assert penalty(stock) == pytest.approx(penalty(live), rel=1e-6)


def test_adjustable_is_the_way_back():
    stock = convnet(keras.layers.Dropout, STOCK_L2)
    before = state(stock)
    model = adjustable(stock)
    assert {name: knob.value for name, knob in knobs(model).items()} == {
        "dropout": (0.2, 0.4),
        "l2": (0.01, 0.02),
    }
    assert not model.compiled
    expected = outputs_of(stock, IMAGES)
    np.testing.assert_array_equal(outputs_of(model, IMAGES), expected)
    assert penalty(model) == pytest.approx(penalty(stock), rel=1e-6)
    np.testing.assert_array_equal(outputs_of(frozen(model), IMAGES), expected)
    assert_same(before, state(stock))


def test_an_adjustable_model_trains_with_knobs_that_move():
    layers = [keras.Input((3,)), dense(STOCK_L2(0.5), 4), keras.layers.Dropout(0.5)]
    model = adjustable(keras.Sequential(layers))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    targets = np.zeros((8, 4), dtype="float32")
    for knob in knobs(model).values():
        knob.value = 0
    plain = np.mean(outputs_of(model) ** 2)
    assert float(model.train_on_batch(ROWS, targets)) == pytest.approx(plain, rel=1e-5)
    knobs(model)["l2"].value = 1.0
    penalised = plain + np.sum(model.layers[0].get_weights()[0] ** 2)
    assert float(model.train_on_batch(ROWS, targets)) == pytest.approx(penalised, rel=1e-5)


def test_neither_model_feels_the_others_training():
    layers = [keras.Input((3,)), dense(L2(0.1)), keras.layers.BatchNormalization(), Dropout(0.2)]
    model = keras.Sequential(layers)
    stock = frozen(model)
    for trained, other in ((stock, model), (model, stock)):
        trained.compile(keras.optimizers.SGD(0.1), "mse")
        own, before = outputs_of(trained), outputs_of(other)
        trained.fit(ROWS, ROWS, epochs=2, verbose=0)
        np.testing.assert_array_equal(outputs_of(other), before)
        assert not np.array_equal(outputs_of(trained), own)


@pytest.mark.slow
def test_a_frozen_model_needs_no_keras_ext_where_it_is_used(live, tmp_path):
    frozen(live).save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", IMAGES)
    code = """
import sys
import keras, numpy
model = keras.saving.load_model("model.keras")
numpy.save("y.npy", model.predict(numpy.load("x.npy"), verbose=0))
assert not any(name.startswith("keras_ext") for name in sys.modules)
"""
    outside = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=outside, check=True, timeout=300)
    # To rounding: the other process may compute with another library.
    again, expected = np.load(tmp_path / "y.npy"), live.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(again, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_kept(policy):
    layers = [dense(L2(0.1), dtype=policy), Dropout(0.5, dtype=policy)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    stock = frozen(model)
    assert [layer.dtype_policy.name for layer in stock.layers] == [policy, policy]
    np.testing.assert_array_equal(outputs_of(stock), outputs_of(model))


def test_adjustable_leaves_alone_what_can_not_move():
    inputs = keras.Input((4, 3))
    attention = keras.layers.MultiHeadAttention(1, 2, dropout=0.1, kernel_regularizer=STOCK_L2(0.1))
    x = keras.layers.SpatialDropout1D(0.5)(attention(inputs, inputs))
    l1l2 = keras.regularizers.L1L2(0.1, 0.2)
    x = keras.layers.Dense(2, activity_regularizer=STOCK_L2(0.1), kernel_regularizer=l1l2)(x)
    model = keras.Model(inputs, x)
    assert knobs(adjustable(model)) == {}


def test_adjustable_refuses_a_dropout_of_everything():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(1.0, name="all")])
    with pytest.raises(ConfigError, match="layer 'all' drops every input"):
        adjustable(model)
