"""TimeBasedDecay in real fits: each step, resumes, second fits, and what is refused."""

from __future__ import annotations

import copy

import keras
import numpy as np
import pytest

from keras_ext.callbacks import TimeBasedDecay
from keras_ext.errors import ConfigError
from tests.callbacks.decayed_fit import BATCH, STEPS, Steps, X, build, fit, weights

BAD = {
    "decay_rate": -0.5,
    "initial_learning_rate": 0.0,
    "by": "batch",
    "staircase": 0,
    "warmup_epochs": 1.5,
    "warmup_steps": -1,
    "floor": float("nan"),
}


def example(**changes) -> TimeBasedDecay:
    arguments = {"decay_rate": 0.5, **changes}
    return TimeBasedDecay(arguments.pop("decay_rate"), **arguments)


class TestCallback:
    def test_the_rate_is_the_formula_exactly(self):
        history = fit(build(0.2), example(decay_rate=1.0))
        assert history["learning_rate"] == [0.2 / (1 + epoch) for epoch in range(4)]
        assert all(type(rate) is float for rate in history["learning_rate"])

    def test_the_steps_are_made_with_it(self):
        decay, steps = example(decay_rate=1.0, warmup_epochs=1), Steps()
        fit(build(0.2), decay, steps, epochs=3)
        expected = [0.1] * STEPS + [0.2] * STEPS + [0.1] * STEPS
        assert steps.rates == pytest.approx(expected, rel=1e-6)

    def test_by_step(self):
        decay, steps = example(decay_rate=1.0, by="step", warmup_steps=1, floor=0.04), Steps()
        logs = fit(build(0.2), decay, steps, epochs=2)
        expected = [0.1, 0.2, 0.1, 0.2 / 3, 0.05, 0.04]
        assert steps.rates == pytest.approx(expected, rel=1e-6)
        assert logs["learning_rate"] == pytest.approx([expected[2], expected[5]], rel=1e-12)

    def test_only_the_rate_differs_from_a_fit_at_that_rate(self):
        class ByHand(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                self.model.optimizer.learning_rate = 0.2 / (1 + 0.5 * epoch)

        one, two = build(), build()
        fit(one, example())
        fit(two, ByHand())
        for mine, other in zip(weights(one), weights(two), strict=True):
            np.testing.assert_array_equal(mine, other)

    def test_a_resume_goes_on_where_the_run_before_ended(self, tmp_path):
        whole = build()
        expected = fit(whole, example(), epochs=5)["learning_rate"]
        first = build()
        fit(first, example(), epochs=3)
        first.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert int(loaded.optimizer.iterations) == 3 * STEPS
        rest = fit(loaded, example(initial_learning_rate=0.2), epochs=5, initial_epoch=3)
        assert rest["learning_rate"] == expected[3:]
        for mine, other in zip(weights(loaded), weights(whole), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-6)

    def test_a_resume_by_step_counts_the_epochs_before(self):
        steps = Steps()
        decay = example(decay_rate=1.0, by="step", initial_learning_rate=0.2)
        fit(build(), decay, steps, epochs=3, initial_epoch=2)
        first = 2 * STEPS
        expected = [0.2 / (1 + number) for number in range(first, first + STEPS)]
        assert steps.rates == pytest.approx(expected, rel=1e-6)

    def test_a_loaded_optimizer_does_not_tell_its_initial_rate(self, tmp_path):
        model = build()
        fit(model, example(), epochs=2)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        before = weights(loaded)
        for options in ({"initial_epoch": 2}, {}):
            with pytest.raises(ConfigError, match=r"initial_learning_rate must be given.*0\.1333"):
                fit(loaded, example(), **options)
        for mine, other in zip(weights(loaded), before, strict=True):
            np.testing.assert_array_equal(mine, other)

    def test_weights_alone_in_a_new_model_leave_the_rate_known(self):
        model = build()
        fit(model, example(), epochs=2)
        other = build()
        other.set_weights(model.get_weights())
        rates = fit(other, example(), initial_epoch=2)["learning_rate"]
        assert rates == [0.2 / (1 + 0.5 * epoch) for epoch in (2, 3)]

    @pytest.mark.parametrize("again", ["same", "new", pytest.param("copy", marks=pytest.mark.slow)])
    def test_a_second_fit_of_the_model_begins_with_the_initial_rate(self, again):
        model, decay = build(), example()
        first = fit(model, decay)
        decay = {"same": decay, "new": example(), "copy": copy.deepcopy(decay)}[again]
        assert fit(model, decay)["learning_rate"] == first["learning_rate"]
        on = fit(model, decay, epochs=6, initial_epoch=4)["learning_rate"]
        assert on == [0.2 / (1 + 0.5 * epoch) for epoch in (4, 5)]

    def test_a_rate_set_in_between_by_someone_else_must_be_named(self):
        model, decay = build(), example()
        fit(model, decay)
        model.optimizer.learning_rate = 0.05
        with pytest.raises(ConfigError, match=r"0\.05 after 12 steps.*initial_learning_rate=None"):
            fit(model, decay)
        rates = fit(model, example(initial_learning_rate=0.05))["learning_rate"]
        assert rates[0] == 0.05

    def test_each_optimizer_has_its_own_initial_rate(self):
        decay = example()
        assert fit(build(0.2), decay)["learning_rate"][0] == 0.2
        assert fit(build(0.3), copy.deepcopy(decay))["learning_rate"][0] == 0.3
        assert fit(build(0.1), decay)["learning_rate"][0] == 0.1

    def test_the_state_of_a_run_carries_the_initial_rate(self):
        decay = example()
        fit(build(), decay, epochs=2)
        resumed = example()
        resumed.set_model(build(0.1))
        resumed.on_train_begin()
        resumed.set_state(decay.get_state())
        resumed.on_epoch_begin(2)
        logs = {}
        resumed.on_epoch_end(2, logs)
        assert logs == {"learning_rate": 0.1}

    def test_mixed_precision_has_its_rate_in_the_optimizer_inside(self):
        inner = keras.optimizers.SGD(0.2)
        model = build(optimizer=keras.optimizers.LossScaleOptimizer(inner))
        assert fit(model, example(), epochs=2)["learning_rate"] == [0.2, 0.2 / 1.5]
        assert float(inner.learning_rate) == pytest.approx(0.2 / 1.5)

    def test_logs_that_are_empty_get_the_rate_too(self):
        decay, logs = example(), {}
        decay.set_model(build())
        decay.on_train_begin()
        decay.on_epoch_begin(0)
        decay.on_epoch_end(0, logs)
        assert logs == {"learning_rate": 0.2}


class TestRefused:
    def test_a_schedule(self):
        model = build(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))
        with pytest.raises(ConfigError, match="SGD was compiled with a LearningRateSchedule"):
            fit(model, example())

    def test_several_optimizers(self):
        several = keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
        )
        with pytest.raises(ConfigError, match="one optimizer with a learning_rate"):
            fit(build(optimizer=several), example())

    @pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch runs step by step")
    def test_steps_that_nobody_can_get_between(self):
        model = build(steps_per_execution=3, jit_compile=False)
        with pytest.raises(ConfigError, match="steps_per_execution=3, got by='step'"):
            fit(model, example(by="step"))
        assert fit(model, example(), epochs=2)["learning_rate"] == [0.2, 0.2 / 1.5]

    def test_a_start_in_data_of_unknown_length(self):
        def batches():
            while True:
                yield X[:BATCH], X[:BATCH]

        class Unknown(keras.utils.PyDataset):
            num_batches = None

            def __getitem__(self, index):
                if index >= STEPS:
                    raise IndexError
                return X[:BATCH], X[:BATCH]

        decay = example(by="step", initial_learning_rate=0.2)
        options = {"x": batches(), "y": None, "batch_size": None, "initial_epoch": 1}
        known = fit(build(), decay, epochs=2, steps_per_epoch=STEPS, **options)
        assert known["learning_rate"] == [0.2 / (1 + 0.5 * (2 * STEPS - 1))]
        decay.set_params({"steps": None})
        decay.set_model(build())
        decay.on_train_begin()
        with pytest.raises(ConfigError, match="steps_per_epoch must be given to fit"):
            decay.on_epoch_begin(1)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"by": "step", "warmup_epochs": 2}, "warmup_epochs=2: give warmup_steps"),
            ({"warmup_steps": 2}, "warmup_steps=2: give warmup_epochs"),
            ({"initial_learning_rate": 0.1, "floor": 0.2}, "at most .* 0.1, got floor=0.2"),
            ({"staircase": True}, "staircase=True"),
        ],
    )
    def test_arguments_that_contradict_each_other(self, arguments, message):
        with pytest.raises(ConfigError, match=message):
            example(**arguments)

    def test_a_floor_above_the_rate_of_the_optimizer(self):
        with pytest.raises(ConfigError, match=r"floor=0\.3"):
            fit(build(0.2), example(floor=0.3))


def test_another_callback_that_sets_the_rate_is_told_of_once():
    other = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=100)
    with pytest.warns(UserWarning, match="set to .* by another callback") as told:
        history = fit(build(0.2), example(decay_rate=1.0), other, epochs=5)
    assert sum("another callback" in str(item.message) for item in told) == 1
    assert history["learning_rate"] == pytest.approx([0.2 / (1 + e) for e in range(5)])
