"""The schedule of time-based decay: by hand, against the callback, compiled, and saved."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.callbacks import TimeBasedDecay, time_based_rate, time_based_schedule
from keras_ext.errors import ConfigError
from tests.callbacks.decayed_fit import STEPS, Steps, build, fit, weights


class TestFormula:
    """All values worked out by hand."""

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({}, [0.2, 0.1, 0.2 / 3, 0.05, 0.04, 0.2 / 6]),
            ({"staircase": 2}, [0.2, 0.2, 0.2 / 3, 0.2 / 3, 0.04, 0.04]),
            ({"floor": 0.06}, [0.2, 0.1, 0.2 / 3, 0.06, 0.06, 0.06]),
            ({"warmup": 3}, [0.05, 0.1, 0.15, 0.2, 0.1, 0.2 / 3]),
            ({"warmup": 1, "floor": 0.15}, [0.1, 0.2, 0.15, 0.15, 0.15, 0.15]),
            ({"warmup": 1, "staircase": 2}, [0.1, 0.2, 0.2, 0.2 / 3, 0.2 / 3, 0.04]),
        ],
    )
    def test_table(self, arguments, expected):
        rates = [time_based_rate(number, 0.2, 1.0, **arguments) for number in range(6)]
        assert rates == pytest.approx(expected, rel=1e-12)

    @given(
        st.floats(1e-6, 10.0),
        st.floats(0.0, 100.0),
        st.integers(0, 20),
        st.integers(1, 5),
        st.integers(0, 5),
    )
    def test_it_rises_to_the_initial_rate_and_then_falls(self, initial, decay, n, stairs, warmup):
        rates = [
            time_based_rate(number, initial, decay, staircase=stairs, warmup=warmup)
            for number in range(n + warmup + 1)
        ]
        assert rates[warmup] == initial == max(rates)
        assert rates[:warmup] == sorted(rates[:warmup])
        assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
        assert all(rate > 0 for rate in rates)


VARIANTS = [
    {},
    {"staircase": 2},
    {"warmup_epochs": 2, "floor": 0.12},
    {"by": "step"},
    {"by": "step", "staircase": 4, "warmup_steps": 3, "floor": 0.05},
]


class TestSchedule:
    @pytest.mark.parametrize("arguments", VARIANTS)
    def test_a_real_fit_is_the_same_with_either(self, arguments):
        one, two = build(), None
        fit(one, TimeBasedDecay(0.5, **arguments))
        schedule = time_based_schedule(0.5, 0.2, steps_per_epoch=STEPS, **arguments)
        two = build(schedule)
        fit(two)
        for mine, other in zip(weights(one), weights(two), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-5)

    @pytest.mark.parametrize("arguments", VARIANTS)
    def test_each_step_has_the_rate_of_the_callback(self, arguments):
        steps = Steps()
        fit(build(), TimeBasedDecay(0.5, **arguments), steps, epochs=5)
        schedule = time_based_schedule(0.5, 0.2, steps_per_epoch=STEPS, **arguments)
        rates = [float(schedule(step)) for step in range(5 * STEPS)]
        assert rates == pytest.approx(steps.rates, rel=1e-6)

    @pytest.mark.parametrize("steps", [1, 7, 41, 47, 55])
    def test_it_is_inverse_time_decay_and_also_right_when_compiled(self, steps):
        """Keras's own is one step late at the second epoch of 41 steps, under XLA."""
        schedule = time_based_schedule(1.0, 0.2, steps_per_epoch=steps)
        stock = keras.optimizers.schedules.InverseTimeDecay(0.2, steps, 1.0, staircase=True)
        assert isinstance(schedule, type(stock))
        numbers = [k * steps + d for k in range(1, 9) for d in (-1, 0, 1)]
        expected = [0.2 / (1 + number // steps) for number in numbers]
        # On a GPU the stock one is late without XLA, too, at multiples of these steps.
        inside = [number for number in numbers if steps == 1 or number % steps]
        theirs = [0.2 / (1 + number // steps) for number in inside]
        assert [float(stock(number)) for number in inside] == pytest.approx(theirs, rel=1e-6)
        assert [compiled(schedule)(n) for n in numbers] == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("arguments", VARIANTS)
    def test_it_saves_and_loads(self, arguments):
        schedule = time_based_schedule(0.5, 0.2, steps_per_epoch=STEPS, **arguments)
        config = keras.optimizers.schedules.serialize(schedule)
        loaded = keras.optimizers.schedules.deserialize(config)
        for step in range(20):
            assert float(loaded(step)) == float(schedule(step))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "steps_per_epoch=None"),
            ({"steps_per_epoch": 0}, "steps_per_epoch=0"),
            ({"steps_per_epoch": 3, "floor": 1.0}, r"floor=1\.0"),
            ({"by": "step", "warmup_epochs": 1}, "warmup_epochs=1"),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments, message):
        with pytest.raises(ConfigError, match=message):
            time_based_schedule(0.5, 0.2, **arguments)
        with pytest.raises(ConfigError, match="initial_learning_rate=None"):
            time_based_schedule(0.5, None, steps_per_epoch=1)


def compiled(schedule):
    """The schedule as a compiled step computes it."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        function = tf.function(
            schedule, input_signature=[tf.TensorSpec([], "int64")], jit_compile=True
        )
        return lambda step: float(function(tf.constant(step, "int64")))
    if keras.backend.backend() == "jax":
        import jax

        return lambda step: float(jax.jit(schedule)(np.int32(step)))
    return lambda step: float(schedule(step))
