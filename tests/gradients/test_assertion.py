"""For test suites: silence, or an AssertionError that says which weight."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

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
