"""Schedules against their formulas, optimizers by name."""

from __future__ import annotations

import itertools
import math

import keras
import pytest

from keras_ext.errors import ConfigError
from keras_ext.records import OPTIMIZERS, TrainConfig
from keras_ext.training.optimizers import LiveTimeBasedSchedule, fixed, optimizer, schedule

STEPS = 10


def rates(config: TrainConfig) -> list[float]:
    rate = schedule(config, STEPS)
    return [float(rate(step)) for step in range(config.epochs * STEPS)]


def test_time_based_decay_is_inverse_in_the_epoch() -> None:
    config = TrainConfig(schedule="time_based", learning_rate=0.2, decay_rate=0.5, epochs=4)
    expected = [0.2 / (1 + 0.5 * (step // STEPS)) for step in range(4 * STEPS)]
    assert rates(config) == pytest.approx(expected, rel=1e-6)


def test_a_schedule_of_stairs_is_the_same_when_it_is_loaded() -> None:
    made = LiveTimeBasedSchedule(1.0, 0.2, steps=5, staircase=2)
    assert made.get_config()["decay_rate"] == 1.0
    loaded = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(made))
    assert [float(loaded(step)) for step in range(30)] == [float(made(step)) for step in range(30)]


def test_one_cycle_rises_for_a_quarter_and_falls_to_almost_nothing() -> None:
    config = TrainConfig(schedule="one_cycle", learning_rate=0.1, epochs=8)
    values = rates(config)
    peak = max(range(len(values)), key=values.__getitem__)
    assert values[0] == pytest.approx(0.004)
    assert (peak, values[peak]) == (20, pytest.approx(0.1))
    assert all(a < b for a, b in itertools.pairwise(values[: peak + 1]))
    assert all(a > b for a, b in itertools.pairwise(values[peak:]))
    assert values[-1] < 0.001


def test_cosine_is_half_way_down_in_the_middle() -> None:
    config = TrainConfig(schedule="cosine", learning_rate=0.1, epochs=4)
    expected = [0.05 * (1 + math.cos(math.pi * step / 40)) for step in range(40)]
    assert rates(config) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_constant_is_a_number() -> None:
    assert schedule(TrainConfig(schedule="constant", learning_rate=0.3), STEPS) == 0.3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_is_the_one_named_with_beta(name: str) -> None:
    made = optimizer(TrainConfig(optimizer=name, momentum=0.7, schedule="constant"), STEPS)
    assert made.name.replace("_", "").lower() == name
    assert isinstance(made, keras.optimizers.Optimizer)
    assert made.get_config()["beta_1" if "adam" in name else "momentum"] == 0.7


@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw"])
def test_beta_2_and_epsilon_are_those_of_the_configuration(name: str) -> None:
    config = TrainConfig(optimizer=name, beta_2=0.98, epsilon=1e-4)
    made = optimizer(config, STEPS).get_config()
    assert made["rho" if name == "rmsprop" else "beta_2"] == 0.98
    assert made["epsilon"] == 1e-4


@pytest.mark.parametrize(
    ("name", "stock"),
    [("rmsprop", keras.optimizers.RMSprop), ("adam", keras.optimizers.Adam)],
)
def test_by_default_they_are_those_of_keras(name: str, stock: type) -> None:
    made, expected = (
        optimizer(TrainConfig(optimizer=name), STEPS).get_config(),
        stock().get_config(),
    )
    for key in ("rho", "beta_2", "epsilon"):
        assert made.get(key) == expected.get(key)


def test_the_compiled_step_depends_on_them() -> None:
    kinds = [{}, {"beta_2": 0.99}, {"epsilon": 1e-4}]
    made = [fixed(optimizer(TrainConfig(**kind), STEPS)) for kind in kinds]
    assert made[0] != made[1] != made[2] != made[0]


@pytest.mark.parametrize("values", [{"beta_2": 1.0}, {"beta_2": -0.1}, {"epsilon": -1e-9}])
def test_values_that_no_optimizer_has_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        TrainConfig(**values)


def three_steps(made: keras.optimizers.Optimizer) -> tuple[list[float], int]:
    """The weights after them, and how many gradients TensorFlow registers for compiling one."""
    import tensorflow as tf
    from tensorflow.python.framework import ops

    variable = keras.Variable([1.0, -2.0])
    made.build([variable])
    step = tf.function(lambda: made.apply([variable.value * 0.3], [variable]))
    before = len(ops.gradient_registry.list())
    for _ in range(3):
        step()
    return variable.numpy().tolist(), len(ops.gradient_registry.list()) - before


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_the_sum_over_one_replica_weights_are_the_same_to_the_last_bit(name: str) -> None:
    stock = optimizer(TrainConfig(optimizer=name), STEPS)
    del stock._all_reduce_sum_gradients
    ours, kept = three_steps(optimizer(TrainConfig(optimizer=name), STEPS))
    theirs, kept_by_stock = three_steps(stock)
    assert ours == theirs
    assert kept == 0
    assert kept_by_stock > 0


@pytest.mark.tensorflow
def test_gradients_are_summed_over_several_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    assert "_all_reduce_sum_gradients" in vars(optimizer(TrainConfig(), STEPS))
    monkeypatch.setattr(type(tf.distribute.get_strategy()), "num_replicas_in_sync", 2)
    assert "_all_reduce_sum_gradients" not in vars(optimizer(TrainConfig(), STEPS))
