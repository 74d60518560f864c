"""What a conversion keeps: all that the strengths don't touch, in models of every make."""

import copy
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext import models
from keras_ext.errors import ConfigError
from keras_ext.records import Augmentation, TrainConfig
from keras_ext.regularization import L2, Augment, Dropout, adjustable, frozen, knobs, strengths

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(8, 6)).astype("float32")
SERIES = RNG.normal(size=(4, 5, 6)).astype("float32")
IMAGES = RNG.uniform(0, 255, size=(4, 8, 8, 3)).astype("float32")
MOVES = Augmentation(flip="both", rotation=90, translation=0.2)


def outputs_of(model, x, training=False):
    results = model(x, training=training)
    return keras.tree.map_structure(ops.convert_to_numpy, results)


def assert_same(model, twin, x, training=False):
    keras.tree.map_structure(
        np.testing.assert_array_equal,
        outputs_of(twin, x, training),
        outputs_of(model, x, training),
    )


def strengths_of(model):
    return {name: knob.value for name, knob in knobs(model).items()}


STAY = [
    layers.SpatialDropout2D(0.3),
    layers.AlphaDropout(0.3),
    layers.GaussianDropout(0.3),
    layers.GaussianNoise(0.3),
    layers.ActivityRegularization(l2=0.1),
    layers.Conv2D(3, 3, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2)),
    layers.RandomFlip("horizontal"),
    layers.RandomContrast(0.3, value_range=(0, 255)),
]
WARPS = [layers.RandomRotation(0.2), layers.RandomZoom(0.2), layers.RandomTranslation(0.1, 0.1)]


@pytest.mark.parametrize(
    "layer",
    [*STAY, *(pytest.param(layer, marks=pytest.mark.tensorflow) for layer in WARPS)],
    ids=lambda layer: type(layer).__name__,
)
def test_what_has_no_live_counterpart_stays_and_draws_the_same(layer):
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    outputs_of(model, IMAGES, training=True)  # Its random state is no longer the first one.
    for convert in (adjustable, frozen):
        twin = convert(model)
        assert type(twin.layers[0]) is type(layer)
        assert twin.layers[0].get_config() == layer.get_config()
        assert knobs(twin) == {}
        assert_same(model, twin, IMAGES, training=True)


def test_dropout_inside_a_recurrent_layer_stays():
    model = keras.Sequential([keras.Input((5, 6)), layers.GRU(3, dropout=0.5)])
    twin = adjustable(model)
    assert twin.layers[0].dropout == 0.5
    assert knobs(twin) == {}
    assert_same(model, twin, SERIES)


def test_random_states_come_along():
    model = keras.Sequential([keras.Input((8, 8, 3)), Augment(MOVES), Dropout(0.5)])
    outputs_of(model, IMAGES, training=True)
    state = model.layers[1].seed_generator.state.numpy()
    stock = frozen(model)
    live = adjustable(stock)
    for twin in (stock, live):
        np.testing.assert_array_equal(twin.layers[1].seed_generator.state.numpy(), state)
    plain = keras.Sequential([keras.Input((8, 8, 3)), model.layers[1]])
    assert_same(plain, keras.Sequential(live.layers[1:]), IMAGES, training=True)


def siamese():
    """Two inputs by name through one encoder with moving statistics, two outputs by name."""
    encoder = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(4, kernel_regularizer="l2"),
            layers.BatchNormalization(momentum=0.5),
            layers.Dropout(0.2),
        ],
        name="encoder",
    )
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    drop = layers.Dropout(0.5, name="shared")
    codes = drop(encoder(left)), drop(encoder(right))
    outputs = {"difference": codes[0] - codes[1], "score": layers.Dense(1)(codes[0])}
    return keras.Model({"left": left, "right": right}, outputs)


