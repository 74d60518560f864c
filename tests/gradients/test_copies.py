"""Models that are hard to copy: copied truly, or refused with a reason."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext.errors import ConfigError
from keras_ext.gradients import check_gradients


def bumpy(x):
    return ops.tanh(x) * x


class Quartic(keras.regularizers.Regularizer):
    def __call__(self, x):
        return 0.1 * ops.sum(x**4)

    def get_config(self):
        return {}


class Bare(layers.Layer):
    """As people write them: no keyword arguments, no config, not registered."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(4, activation=bumpy, kernel_regularizer=Quartic())

    def call(self, x):
        return self.inner(x)


class BareModel(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.parts = [Bare(), layers.Dropout(0.3), layers.Dense(3)]

    def call(self, x, training=False):
        for part in self.parts:
            x = part(x)
        return x


def _compiled(model: keras.Model, x: np.ndarray) -> keras.Model:
    model(x)
    model.compile("sgd", "mse")
    return model


def test_own_objects_need_neither_registration_nor_config(batch) -> None:
    x, y = batch[0], np.ones((6, 3))
    inside = keras.Sequential([keras.Input((5,)), Bare(), layers.Dense(3, activation=bumpy)])
    for model in (inside, BareModel()):
        report = check_gradients(_compiled(model, x), x, y)
        assert [row.status for row in report.variables] == ["ok"] * 4, str(report)
        assert report.precision == "double"
        assert report.relative_error < 1e-7


class Forgetful(layers.Layer):
    """Its config leaves out what it computes with."""

    def __init__(self, factor: float = 1.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return self.factor * x

    def get_config(self):
        return super().get_config()


def _forgetful(factor: float, batch) -> keras.Model:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), Forgetful(factor)])
    return _compiled(model, batch[0])


def test_a_copy_with_other_outputs_is_refused(batch) -> None:
    x, y = batch[0], np.ones((6, 3))
    model = _forgetful(3.0, batch)
    with pytest.raises(ConfigError, match=r"other outputs than .*differ by 67%.*get_config"):
        check_gradients(model, x, y)
    with pytest.raises(ConfigError, match="build makes a model with the same weights but other"):
        check_gradients(model, x, y, build=lambda: _forgetful(2.0, batch))
    with pytest.raises(ConfigError, match="build must make a new model"):
        check_gradients(model, x, y, build=lambda: model)
    assert check_gradients(model, x, y, build=lambda: _forgetful(3.0, batch)).ok


class AlwaysNoisy(layers.Layer):
    """In inference mode too, so that copies can't be compared."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x):
        return x * keras.random.uniform(ops.shape(x), dtype=x.dtype, seed=self.seeds)


def test_noise_in_inference_mode_is_no_other_model(batch) -> None:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), AlwaysNoisy()])
    report = check_gradients(_compiled(model, batch[0]), batch[0], np.ones((6, 3)))
    assert [row.status for row in report.variables] == ["ok", "ok"]


def test_a_lambda_is_named(batch) -> None:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), layers.Lambda(lambda x: 2 * x)])
    with pytest.raises(ConfigError, match=r"Lambda 'lambda.*is a Python lambda\): pass build="):
        check_gradients(_compiled(model, batch[0]), batch[0], np.ones((6, 3)))


def _drawn() -> list[float]:
    return [random.random(), np.random.random(), float(keras.random.uniform(()))]


def test_what_build_draws_is_not_missed_afterwards(batch) -> None:
    """Also after an error."""

    def build() -> keras.Model:
        random.random(), np.random.random(), keras.random.uniform(())
        return _compiled(keras.Sequential([keras.Input((5,)), layers.Dense(3)]), batch[0])

    model, expected = build(), []
    for outputs in (None, 3, 2):
        keras.utils.set_random_seed(3)
        keras.random.uniform(())
        if outputs == 3:
            assert check_gradients(model, batch[0], np.ones((6, 3)), build=build).ok
        elif outputs == 2:
            with pytest.raises(ConfigError, match="y must have shape"):
                check_gradients(model, batch[0], np.ones((6, 2)), build=build)
        expected.append(_drawn())
    assert expected[0] == expected[1] == expected[2]


def test_numbers_that_numpy_draws_are_no_wrong_gradient(batch) -> None:
    """Constants of what is compiled, other ones for the cost than for its gradient."""

    class Noisy(layers.Layer):
        def call(self, x):
            return x * (1.0 + np.random.random())

    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), Noisy()])
    model.compile(loss="mse")
    with pytest.raises(ConfigError, match="must be deterministic"):
        check_gradients(model, batch[0], np.ones((6, 3)))
