"""The checks before training find planted faults, and pass on what is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext.diagnosis import ErrorEstimate, diagnose
from keras_ext.records import Round, Splits, TrainConfig
from keras_ext.training import preflight
from keras_ext.training.checks import check_cost_falls


def test_a_sound_network_passes(digits: Splits, small: TrainConfig) -> None:
    config = replace(small, model="convnet", units=4, layers=2, dropout=0.2, l2=1e-3)
    cost, gradients = preflight(config, digits)
    assert (cost.name, cost.passed) == ("initial cost", True)
    assert cost.expected == pytest.approx(np.log(10))
    assert (gradients.name, gradients.passed) == ("gradients", True)
    assert gradients.value is not None
    assert gradients.value < 1e-4


def test_weights_that_start_too_large_are_noticed(digits: Splits, small: TrainConfig) -> None:
    def too_large(
        config: TrainConfig, shape: tuple[int, ...], outputs: int, normalizer: Any
    ) -> keras.Model:
        layers = [
            keras.layers.Flatten(),
            keras.layers.Dense(outputs, kernel_initializer="random_normal"),
        ]
        model = keras.Sequential([keras.Input(shape), normalizer, *layers])
        model.set_weights([20 * weight for weight in model.get_weights()])
        return model

    cost = preflight(small, digits, build=too_large)[0]
    assert not cost.passed
    assert "normalised" in cost.message


def test_a_wrong_gradient_is_noticed(digits: Splits, small: TrainConfig) -> None:
    tensorflow = pytest.importorskip("tensorflow")

    @tensorflow.custom_gradient
    def square(x: Any) -> Any:
        return x * x, lambda upstream: upstream * x

    class Square(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return square(x)

    def build(
        config: TrainConfig, shape: tuple[int, ...], outputs: int, normalizer: Any
    ) -> keras.Model:
        inputs = keras.Input(shape)
        x = keras.layers.Dense(5)(keras.layers.Flatten()(normalizer(inputs)))
        return keras.Model(inputs, keras.layers.Dense(outputs)(Square()(x)))

    gradients = preflight(small, digits, build=build)[-1]
    assert not gradients.passed
    assert "wrong" in gradients.message


def rounds_with(costs: list[float], iterations: list[float] | None = None) -> Round:
    none = ErrorEstimate.from_values([0.0, 1.0])
    history = tuple({"epoch": index, "train_cost": cost} for index, cost in enumerate(costs))
    return Round(
        None, None, None, "", True, TrainConfig(), none, none, diagnose(none, none), history,
        (tuple(iterations),) if iterations else (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("costs", "iterations", "passed"),
    [
        ([1.0, 0.5, 0.2], None, True),
        ([1.0, 0.5, 0.52], None, True),
        ([1.0, 0.5, 0.7], None, False),
        ([1.0, 1.2], None, False),
        ([0.3], [2.0, 1.0, 0.8, 0.5], True),
        ([0.3], [1.0, 1.1, 1.5, 2.0], False),
        ([2.3], [2.3], False),
        ([], None, False),
    ],
)
def test_cost_falls(costs: list[float], iterations: list[float] | None, passed: bool) -> None:
    check = check_cost_falls(rounds_with(costs, iterations))
    assert check.passed is passed
    assert ("lower the learning rate" in check.message) == (not passed and bool(costs))
