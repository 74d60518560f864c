"""For test suites: silence, or an AssertionError that says which weight."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext.errors import ConfigError
from keras_ext.gradients import assert_gradients


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: layers.LayerNormalization(), (5,)),
        (lambda: layers.GRU(3), (4, 5)),
        (lambda: layers.Conv1D(3, 2, activation="silu"), (4, 5)),
    ],
)
def test_right_layers_pass(layer, shape, rng: np.random.Generator) -> None:
    assert_gradients(layer(), rng.standard_normal((6, *shape)))


def test_an_embedding_takes_whole_numbers(rng: np.random.Generator) -> None:
    assert_gradients(layers.Embedding(9, 3), rng.integers(0, 9, (6, 4)))


def test_a_wrong_layer_fails_with_the_table(faults, batch) -> None:
    layer = faults.dense(4, fault="bias", factor=-1.0)
    with pytest.raises(AssertionError, match=r"(?s)Gradient check.*bias.*wrong.*custom gradient"):
        assert_gradients(layer, batch[0])


def test_weights_of_a_built_layer_are_kept(batch) -> None:
    layer = layers.Dense(4)
    layer.build((None, 5))
    before = [weight.copy() for weight in layer.get_weights()]
    assert_gradients(layer, batch[0])
    assert all(np.array_equal(*pair) for pair in zip(before, layer.get_weights(), strict=True))


def test_a_model_is_taken_as_it_is(batch) -> None:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    assert_gradients(model, *batch, loss="sparse_categorical_crossentropy", method="exhaustive")
    with pytest.raises(ConfigError, match="not compiled"):
        assert_gradients(model, *batch)


def test_build_makes_a_layer_without_a_config(batch) -> None:
    class Stubborn(layers.Dense):
        def __init__(self, table: object, **kwargs: Any) -> None:
            super().__init__(4, **kwargs)

    with pytest.raises(ConfigError, match="build="):
        assert_gradients(Stubborn(object()), batch[0])
    assert_gradients(Stubborn(object()), batch[0], build=lambda: Stubborn(object()))


class Mixed(layers.Layer):
    """Takes a mapping, gives one, with whole numbers in it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x):
        best = ops.argmax(x["scale"], axis=-1)
        return {"product": self.inner(x["values"]) * x["scale"], "best": best}


STRUCTURES = {
    "several arguments": (lambda: layers.MultiHeadAttention(2, 3), ((4, 5), (3, 5)), tuple),
    "a list": (layers.Multiply, ((4, 5), (4, 5)), list),
    "a mapping": (
        Mixed,
        ((2,), (3,)),
        lambda parts: dict(zip(("values", "scale"), parts, strict=True)),
    ),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_layers_of_several_inputs_and_outputs(name: str, rng: np.random.Generator) -> None:
    layer, shapes, structure = STRUCTURES[name]
    assert_gradients(layer(), structure([rng.standard_normal((4, *shape)) for shape in shapes]))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(3, return_sequences=True, return_state=True),
        lambda: layers.Bidirectional(layers.SimpleRNN(3, dropout=0.3)),
    ],
)
def test_recurrent_layers_with_states_and_dropout(layer, rng: np.random.Generator) -> None:
    assert_gradients(layer(), rng.standard_normal((4, 5, 2)))


def test_the_gradient_of_the_inputs_is_checked_too(faults, batch) -> None:
    """A layer without weights passes it on; one with weights may pass on a wrong one."""

    class Negated(layers.Dense):
        def call(self, x):
            return super().call(faults.with_gradient(x, -1.0))

    assert_gradients(layers.Softmax(), batch[0])
    with pytest.raises(AssertionError, match=r"(?s)negated/kernel.* ok .* x .* wrong"):
        assert_gradients(Negated(3), batch[0])
    with pytest.raises(ConfigError, match="no trainable weights and x no floats"):
        assert_gradients(layers.Flatten(), batch[1][:, None])


@pytest.mark.parametrize("training", [True, False])
def test_training_is_passed_on(training: bool, faults, batch) -> None:
    class Moody(layers.Layer):
        def call(self, x, training=False):
            return faults.with_gradient(x, -1.0) if training else x

    if training:
        with pytest.raises(AssertionError, match="wrong"):
            assert_gradients(Moody(), batch[0])
    else:
        assert_gradients(Moody(), batch[0], training=False)


def test_a_model_without_a_loss_is_a_layer(batch) -> None:
    assert_gradients(keras.Sequential([keras.Input((5,)), layers.Dense(3)]), batch[0])


@pytest.mark.parametrize(
    "loss",
    ["mae", keras.losses.Huber(), keras.losses.CategoricalCrossentropy(from_logits=True)],
)
def test_right_losses_pass(loss, rng: np.random.Generator) -> None:
    assert_gradients(loss, rng.standard_normal((5, 3)), np.eye(3)[rng.integers(0, 3, 5)])


def test_a_wrong_loss_fails(faults, rng: np.random.Generator) -> None:
    def forgotten_square(y_true, y_pred):
        return ops.mean(faults.with_gradient(ops.square(y_pred - y_true), 0.5), axis=-1)

    y_pred, y_true = rng.standard_normal((2, 5, 3))
    with pytest.raises(AssertionError, match=r"y_pred .* wrong"):
        assert_gradients(forgotten_square, y_pred, y_true)
    with pytest.raises(ConfigError, match="y must be the labels"):
        assert_gradients(forgotten_square, y_pred)
    with pytest.raises(ConfigError, match="x must be predictions, floats"):
        assert_gradients(forgotten_square, y_true.astype("int32"), y_true)
    with pytest.raises(ConfigError, match="model must be a model, a layer or a loss, got model=3"):
        assert_gradients(3, y_pred)
