"""A run that is not the one in the folder is refused, with the difference named."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest

from keras_ext.callbacks import TrainingState
from keras_ext.callbacks.generations import Generations
from keras_ext.errors import ConfigError
from keras_ext.records import TrainConfig
from tests.callbacks import training_state_run as runs


def refusal(folder, first, second, arguments, changed):
    """What a second run says that differs from the first one, which was interrupted."""
    x, y = runs.arrays()

    def fit(model, *extra, configuration=None, batch_size=32):
        callbacks = [TrainingState(folder / "backup", configuration=configuration), *extra]
        model.fit(x, y, epochs=3, verbose=0, batch_size=batch_size, callbacks=callbacks)

    def contents():
        paths = Generations(folder / "backup").paths
        return [path.read_bytes() for path in paths if path.exists()]

    with pytest.raises(KeyboardInterrupt):
        fit(first, runs.Raise(1), **arguments)
    before = contents()
    with pytest.raises(ConfigError) as raised:
        fit(second, **changed)
    assert before == contents()
    assert "\n" not in str(raised.value)
    assert f"the run in {folder / 'backup'} can't go on: " in str(raised.value)
    return str(raised.value)


def test_another_model_is_refused(tmp_path):
    """All that is compared is in test_description.py."""
    text = refusal(tmp_path, runs.two(), runs.two(units=9, optimizer="adam"), {}, {})
    assert "on: model.layers[1].units was 8, now 9; optimizer.class_name was 'SGD', now" in text


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"batch": 32}, {"batch": 16}, "configuration.batch was 32, now 16"),
        (
            TrainConfig(seed=1),
            TrainConfig(seed=2),
            "configuration.seed was 1, now 2",
        ),
        ("digits", None, "configuration was 'digits', now None"),
    ],
)
def test_another_configuration_is_refused(tmp_path, first, second, said):
    text = refusal(
        tmp_path, runs.two(), runs.two(), {"configuration": first}, {"configuration": second}
    )
    assert f"can't go on: {said}; undo that" in text


def test_another_number_of_batches_is_refused(tmp_path):
    text = refusal(tmp_path, runs.two(), runs.two(), {}, {"batch_size": 16})
    assert "steps per epoch was 2, now 4" in text


def test_other_callbacks_with_state_are_refused_and_others_not(tmp_path):
    early = keras.callbacks.EarlyStopping("loss", patience=9)
    x, y = runs.arrays()

    def fit(*parts, extra=()):
        callbacks = [*parts, TrainingState(tmp_path, parts), *extra]
        return runs.two().fit(x, y, epochs=3, verbose=0, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        fit(early, extra=[runs.Raise(1)])
    with pytest.raises(ConfigError, match="with state were EarlyStopping, now ReduceLROnPlateau"):
        fit(keras.callbacks.ReduceLROnPlateau("loss"))
    state = TrainingState(tmp_path, [early], data=np.random.default_rng(0))
    with pytest.raises(ConfigError, match="data with state were none, now Generator"):
        runs.two().fit(x, y, verbose=0, callbacks=[early, state])
    found = fit(keras.callbacks.Callback(), early, keras.callbacks.History())
    assert found.epoch == [0, 1, 2]


@pytest.mark.slow
def test_what_makes_no_difference_is_not_refused(tmp_path):
    """How steps are compiled, seeds of layers that go on, names that Keras counts up."""
    layers = keras.layers
    x, y = runs.arrays()

    def fit(*extra, seed, **compiled):
        model = runs.sequential(layers.Dropout(0.5, seed=seed), layers.Dense(3), **compiled)
        callbacks = [TrainingState(tmp_path), *extra]
        return model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        fit(runs.Raise(1), seed=1)
    assert fit(seed=2, run_eagerly=False, jit_compile=False).epoch == [0, 1, 2]


def test_variables_of_another_shape_are_refused_if_nothing_else_tells(tmp_path):
    """A subclassed model need not say how it is made."""

    class Quiet(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.kernel = self.add_weight(shape=(4, units), name="kernel")

        def call(self, x, training=False):
            return keras.ops.matmul(x, self.kernel)

    def quiet(units):
        model = Quiet(units)
        model.compile("sgd", **runs.LOSS)
        model(np.ones((2, 4)))
        return model

    text = refusal(tmp_path, quiet(3), quiet(5), {}, {})
    assert re.search(r"model was \S*kernel float32\[4, 3\], now \S*kernel float32\[4, 5\]", text)