def test_branches_that_share_layers_and_several_inputs_and_outputs():
    model = siamese()
    x = {"left": ROWS, "right": 2 * ROWS}
    outputs_of(model, x, training=True)  # Moves the statistics.
    twin = adjustable(model)
    assert strengths_of(twin) == {"dropout": (0.2, 0.5), "l2": 0.01}
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert len(twin.trainable_weights) == len(model.trainable_weights)
    assert_same(model, twin, x)
    assert_same(model, frozen(twin), x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Bidirectional(
            layers.LSTM(3, kernel_regularizer="l2", recurrent_regularizer="l2")
        ),
        lambda: layers.RNN([layers.LSTMCell(3, kernel_regularizer="l2"), layers.GRUCell(2)]),
        lambda: layers.TimeDistributed(layers.Dense(2, kernel_regularizer="l2")),
        lambda: layers.SpectralNormalization(layers.Dense(2, kernel_regularizer="l2")),
        lambda: layers.SeparableConv1D(
            2, 3, depthwise_regularizer="l2", pointwise_regularizer="l2", bias_regularizer="l2"
        ),
        lambda: layers.BatchNormalization(gamma_regularizer="l2", beta_regularizer="l2"),
    ],
    ids=["Bidirectional", "RNN", "TimeDistributed", "SpectralNormalization", "Separable", "Norm"],
)
def test_penalties_wherever_keras_takes_one(make):
    model = keras.Sequential([keras.Input((5, 6)), make(), layers.Dropout(0.1)])
    twin = adjustable(model)
    assert strengths_of(twin) == {"dropout": 0.1, "l2": 0.01}
    assert_same(model, twin, SERIES)
    one, other = (sum(float(ops.convert_to_numpy(x)) for x in m.losses) for m in (model, twin))
    assert one == pytest.approx(other, rel=1e-6)


def test_one_stock_penalty_given_to_two_layers_becomes_two():
    penalty = keras.regularizers.L2(0.1)
    dense = [layers.Dense(3, kernel_regularizer=penalty) for _ in range(2)]
    twin = adjustable(keras.Sequential([keras.Input((6,)), *dense]))
    knobs(twin)["l2"].value = (0.2, 0.3)
    assert [layer.kernel_regularizer.strength for layer in twin.layers] == [0.2, 0.3]


@pytest.mark.parametrize("convert", [adjustable, frozen])
def test_what_is_not_trained_stays_so(convert):
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(6)])
    inner.trainable = False
    model = keras.Sequential([keras.Input((6,)), inner, layers.Dense(6), layers.Dense(2)])
    model.layers[1].trainable = False
    twin = convert(model)
    assert [layer.trainable for layer in twin.layers] == [False, False, True]
    assert len(twin.trainable_weights) == 2


@pytest.mark.parametrize("convert", [adjustable, frozen])
def test_a_compiled_model_stays_compiled_and_its_twin_is_not(convert):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(6), layers.Dropout(0.1)])
    model.compile("adam", "mse")
    model.train_on_batch(ROWS, ROWS)
    before = [variable.numpy() for variable in model.optimizer.variables]
    twin = convert(model)
    assert (model.compiled, twin.compiled) == (True, False)
    twin.compile("adam", "mse")
    twin.train_on_batch(ROWS, ROWS)
    for one, other in zip(before, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other.numpy())


@pytest.mark.parametrize("way", ["saved", "cloned", "deepcopied"])
def test_an_adjustable_model_can_be_copied_in_every_way(way, tmp_path):
    twin = adjustable(siamese())
    knobs(twin)["dropout"].value = 0.4
    if way == "saved":
        twin.save(tmp_path / "twin.keras")
        again = keras.saving.load_model(tmp_path / "twin.keras")
    else:
        again = keras.models.clone_model(twin) if way == "cloned" else copy.deepcopy(twin)
    assert strengths_of(again) == {"dropout": 0.4, "l2": 0.01}
    if way != "cloned":  # A clone has weights of its own.
        assert_same(twin, again, {"left": ROWS, "right": -ROWS})


class Functional(keras.Model):
    """A user's class around a functional graph, for a training step of its own."""


