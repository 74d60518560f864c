"""The gradients that a model trains with, checked while it trains."""

from __future__ import annotations

import copy
import io
import json
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops
from rich.console import Console

from keras_ext.callbacks import GradientCheck
from keras_ext.errors import ConfigError

BAD = {
    "x": None,
    "y": "labels",
    "every": 0,
    "on_failure": "ignore",
    "build": "model",
    "max_examples": 1.5,
    "seed": -1,
}

KEYS = ("gradient_relative_error", "gradient_check_epoch")


def data(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 4)).astype("float32"), rng.integers(0, 3, size=count)


def example(**changes) -> GradientCheck:
    """One for a classifier of 4 inputs and 3 classes, as the laws want it."""
    x, y = data()
    arguments = {"x": x, "y": y, "max_examples": 8, **changes}
    return GradientCheck(arguments.pop("x"), arguments.pop("y"), **arguments)


class Shifted(layers.Layer):
    """Adds a bias whose gradient comes back doubled."""

    def build(self, shape) -> None:
        self.bias = self.add_weight(shape=(shape[-1],), name="bias")

    def call(self, x):
        return x + (2 * self.bias - ops.stop_gradient(self.bias))


def model(*middle: layers.Layer) -> keras.Model:
    network = keras.Sequential([keras.Input((4,)), *middle, layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("sgd", loss, run_eagerly=keras.backend.backend() != "jax")
    return network


def fit(network: keras.Model, *parts: keras.callbacks.Callback, **options):
    return network.fit(*data(), batch_size=10, verbose=0, callbacks=list(parts), **options)


def test_right_gradients_pass_without_a_word():
    watch = example()
    logs = fit(model(), watch, epochs=3).history
    assert watch.report is watch.initial_report
    assert watch.report.ok
    assert watch.report.relative_error < 1e-7
    assert logs["gradient_relative_error"] == [watch.report.relative_error] * 3
    assert logs["gradient_check_epoch"] == [-1.0] * 3
    assert watch.history == [{"epoch": -1, "ok": True, **{key: logs[key][0] for key in KEYS}}]
    assert json.loads(json.dumps(watch.history)) == watch.history


def test_every_checks_again_at_the_weights_of_then():
    watch = example(every=2)
    logs = fit(model(), watch, epochs=6, initial_epoch=1).history
    assert logs["gradient_check_epoch"] == [-1.0, 2.0, 2.0, 4.0, 4.0]
    assert [row["epoch"] for row in watch.history] == [-1, 2, 4]
    assert len(set(logs["gradient_relative_error"])) == 3
    assert watch.report != watch.initial_report


def test_a_wrong_gradient_is_named_in_a_warning():
    watch, network = example(), model(Shifted())
    with pytest.warns(UserWarning, match=r"before the first step.*shifted.*bias, element .*wrong"):
        logs = fit(network, watch, epochs=2).history
    assert [row.status for row in watch.report.variables] == ["wrong", "ok", "ok"]
    assert logs["gradient_relative_error"][0] > 1e-3
    assert not watch.history[0]["ok"]
    assert len(logs["loss"]) == 2


def test_a_wrong_gradient_can_stop_or_raise():
    network = model(Shifted())
    with pytest.warns(UserWarning, match="GradientCheck"):
        assert fit(network, example(on_failure="stop"), epochs=3).epoch == [0]
    assert int(network.optimizer.iterations) == 1
    with pytest.raises(AssertionError, match=r"(?s)Gradient check.*bias.*wrong"):
        fit(network, example(on_failure="raise"), epochs=3)
    assert int(network.optimizer.iterations) == 1


def test_a_gradient_that_turns_bad_is_found_at_its_epoch():
    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.layers[-1].bias.assign(np.full(3, np.inf))

    watch = example(every=1)
    with pytest.warns(UserWarning, match="GradientCheck, epoch 2: .*not finite"):
        logs = fit(model(), Break(), watch, epochs=2).history
    assert logs["gradient_relative_error"][1] == np.inf
    assert [row["ok"] for row in watch.history] == [True, True, False]


class Unbuilt(keras.Model):
    """Without weights until it is called, and with an argument that its config doesn't know."""

    def __init__(self, table: object) -> None:
        super().__init__()
        self.table, self.out = table, layers.Dense(3)

    def call(self, x):
        return self.out(x)


def test_a_model_that_fit_builds_is_given_as_build():
    network = Unbuilt(object())
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    watch = example(build=lambda: Unbuilt(object()))
    fit(network, watch, epochs=1)
    assert [row.status for row in watch.report.variables] == ["ok", "ok"]
    with pytest.raises(ConfigError, match="build="):
        fit(network, example(), epochs=1)


def test_state_goes_through_plain_values():
    watch, other = example(), example()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit(model(Shifted()), watch, epochs=1)
    state = copy.deepcopy(watch.get_state())
    other.set_state(json.loads(json.dumps(state)))
    assert other.report == watch.report
    assert other.history == watch.history


def test_summary_prints_the_table():
    watch, out = example(), io.StringIO()
    with pytest.raises(ConfigError, match="fit first"):
        watch.summary()
    with pytest.warns(UserWarning, match="GradientCheck"):
        fit(model(Shifted()), watch, epochs=1)
    watch.summary(console=Console(file=out, width=140))
    assert "Gradient check" in out.getvalue()
    assert "wrong: look at the layer" in out.getvalue()
