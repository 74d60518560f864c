"""RegularizationActivation: when the strengths are off and on, and what it says of the cost."""

from __future__ import annotations

import copy
import json
import warnings

import keras
import numpy as np
import pytest

from keras_ext.callbacks import BiasVariance, RegularizationActivation
from keras_ext.errors import ConfigError
from keras_ext.regularization import L2, Dropout, adjustable, knobs

BAD = {"after_epochs": 0, "strengths": {"dropout": -0.1}, "on_rising_cost": "raise"}

CONFIGURED = {"dropout": 0.3, "l2": 0.01}
OFF = {"dropout": 0.0, "l2": 0.0}


def example(**changes) -> RegularizationActivation:
    """One for a classifier of 4 inputs and 3 classes, as the laws want it."""
    return RegularizationActivation(**{"after_epochs": 1, **changes})


def problem(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)


X, Y = problem()


def network(rate: float = 0.05, **compiled) -> keras.Model:
    """A classifier with live dropout and L2."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="tanh", kernel_regularizer=L2(0.01)),
            Dropout(0.3),
            keras.layers.Dense(3),
        ]
    )
    compiled = compiled or {"run_eagerly": keras.backend.backend() != "jax"}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, **compiled)
    return model


class Strengths(keras.callbacks.Callback):
    """What the strengths are while each epoch is trained, and the logs after it."""

    def on_train_begin(self, logs=None):
        self.values, self.rows = {}, []

    def on_epoch_begin(self, epoch, logs=None):
        self.values[epoch] = values(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append(dict(logs))


class Script(keras.callbacks.Callback):
    """Writes a cost for each epoch as BiasVariance does."""

    def __init__(self, costs, measured=None):
        super().__init__()
        self.costs, self.measured = costs, measured or range(len(costs))

    def on_epoch_end(self, epoch, logs=None):
        logs |= {"train_cost": self.costs[epoch], "measured_epoch": float(self.measured[epoch])}


def values(model: keras.Model) -> dict[str, object]:
    return {name: knob.value for name, knob in knobs(model).items()}


def fit(model, *callbacks, epochs=4, **options):
    options = {"batch_size": 16, "verbose": 0, **options}
    return model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), **options)


def drive(model, *callbacks, epochs=4, steps=4, initial_epoch=0):
    """The hooks as ``fit`` calls them, without the training."""
    model.stop_training = False
    parts = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=steps)
    parts.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        parts.on_epoch_begin(epoch)
        parts.on_epoch_end(epoch, {"loss": 1.0 / (1 + epoch)})
        if model.stop_training:
            break
    parts.on_train_end()


def test_off_at_first_then_on_as_configured():
    model, seen = network(), Strengths()
    fit(model, example(after_epochs=2), seen)
    assert seen.values == {0: OFF, 1: OFF, 2: CONFIGURED, 3: CONFIGURED}
    assert [row["regularization_active"] for row in seen.rows] == [0.0, 0.0, 1.0, 1.0]
    assert values(model) == CONFIGURED


def test_strengths_of_ones_own_and_those_that_are_not_named():
    model, seen = network(), Strengths()
    drive(model, example(after_epochs=2, strengths={"dropout": 0.5}), seen)
    assert seen.values[1] == OFF
    assert seen.values[2] == {"dropout": 0.5, "l2": 0.01}


def test_each_layer_gets_its_own_strength_back():
    layers = [Dropout(0.1), keras.layers.Dense(4), Dropout(0.6), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "mse", run_eagerly=True)
    seen = Strengths()
    drive(model, example(after_epochs=2), seen, epochs=3)
    assert seen.values == {0: {"dropout": 0.0}, 1: {"dropout": 0.0}, 2: {"dropout": (0.1, 0.6)}}
    own = example(after_epochs=1, strengths={"dropout": [0.2, 0.4]})
    drive(model, own, epochs=1)
    assert values(model) == {"dropout": (0.2, 0.4)}


def test_without_knobs_it_says_how_to_make_them():
    layers = [keras.layers.Dropout(0.3), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ConfigError, match=r"no knob at all \(there are: none\).*adjustable\(model"):
        drive(model, example())
    live = adjustable(model)
    live.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    drive(live, example(), epochs=1)
    with pytest.raises(ConfigError, match=r"no knob l2 \(there are: dropout\)"):
        drive(live, example(strengths={"l2": 0.1}))


def test_strengths_out_of_range_are_refused_at_once():
    model = network()
    with pytest.raises(ConfigError, match=r"dropout must be a number in \[0, 1\)"):
        drive(model, example(after_epochs=3, strengths={"dropout": 1.5}))
    with pytest.raises(ConfigError, match="dropout needs one value or 1"):
        drive(model, example(after_epochs=3, strengths={"dropout": (0.1, 0.2)}))


def test_strengths_that_are_all_zero_are_refused():
    model = network()
    for knob in knobs(model).values():
        knob.value = 0.0
    with pytest.raises(ConfigError, match="as all of the model's are 0, got strengths=None"):
        drive(model, example())
    drive(model, example(strengths={"l2": 0.1}), epochs=2)
    assert values(model) == {"dropout": 0.0, "l2": 0.1}


# What it says of the cost


@pytest.mark.parametrize(
    ("costs", "steps", "passed"),
    [
        ([1.0, 0.5, 0.2, 0.1], 4, True),
        ([1.0, 0.5, 0.54, 0.1], 4, True),
        ([1.0, 0.5, 0.7, 0.1], 4, False),
        ([1.0, 0.5, 0.5001, 0.1], 1, False),
        ([1.0, 0.9, 0.8, 0.8000001], 1, True),
        ([1.0, 1.0, 1.0, 1.0], 4, False),
        ([1.0, float("nan"), 0.5, 0.1], 4, False),
        ([1.0, 0.5, float("inf"), 0.1], 1, False),
    ],
)
def test_a_cost_that_does_not_fall_is_told_once(costs, steps, passed):
    part, seen = example(after_epochs=4), Strengths()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drive(network(), Script(costs), part, seen, steps=steps)
    told = [str(item.message) for item in caught if "RegularizationActivation" in str(item.message)]
    assert len(told) == (not passed)
    assert part.falling.passed is passed
    assert len(seen.rows) == 4
    if told:
        assert "does not go down" in told[0]
        assert told[0].index("learning rate") < told[0].index("gradients")


def test_it_does_as_configured():
    costs = [1.0, 2.0, 3.0, 4.0, 5.0]
    for action, epochs in (("warn", 5), ("ignore", 5), ("stop", 2)):
        model, seen = network(), Strengths()
        part = example(after_epochs=4, on_rising_cost=action)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            drive(model, Script(costs), part, seen, epochs=5)
        assert len(seen.rows) == epochs
        assert sum("go down" in str(item.message) for item in caught) == (action != "ignore")
        assert part.falling.passed is False
        assert values(model) == CONFIGURED


def test_after_the_activation_the_cost_may_rise():
    part = example(after_epochs=2, on_rising_cost="stop")
    drive(network(), Script([1.0, 0.5, 2.0, 3.0]), part)
    assert part.costs == [1.0, 0.5]
    assert part.falling.passed


def test_epochs_that_were_not_measured_do_not_count():
    part = example(after_epochs=4)
    drive(network(), Script([1.0, 1.0, 0.5, 0.5], measured=[0, 0, 2, 2]), part)
    assert part.costs == [1.0, 0.5]


def test_a_bias_variance_before_it_gives_the_cost():
    part, watch = example(after_epochs=3), BiasVariance((X, Y), (X, Y))
    fit(network(0.1), watch, part)
    assert part.costs == [row["train_cost"] for row in watch.history[:3]]
    assert part.falling.passed


@pytest.mark.parametrize("full", [True, False])
def test_without_one_it_is_the_loss_without_fixed_penalties(full):
    """With full batches the loss of an epoch is the cost of the weights before its only step."""
    keras.utils.set_random_seed(1)
    fixed = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.5))
    model = keras.Sequential([keras.Input((4,)), fixed, Dropout(0.3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.02), loss, run_eagerly=True)
    expected = []

    class Cost(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            cost = loss(Y, self.model(X, training=False))
            expected.append(float(keras.ops.convert_to_numpy(cost)))

    part, seen = example(after_epochs=3), Strengths()
    size = 64 if full else 16
    model.fit(X, Y, batch_size=size, epochs=3, verbose=0, callbacks=[Cost(), part, seen])
    assert part.costs == pytest.approx(expected, rel=1e-5 if full else 0.05)
    assert seen.rows[0]["loss"] > part.costs[0] + 0.2


def test_a_learning_rate_that_is_too_high_is_found():
    with pytest.warns(UserWarning, match="does not go down"):
        fit(network(200.0), example(after_epochs=5), epochs=5, batch_size=64)


def test_a_missing_cost_is_told_once_with_what_is_there():
    class Take(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.pop("loss")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = network()
        model.compile("sgd", model.loss, metrics=["accuracy"], run_eagerly=True)
        fit(model, Take(), example(after_epochs=3))
    told = [str(item.message) for item in caught if "found neither" in str(item.message)]
    assert len(told) == 1
    assert "only: accuracy" in told[0]


# Several fits, and ends before the activation


def test_strengths_are_as_configured_when_training_ends_before():
    model, seen = network(), Strengths()
    drive(model, example(after_epochs=9), seen, epochs=2)
    assert seen.values == {0: OFF, 1: OFF}
    assert values(model) == CONFIGURED


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_what_an_interrupted_fit_left_is_mended_by_the_next():
    model, part, seen = network(), example(after_epochs=2), Strengths()
    with pytest.raises(KeyboardInterrupt):
        drive(model, part, Interrupt())
    assert values(model) == OFF
    assert copy.deepcopy(part)
    drive(model, part, seen)
    assert seen.values == {0: OFF, 1: OFF, 2: CONFIGURED, 3: CONFIGURED}


def test_a_second_fit_begins_without_regularization_again():
    model, part, seen = network(), example(after_epochs=1), Strengths()
    drive(model, part, epochs=2)
    first = list(part.costs)
    drive(model, part, seen, epochs=2)
    assert seen.values == {0: OFF, 1: CONFIGURED}
    assert len(part.costs) == len(first) == 1


def test_from_a_later_initial_epoch_on_nothing_is_turned_off():
    model, part, seen = network(), example(after_epochs=2), Strengths()
    drive(model, part, seen, initial_epoch=2)
    assert seen.values == {2: CONFIGURED, 3: CONFIGURED}
    assert part.costs == []
    drive(model, example(after_epochs=2, strengths={"l2": 0.5}), seen, initial_epoch=3)
    assert seen.values == {3: {"dropout": 0.3, "l2": 0.5}}
    drive(model, example(after_epochs=2), seen, initial_epoch=1)
    assert seen.values[1] == OFF
    assert seen.values[2] == {"dropout": 0.3, "l2": 0.5}


class Resume(keras.callbacks.Callback):
    """Brings back weights and state, as a callback that restores a run does."""

    def __init__(self, part, state, weights):
        super().__init__()
        self.part, self.state, self.weights = part, state, weights

    def on_train_begin(self, logs=None):
        self.model.set_weights(self.weights)
        self.part.set_state(self.state)


class Keep(keras.callbacks.Callback):
    """The state and weights after each epoch, with what another callback did to a knob."""

    def __init__(self, part, turn_in=None):
        super().__init__()
        self.part, self.turn_in, self.kept = part, turn_in, {}

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.turn_in:
            knobs(self.model)["dropout"].value = 0.4
        weights = [np.array(weight.numpy()) for weight in self.model.weights]
        self.kept[epoch] = (json.loads(json.dumps(self.part.get_state())), weights)


@pytest.mark.parametrize("cut", [0, 2, 3])
def test_a_resumed_run_goes_on_as_it_was(cut):
    """Three epochs without, then on; in epoch 3 another callback turns a knob."""
    part = example(after_epochs=3)
    keep = Keep(part, turn_in=3)
    drive(network(), part, keep, epochs=5)
    part, seen = example(after_epochs=3), Strengths()
    resume = Resume(part, *keep.kept[cut])
    drive(network(), part, resume, seen, epochs=5, initial_epoch=cut + 1)
    expected = {1: OFF, 2: OFF, 3: CONFIGURED, 4: CONFIGURED}
    if cut == 3:
        expected[4] = {"dropout": 0.4, "l2": 0.01}
    assert seen.values == {epoch: expected[epoch] for epoch in range(cut + 1, 5)}
    assert len(part.costs) == 3


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nothing_is_retraced(jit_compile):
    traces = []

    class Trace(keras.layers.Layer):
        def call(self, x):
            traces.append(1)
            return x

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            Dropout(0.3),
            Trace(),
            keras.layers.Dense(3, kernel_regularizer=L2(0.1)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=jit_compile)
    counts = []

    class Count(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            counts.append(len(traces))

    fit(model, example(after_epochs=2), Count(), epochs=4)
    assert counts[0] == counts[-1]


def test_the_strengths_take_effect_in_a_compiled_step():
    """The penalty of L2 appears in the loss from the activation on."""
    model, seen = network(rate=1e-6, jit_compile=False), Strengths()
    fit(model, example(after_epochs=2, strengths={"l2": 10.0, "dropout": 0.0}), seen)
    losses = [row["loss"] for row in seen.rows]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert losses[2] > losses[1] + 10
