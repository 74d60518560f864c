"""Models and optimizers of all kinds go on as they were."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.callbacks import TrainingState
from keras_ext.errors import ConfigError
from tests.callbacks import training_state_run as runs


class Subclassed(keras.Model):
    """Without a shape of its own."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8)
        self.dropout = keras.layers.Dropout(0.5)
        self.out = keras.layers.Dense(3)

    def call(self, x, training=False):
        return self.out(self.dropout(self.hidden(x), training=training))


def functional():
    inputs = keras.Input((4,))
    left, right = keras.layers.Dense(8)(inputs), keras.layers.Dense(8, activation="tanh")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.Dropout(0.5)(left + right))
    return keras.Model(inputs, outputs)


def unbuilt():
    return keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(3)])


MODELS = {"subclassed": Subclassed, "functional": functional, "unbuilt": unbuilt}
OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    ),
    "average": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
    "accumulating": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=3),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), dynamic_growth_steps=3
    ),
}


def assert_parity(folder, make, *, parts=list, **arguments):
    """A run interrupted in its third epoch ends with the losses and variables of a whole one."""

    def run(directory, *extra):
        keras.utils.set_random_seed(3)
        model, callbacks = make(), parts()
        callbacks.append(TrainingState(directory, callbacks))
        x, y = runs.arrays()
        fitted = model.fit(x, y, epochs=4, verbose=0, callbacks=[*callbacks, *extra], **arguments)
        return fitted.history, runs.values(model)

    whole = run(folder / "a")
    with pytest.raises(KeyboardInterrupt):
        run(folder / "b", runs.Raise(2))
    resumed = run(folder / "b")
    assert resumed[0] == whole[0]
    for mine, others in zip(resumed[1], whole[1], strict=True):
        assert mine.dtype == others.dtype
        np.testing.assert_array_equal(mine, others)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_kinds_of_models(tmp_path, name):
    def make():
        model = MODELS[name]()
        model.compile("adam", **runs.LOSS)
        return model

    assert_parity(tmp_path, make)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_kinds_of_optimizers(tmp_path, name):
    def make():
        model = functional()
        model.compile(OPTIMIZERS[name](), **runs.LOSS)
        return model

    swap = name == "average"
    parts = (lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]) if swap else list
    assert_parity(tmp_path, make, parts=parts)


@pytest.mark.slow
def test_half_precision(tmp_path):
    def make():
        keras.config.set_dtype_policy("bfloat16")
        model = functional()
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), **runs.LOSS)
        assert model.weights[0].numpy().dtype.name == "bfloat16"
        return model

    try:
        assert_parity(tmp_path, make)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.slow
def test_compiled(tmp_path):
    def make():
        model = functional()
        model.compile("adam", **{**runs.LOSS, "run_eagerly": False})
        return model

    assert_parity(tmp_path, make)


class Dictionary(keras.Model):
    """Takes two inputs by name."""

    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(3)

    def call(self, x, training=False):
        return self.out(x["a"] + x["b"])


class Looks(Dictionary):
    """Can only be called on numbers, and so not be built from their shape."""

    def call(self, x, training=False):
        return super().call({name: value * float(value[0, 0]) for name, value in x.items()})


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:.*unbuilt state:UserWarning")
@pytest.mark.parametrize("kind", [Dictionary, Looks])
def test_a_model_that_was_not_built_before_fit(tmp_path, kind):
    def fit(*extra, model):
        x, y = runs.arrays()
        model.compile("sgd", **runs.LOSS)
        callbacks = [TrainingState(tmp_path), *extra]
        return model.fit({"a": x, "b": x}, y, epochs=3, verbose=0, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        fit(runs.Raise(1), model=kind())
    model = kind()
    if kind is Looks:
        with pytest.raises(ConfigError, match="before it is built: call it on a batch"):
            fit(model=model)
        model(dict.fromkeys("ab", np.ones((2, 4))))
    assert fit(model=model).epoch == [0, 1, 2]