def test_a_functional_model_of_a_users_class_keeps_the_class():
    inputs = keras.Input((6,))
    model = Functional(inputs, layers.Dropout(0.5)(layers.Dense(2)(inputs)))
    twin = adjustable(model)
    assert type(twin) is Functional
    assert strengths_of(twin) == {"dropout": 0.5}
    assert_same(model, twin, ROWS)


def test_a_model_without_weights_yet():
    model = keras.Sequential([layers.Dense(3, kernel_regularizer="l2"), layers.Dropout(0.2)])
    assert strengths_of(adjustable(model)) == {"dropout": 0.2, "l2": 0.01}


@pytest.mark.parametrize("convert", [adjustable, frozen])
def test_of_a_layer_that_can_not_be_made_anew_the_name_is_given(convert):
    inner = keras.Sequential([keras.Input((6,)), layers.Lambda(lambda x: 2 * x, name="double")])
    model = keras.Sequential([keras.Input((6,)), inner, layers.Dropout(0.1)])
    with pytest.raises(ConfigError, match=r"Lambda 'double' can't be rebuilt .* a Python lambda"):
        convert(model)


def augmenting(kind="convnet"):
    """A network of ours as it is trained, augmentation before its normalisation."""
    config = TrainConfig(model=kind, units=4, layers=1, dropout=0.2, l2=1e-3)
    normalizer = layers.Normalization(mean=[127.0] * 3, variance=[4000.0] * 3, dtype="float32")
    core = models.build(config, (8, 8, 3), 10, normalizer)
    return keras.Sequential([keras.Input((8, 8, 3), dtype="uint8"), Augment(MOVES), core])


@pytest.mark.parametrize("kind", ["convnet", "mlp"])
def test_frozen_leaves_no_augmentation(kind):
    model = augmenting(kind)
    images = IMAGES.astype("uint8")
    stock = frozen(model)
    assert type(stock.layers[0]) is layers.Identity
    assert stock.layers[0].name == model.layers[0].name
    assert stock.layers[0].output.dtype == "uint8"
    assert not any(isinstance(layer, Augment | Dropout | L2) for layer in strengths.walk(stock))
    assert_same(model, stock, images)
    live = adjustable(stock)
    assert strengths_of(model) == {"dropout": 0.2, "l2": 1e-3, "magnitude": 1.0}
    assert strengths_of(live) == {"dropout": 0.2, "l2": 1e-3}
    assert_same(model, live, images)
    assert strengths_of(adjustable(model)) == strengths_of(model)


@pytest.mark.parametrize(
    "policy",
    ["mixed_float16", "float16", pytest.param("float64", marks=pytest.mark.tensorflow)],
)
def test_frozen_augmentation_loses_no_digits_of_the_pixels(policy):
    keras.config.set_dtype_policy(policy)
    try:
        rest = layers.Rescaling(1.0, offset=-1000.25, dtype="float32")
        model = keras.Sequential([keras.Input((8, 8, 3)), Augment(MOVES), rest])
        images = (IMAGES + 1000).astype("float32")
        assert_same(model, frozen(model), images)
    finally:
        keras.config.set_dtype_policy("float32")


def test_augmentation_at_inference_is_refused_by_name():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, Augment(MOVES, name="forced")(inputs, training=True))
    with pytest.raises(ConfigError, match="layer 'forced' is called with training=True"):
        frozen(model)
    quiet = keras.Model(inputs, Augment(MOVES, name="quiet")(inputs, training=False))
    assert_same(quiet, frozen(quiet), IMAGES)


@pytest.mark.slow
def test_a_frozen_model_without_augmentation_needs_no_keras_ext(tmp_path):
    model, images = augmenting(), IMAGES.astype("uint8")
    frozen(model).save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", images)
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
    again, expected = np.load(tmp_path / "y.npy"), model.predict(images, verbose=0)
    np.testing.assert_allclose(again, expected, rtol=1e-3, atol=1e-5)
