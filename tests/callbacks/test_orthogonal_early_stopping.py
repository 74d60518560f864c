"""OrthogonalEarlyStopping on scripted errors, where each event is forced, and in real fits."""

from __future__ import annotations

import copy
import io
import json
import math

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_ext.callbacks import (
    BiasVariance,
    OrthogonalEarlyStopping,
    RegularizationActivation,
    TrainingState,
    bias_variance,
)
from keras_ext.callbacks.measure import Measured
from keras_ext.diagnosis import paired_interval
from keras_ext.diagnosis.stopping import Turn
from keras_ext.errors import ConfigError
from keras_ext.regularization import L2, Dropout, knobs

KEYS = {"cost_improvement", "validation_above_best", "knob_turns"}

BAD = {
    "train": None,
    "validation": 5,
    "patience": 0,
    "min_delta": -0.1,
    "monitor": "loss",
    "restore": "best",
    "on_overfitting": "epochs",
}

EXAMPLES = 2000
FALLING = [2.0 * 0.8**epoch for epoch in range(60)]
FLAT = [2.0, 1.0, 0.6, *[0.5] * 57]


def problem(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)


TRAIN, VALIDATION = problem(128, 0), problem(48, 1)


def example(**changes) -> OrthogonalEarlyStopping:
    """One for a classifier of 4 inputs and 3 classes, as the laws want it."""
    arguments = {"train": TRAIN, "validation": VALIDATION, **changes}
    return OrthogonalEarlyStopping(arguments.pop("train"), arguments.pop("validation"), **arguments)


class Scripted(BiasVariance):
    """Says what it is told to: a training cost and a validation error for each epoch."""

    def __init__(self, costs, errors, every=1):
        super().__init__(TRAIN, VALIDATION, every=every)
        self.costs, self.errors = costs, errors

    def measure_now(self, model=None):
        epoch = self._epoch
        cost, error = self.costs[epoch], self.errors[epoch]
        self.measured = {}
        if math.isfinite(error):
            wrong = np.arange(EXAMPLES) < round(error * EXAMPLES)
            self.measured = {"validation": Measured(wrong.astype(float), wrong * 3.0, 3 * error)}
        self._latest = {
            "train_cost": float(cost),
            "validation_error": float(error),
            "validation_cost": 3 * float(error),
            "measured_epoch": float(epoch),
        }
        self.history.append({"epoch": epoch, **self._latest})


class Shift(keras.callbacks.Callback):
    """Moves all weights in each epoch so that each is its number of epochs, and keeps the logs."""

    def on_train_begin(self, logs=None):
        self.rows = []

    def on_epoch_begin(self, epoch, logs=None):
        self.model.layers[-1].bias.assign([float(epoch)] * 3)

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append(dict(logs))


def network(**compiled) -> keras.Model:
    """A classifier with live dropout and L2, and with batch statistics."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu", kernel_regularizer=L2(0.0)),
            keras.layers.BatchNormalization(),
            Dropout(0.0),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    eager = keras.backend.backend() != "jax"
    options = {"optimizer": keras.optimizers.SGD(0.01), "run_eagerly": eager, **compiled}
    model.compile(loss="sparse_categorical_crossentropy", **options)
    return model


def drive(model, callbacks, epochs, first=0):
    """The hooks as ``fit`` calls them, without the training."""
    model.stop_training = False
    parts = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs)
    parts.on_train_begin()
    for epoch in range(first, epochs):
        parts.on_epoch_begin(epoch)
        parts.on_epoch_end(epoch, {})
        if model.stop_training:
            break
    parts.on_train_end()


def play(costs, errors, epochs=30, every=1, first=0, model=None, **options):
    """Go through scripted errors; the callback, what it left in the logs, and the model."""
    watch = Scripted(costs, errors, every=every)
    stop, shift = OrthogonalEarlyStopping(watch, **options), Shift()
    model = model or network()
    drive(model, [watch, stop, shift], epochs, first)
    return stop, shift, model


def rising(best=3, count=60):
    """A validation error that is best in one epoch and rises from then on."""
    return [0.1 + 0.02 * abs(epoch - best) for epoch in range(min(count, 40))] + [0.9] * 20


def test_a_rising_validation_error_never_stops_the_run():
    stop, shift, model = play(FALLING, rising())
    assert len(shift.rows) == 30
    assert not model.stop_training
    assert stop.report.overfitting.since == 4
    assert stop.report.overfitting.present
    assert not stop.report.stopped


def test_a_cost_that_has_converged_stops_it():
    stop, shift, _ = play(FLAT, [0.2] * 60, patience=4)
    assert len(shift.rows) == 9
    report = stop.report
    assert (report.stopped, report.convergence.verdict) == (True, "converged")
    assert report.kept.epoch == 8


@pytest.mark.parametrize("costs", [[math.nan] * 9, [1.0, 0.5, math.inf], [0.5, 0.4, 9, 9, 9.0]])
def test_a_cost_that_has_diverged_stops_it(costs):
    stop, shift, _ = play(costs, [0.2] * 60)
    assert stop.report.convergence.verdict == "diverged"
    assert len(shift.rows) == next(
        epoch + 1 for epoch, cost in enumerate(costs) if not math.isfinite(cost) or epoch == 4
    )
    assert shift.rows[-1]["cost_improvement"] == -math.inf


def test_it_writes_plain_floats_under_the_same_keys():
    _, shift, _ = play(FALLING, rising())
    assert all(KEYS <= set(row) == set(shift.rows[0]) for row in shift.rows)
    assert all(type(row[key]) is float for row in shift.rows for key in KEYS)
    assert shift.rows[0]["cost_improvement"] == math.inf
    assert shift.rows[9]["cost_improvement"] == pytest.approx(5 * 0.2, rel=0.5)
    assert shift.rows[9]["validation_above_best"] == pytest.approx(0.12)


def test_history_has_a_row_for_each_measurement():
    stop, _, _ = play(FALLING, rising(), epochs=10, every=4)
    assert [row["epoch"] for row in stop.history] == [0, 4, 8, 9]
    names = {"train_cost", "validation_cost", "validation_error", "learning_rate", *KEYS}
    assert all(set(row) == names | {"epoch"} for row in stop.history)
    assert stop.history[1]["learning_rate"] == pytest.approx(0.01)


# Turning a knob


def test_overfitting_turns_one_knob_by_one_notch_and_training_goes_on():
    stop, shift, model = play(FALLING, rising(best=3), on_overfitting="turn", epochs=11)
    # Above the best since epoch 4, for five epochs by epoch 8.
    assert stop.turns == [Turn(8, "dropout", 0.0, 0.1)]
    assert knobs(model)["dropout"].value == 0.1
    assert knobs(model)["l2"].value == 0.0
    assert [row["knob_turns"] for row in shift.rows] == [0.0] * 8 + [1.0] * 3


def test_nothing_is_turned_after_the_last_epoch():
    stop, _, model = play(FALLING, rising(best=3), on_overfitting="turn", epochs=9)
    assert stop.report.overfitting is not None
    assert stop.turns == []
    assert knobs(model)["dropout"].value == 0.0


def waves(*bests, high=0.3):
    """An error that is best in every seventh epoch from 2 on, and rises at once."""
    errors = [high, high]
    for best in bests:
        errors += [best, *[high] * 6]
    return [*errors, *[high] * 40]


def test_it_turns_again_only_when_it_overfits_anew():
    errors = waves(0.2, 0.18, 0.16)
    stop, _, _ = play(FALLING, errors, on_overfitting="turn", patience=4, epochs=22)
    # Four epochs above the best of the time since the last turn.
    assert [turn.epoch for turn in stop.turns] == [6, 13, 20]
    assert [turn.after for turn in stop.turns] == [0.1, 0.2, 0.3]


def test_a_knob_that_brought_nothing_is_left_alone():
    errors = waves(0.2, 0.18, 0.19, 0.17, 0.16)
    stop, _, _ = play(FALLING, errors, on_overfitting="turn", patience=4, epochs=36)
    knobs_turned = [(turn.epoch, turn.knob, turn.after) for turn in stop.turns]
    # Dropout 0.2 has no epoch as good as 0.18; the next remedy has.
    assert knobs_turned == [
        (6, "dropout", 0.1),
        (13, "dropout", 0.2),
        (20, "l2", 1e-4),
        (27, "l2", 3e-4),
        (34, "l2", 9e-4),
    ]
    # By itself it waits for the next best epoch.
    stop, _, _ = play(FALLING, errors, on_overfitting="dropout", patience=4, epochs=36)
    assert [turn.epoch for turn in stop.turns] == [6, 13, 27, 34]
    stop, _, _ = play(FALLING, errors, on_overfitting=lambda _: "dropout", patience=4, epochs=36)
    assert len(stop.turns) == 5


def test_the_same_overfitting_turns_nothing_twice():
    """It stays far above the best of all, first falling and then flat; until it rises again."""
    falls = [0.2 - 0.005 * n for n in range(1, 9)]
    errors = [0.3, 0.2, 0.1, *[0.2] * 5, *falls, *[0.16] * 8, *[0.2] * 30]
    stop, shift, _ = play(FALLING, errors, on_overfitting=lambda _: "dropout", epochs=32)
    # The rise begins in epoch 24.
    assert [turn.epoch for turn in stop.turns] == [7, 28]
    assert stop.report.overfitting.since == 3
    assert all(row["validation_above_best"] > 0 for row in shift.rows[3:])


def test_a_turn_starts_the_judgement_of_the_cost_anew():
    costs = [2.0, 1.0, 0.6, 0.4, 0.3, 0.2, *[0.1] * 50]
    stop, shift, _ = play(costs, rising(best=1), on_overfitting="turn", patience=5, epochs=40)
    assert stop.turns[0].epoch == 6
    bare, rows, _ = play(costs, rising(best=1), patience=5, epochs=40)
    assert bare.report.stopped
    assert stop.report.stopped
    assert len(rows.rows) == 12
    assert len(shift.rows) == 12
    later = [*costs[:9], 0.09, *[0.08] * 50]
    stop, shift, _ = play(later, rising(best=4), on_overfitting="turn", patience=5, epochs=40)
    assert stop.turns[0].epoch == 9
    assert len(shift.rows) > 14


def test_a_knob_that_somebody_else_turns_starts_both_judgements_anew():
    class Activate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 5:
                knobs(self.model)["dropout"].value = 0.5

    errors, found = [*rising(best=1)[:6], *[0.18] * 30], []
    for parts in ([], [Activate()]):
        watch = Scripted(FALLING, errors)
        stop, shift = OrthogonalEarlyStopping(watch, on_overfitting=lambda _: None), Shift()
        drive(network(), [*parts, watch, stop, shift], 15)
        found.append((stop._axes.may_turn(), [row["cost_improvement"] for row in shift.rows]))
    assert found[0][0]
    assert not found[1][0]
    assert np.isfinite(found[0][1][5:]).all()
    # Too few epochs with the new strength to tell, from epoch 5 to 9.
    assert np.flatnonzero(np.isinf(found[1][1])).tolist() == list(range(10))


def test_a_knob_by_name():
    stop, _, model = play(FALLING, rising(), on_overfitting="l2", epochs=10)
    assert stop.turns == [Turn(8, "l2", 0.0, 1e-4)]
    assert knobs(model)["dropout"].value == 0.0


def test_a_function_chooses():
    seen = []

    def choose(found):
        seen.append((found.since, [item.knob for item in found.remedies]))
        return None if len(seen) < 3 else "l2"

    stop, _, _ = play(FALLING, rising(), on_overfitting=choose, epochs=12)
    assert stop.turns == [Turn(10, "l2", 0.0, 1e-4)]
    assert seen[0] == (4, ["dropout", "l2", "data", "architecture"])
    with pytest.raises(ConfigError, match="must return one of dropout, l2 or None, got 'units'"):
        play(FALLING, rising(), on_overfitting=lambda found: "units")


def test_at_the_end_of_its_range_nothing_is_turned():
    model = network()
    knobs(model)["dropout"].value = 0.8
    stop, _, _ = play(FALLING, rising(), on_overfitting="dropout", epochs=12, model=model)
    assert stop.turns == []
    other, _, _ = play(FALLING, rising(), on_overfitting="turn", epochs=10, model=model)
    assert [turn.knob for turn in other.turns] == ["l2"]


def test_rates_of_their_own_all_move():
    model = keras.Sequential(
        [keras.Input((4,)), Dropout(0.1), Dropout(0.5), keras.layers.Dense(3, "softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    stop, _, _ = play(FALLING, rising(), on_overfitting="turn", epochs=10, model=model)
    assert stop.turns == [Turn(8, "dropout", (0.1, 0.5), (0.2, 0.6))]


@pytest.mark.parametrize("choice", ["turn", "dropout", lambda found: None])
def test_without_a_knob_to_turn_fit_says_what_to_do(choice):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ConfigError, match=r"there are: none; make some with .*adjustable"):
        play(FALLING, rising(), on_overfitting=choice, model=model)
    with pytest.raises(ConfigError, match=r"there are: dropout, l2; .*on_overfitting='magnitude'"):
        play(FALLING, rising(), on_overfitting="magnitude")


# Restoring


def test_the_last_weights_stay_or_the_best_come_back():
    for restore, epoch in (("last", 9), ("best_validation", 3)):
        stop, _, model = play(FALLING, rising(), restore=restore, epochs=10)
        assert stop.report.kept.epoch == epoch
        np.testing.assert_allclose(model.layers[-1].bias.numpy(), epoch)


def test_best_weights_are_copies_of_all_weights_and_of_no_seed():
    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                self.weights = [np.array(weight.numpy()) for weight in self.model.weights]

    watch, keep, model = Scripted(FALLING, rising()), Keep(), network()
    stop = OrthogonalEarlyStopping(watch, restore="best_validation", on_overfitting="turn")
    model.fit(*TRAIN, batch_size=128, epochs=10, verbose=0, callbacks=[watch, stop, keep])
    assert len(keep.weights) == len(model.weights)
    for kept, weight in zip(keep.weights, model.weights, strict=True):
        np.testing.assert_array_equal(kept, weight.numpy())
    # The knob was turned later: its strength goes back too.
    assert stop.turns[0].after == 0.1
    assert knobs(model)["dropout"].value == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_never_the_best(bad):
    errors = [bad, bad, 0.5, bad, 0.3, bad]
    stop, _, model = play(FALLING, errors, restore="best_validation", epochs=6)
    assert (stop.report.overfitting.best_epoch, stop.report.kept.epoch) == (4, 4)
    np.testing.assert_allclose(model.layers[-1].bias.numpy(), 4)


def test_the_cost_decides_between_epochs_of_equal_error():
    class Costs(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["validation_cost"] = [0.9, 0.8, 0.5, 0.6, 0.5, 0.7][epoch]

    watch = Scripted(FALLING, [0.3, 0.1, 0.1, 0.1, 0.1, 0.2])
    stop, model = OrthogonalEarlyStopping(watch, restore="best_validation"), network()
    drive(model, [watch, Costs(), stop, Shift()], 6)
    assert stop.report.kept.epoch == 2
    np.testing.assert_allclose(model.layers[-1].bias.numpy(), 2)


def test_without_anything_finite_the_last_weights_stay():
    model = network()
    model.layers[-1].bias.assign([np.nan] * 3)
    stop = example(restore="best_validation")
    with pytest.warns(UserWarning, match="epoch 1: the predictions of 128 of 128"):
        logs = model.fit(*TRAIN, epochs=5, verbose=0, callbacks=[stop]).history
    assert len(logs["loss"]) == 1
    report = stop.report
    assert (report.convergence.verdict, report.overfitting.best_epoch) == ("diverged", None)
    assert report.kept.epoch == 0
    assert "never finite" in report.summary()


# What early stopping would have done


def noisy() -> tuple[np.ndarray, np.ndarray]:
    """A few training examples, many with a label at random: a model must overfit."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(128) < 0.3, rng.integers(0, 3, 128), TRAIN[1])
    return TRAIN[0][:24], labels[:24]


NOISY, HELD = noisy(), problem(800, 5)


def real_fit(*callbacks):
    layers = [keras.layers.Dense(64, activation="tanh"), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    # Drawn by numpy: the same on every backend and device.
    rng = np.random.default_rng(2)
    model.set_weights([rng.uniform(-0.3, 0.3, item.shape) for item in model.weights])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    eager = keras.backend.backend() != "jax"
    model.compile(keras.optimizers.Adam(0.1), loss, run_eagerly=eager)
    model.fit(*NOISY, batch_size=24, epochs=12, verbose=0, callbacks=list(callbacks))
    return model


@pytest.mark.parametrize(("monitor", "every"), [("error", 1), ("cost", 3)])
def test_it_tells_what_early_stopping_does_in_the_same_fit(monitor, every):
    first, second = (BiasVariance(NOISY, HELD, every=every) for _ in range(2))
    stop = OrthogonalEarlyStopping(first, patience=4, min_delta=0, monitor=monitor)
    real_fit(first, stop)
    early = keras.callbacks.EarlyStopping(
        f"validation_{monitor}", patience=4, mode="min", restore_best_weights=True
    )
    model = real_fit(second, early)
    told = stop.report.conventional
    assert early.stopped_epoch > 0
    assert (told.stopped_epoch, told.kept.epoch) == (early.stopped_epoch, early.best_epoch)
    alone = BiasVariance(NOISY, HELD)
    alone.measure_now(model)
    assert told.kept.validation_error == alone.history[0]["validation_error"]
    assert told.kept.train_cost == pytest.approx(alone.history[0]["train_cost"])
    ours, theirs = first.measured["validation"].errors, alone.measured["validation"].errors
    value, *limits = told.error_difference
    assert value == pytest.approx(ours.mean() - theirs.mean())
    assert tuple(limits) == pytest.approx(paired_interval(ours, theirs))
    cost = first.history[-1]["train_cost"] - alone.history[0]["train_cost"]
    assert told.cost_difference == pytest.approx(cost)
    # It really overfits: while the training cost falls, the validation cost rises.
    assert cost < 0
    if monitor == "cost":
        found = stop.report.overfitting
        assert found.best_epoch < found.since
        assert found.low > 0


def test_a_first_epoch_that_is_not_finite_is_told_as_keras_does_it():
    stop, _, _ = play(FALLING, [math.nan, 0.5, 0.4, 0.3, 0.2, 0.1], epochs=6, patience=2)
    told = stop.report.conventional
    assert (told.stopped_epoch, told.kept.epoch) == (2, 0)
    assert told.error_difference is None


def test_a_turn_comes_only_where_early_stopping_would_have_stopped():
    for best in (1, 4):
        stop, _, _ = play(FALLING, rising(best), on_overfitting="turn", patience=3, epochs=12)
        assert stop.report.conventional.stopped_epoch <= stop.turns[0].epoch
        assert stop.report.conventional.kept.epoch == best


# Measuring once, order, life


def test_with_a_bias_variance_nothing_is_measured_twice(monkeypatch):
    calls = []
    measure = bias_variance.measure_each
    monkeypatch.setattr(
        bias_variance, "measure_each", lambda *a, **k: calls.append(1) or measure(*a, **k)
    )
    watch = BiasVariance(TRAIN, VALIDATION)
    stop = OrthogonalEarlyStopping(watch, restore="best_validation", on_overfitting="turn")
    numbers = []
    for parts in ([watch], [watch, stop]):
        calls.clear()
        network().fit(*TRAIN, epochs=2, verbose=0, callbacks=parts)
        numbers.append(len(calls))
    assert numbers[0] == numbers[1] > 0
    costs = [row["train_cost"] for row in watch.history]
    assert [row["train_cost"] for row in stop.history] == costs


def test_with_data_it_measures_by_itself_and_says_the_same():
    watch = BiasVariance(TRAIN, VALIDATION)
    given, alone = OrthogonalEarlyStopping(watch), example()
    options = {"batch_size": 64, "epochs": 3, "verbose": 0}
    first = network().fit(*TRAIN, callbacks=[watch, given], **options).history
    second = network().fit(*TRAIN, callbacks=[alone], **options).history
    assert first == second
    assert given.report == alone.report


def test_a_bias_variance_that_is_not_in_the_list_or_after_it_is_refused():
    watch = BiasVariance(TRAIN, VALIDATION)
    stop = OrthogonalEarlyStopping(watch)
    with pytest.raises(ConfigError, match="must be in the list of callbacks too, before it"):
        network().fit(*TRAIN, verbose=0, callbacks=[stop])
    with pytest.raises(ConfigError, match="found no train_cost in logs: put the BiasVariance"):
        network().fit(*TRAIN, verbose=0, callbacks=[stop, watch])


def test_data_beside_a_bias_variance_is_refused():
    with pytest.raises(ConfigError, match="validation must be None with a BiasVariance"):
        OrthogonalEarlyStopping(BiasVariance(TRAIN, VALIDATION), VALIDATION)


def test_a_model_without_a_loss_is_refused():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(y_pred))

    model = Own()
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(ConfigError, match="compile the model with a loss"):
        model.fit(*TRAIN, verbose=0, callbacks=[example()])


def test_a_loss_without_a_cost_for_each_example_can_be_watched_by_its_error():
    def total(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(keras.ops.cast(y_true, y_pred.dtype) - y_pred))

    def model():
        made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        made.compile("sgd", total, run_eagerly=True)
        return made

    stop, squared = example(), "the error is the squared difference with the loss .*total"
    with pytest.warns(UserWarning, match=squared):
        model().fit(*TRAIN, epochs=2, verbose=0, callbacks=[stop])
    assert len(stop.history) == 2
    refused = pytest.raises(ConfigError, match="monitor='cost'")
    with pytest.warns(UserWarning, match=squared), refused:
        model().fit(*TRAIN, verbose=0, callbacks=[example(monitor="cost")])


def test_one_of_several_outputs():
    inputs = keras.Input((4,))
    heads = {name: keras.layers.Dense(3, "softmax", name=name)(inputs) for name in ("a", "b")}
    model = keras.Model(inputs, heads)
    loss = "sparse_categorical_crossentropy"
    model.compile("sgd", dict.fromkeys(heads, loss), run_eagerly=keras.backend.backend() != "jax")
    (x, y), (other, labels) = TRAIN, VALIDATION
    watch = BiasVariance((x, y), (other, labels), output="b")
    stop = OrthogonalEarlyStopping(watch)
    model.fit(x, {"a": y, "b": y}, epochs=2, verbose=0, callbacks=[watch, stop])
    assert [row["validation_error"] for row in stop.history] == [
        row["validation_error"] for row in watch.history
    ]


def test_the_learning_rate_of_a_schedule_is_seen():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=20)
    model = network(optimizer=keras.optimizers.SGD(schedule))
    costs = [2.0, 1.0, 0.7, 0.5, *[0.4 - 0.0007 * epoch for epoch in range(30)]]
    watch = Scripted(costs, [0.2] * 60)
    stop = OrthogonalEarlyStopping(watch)
    model.fit(*TRAIN, batch_size=128, epochs=20, verbose=0, callbacks=[watch, stop])
    rates = [row["learning_rate"] for row in stop.history]
    by_hand = [0.005 * (1 + math.cos(math.pi * step / 20)) for step in (0, 1, 2)]
    assert rates[:2] == pytest.approx([sum(by_hand[:2]) / 2, sum(by_hand[1:]) / 2], rel=1e-4)
    assert len(rates) == 20
    assert "because the learning rate is" in stop.report.convergence.reason
    assert len(play(costs, [0.2] * 60, epochs=20)[1].rows) < 20


def test_epochs_count_from_where_the_fit_begins():
    costs, errors = [9.0] * 10 + FALLING, [0.9] * 10 + rising()
    stop, _, _ = play(costs, errors, first=10, epochs=25, on_overfitting="turn", patience=3)
    assert stop.report.overfitting.best_epoch == 13
    assert stop.turns[0].epoch == 16
    assert stop.report.conventional.stopped_epoch == 16
    assert stop.history[0]["epoch"] == 10


class Resume(keras.callbacks.Callback):
    """Hands a state on, as a callback that restores a run would."""

    def __init__(self, stop, state):
        super().__init__()
        self.stop, self.state = stop, state

    def on_train_begin(self, logs=None):
        self.stop.set_state(self.state)


@pytest.mark.parametrize("cut", [2, 6, 11])
def test_a_resumed_run_ends_like_one_that_was_never_cut(cut):
    errors = [0.3, 0.2, 0.1, *[0.2] * 5, 0.15, 0.14, 0.13, *[0.18] * 5, 0.09, *[0.14] * 30]
    options = {"on_overfitting": "turn", "restore": "best_validation", "patience": 4}
    whole, _, model = play(FALLING, errors, epochs=22, **options)
    watch = Scripted(FALLING, errors)
    stop, again = OrthogonalEarlyStopping(watch, **options), network()
    state = {}

    class Cut(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            state.update(copy.deepcopy(stop.get_state()))

    drive(again, [watch, stop, Cut(), Shift()], cut)
    for name, knob in knobs(again).items():
        knob.value = next((t["after"] for t in reversed(state["turns"]) if t["knob"] == name), 0.0)
    watch = Scripted(FALLING, errors)
    other = OrthogonalEarlyStopping(watch, **options)
    drive(again, [watch, other, Resume(other, state), Shift()], 22, first=cut)
    assert other.history == whole.history
    assert other.report == whole.report
    assert other.turns == whole.turns
    np.testing.assert_array_equal(again.layers[-1].bias.numpy(), model.layers[-1].bias.numpy())


def test_the_state_is_plain_values_and_arrays():
    options = {"on_overfitting": "turn", "restore": "best_validation", "epochs": 10}
    stop, _, _ = play(FALLING, rising(), **options)
    state = stop.get_state()
    arrays = [*state.pop("weights"), *state.pop("values").values()]
    assert all(isinstance(item, np.ndarray) for item in arrays)
    assert json.loads(json.dumps(state)) == json.loads(json.dumps(state))
    assert state["turns"] == [{"epoch": 8, "knob": "dropout", "before": 0.0, "after": 0.1}]


def test_a_copied_list_of_callbacks_still_belongs_together():
    watch = BiasVariance(TRAIN, VALIDATION)
    stop = OrthogonalEarlyStopping(watch, on_overfitting=max)
    twins = copy.deepcopy([watch, stop])
    network().fit(*TRAIN, epochs=2, verbose=0, callbacks=twins)
    assert twins[1]._watch is twins[0]
    assert len(twins[1].history) == 2
    assert stop.history == []
    assert twins[1].on_overfitting is max
    after = copy.deepcopy(twins)
    assert after[1].history == twins[1].history


def test_summary_prints_the_report():
    out = io.StringIO()
    with pytest.raises(ConfigError, match="fit first"):
        example().summary()
    stop, _, _ = play(FALLING, rising(), on_overfitting="turn", epochs=10)
    stop.summary(console=Console(file=out, width=300))
    assert out.getvalue().strip() == stop.report.summary()
    assert "turned after epoch 9: dropout 0 -> 0.1" in out.getvalue()


def test_remedies_name_the_knobs_that_are_known():
    stop, _, _ = play(FALLING, rising(), epochs=10)
    first = stop.report.overfitting.remedies[0]
    assert (first.knob, first.before, first.after) == ("dropout", 0.0, 0.1)
    watch = Scripted(FALLING, rising())
    watch.knobs = {"magnitude": 0.25}
    stop = OrthogonalEarlyStopping(watch)
    drive(network(), [watch, stop], 10)
    assert [item.knob for item in stop.report.overfitting.remedies][:2] == ["magnitude", "dropout"]


class Fail(keras.callbacks.Callback):
    """Ends the fit as a crash would, in the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise RuntimeError


def test_a_run_that_training_state_resumes_ends_like_one_that_was_not_cut(tmp_path):
    """With real measurements, together with a callback that turns the knobs itself."""

    def start(*more):
        model = network()
        knobs(model)["dropout"].value = 0.3
        stop = example(restore="best_validation", on_overfitting="turn", patience=1)
        parts = [RegularizationActivation(after_epochs=3), stop]
        state = TrainingState(tmp_path, parts)
        options = {"batch_size": 128, "epochs": 5, "verbose": 0}
        model.fit(*TRAIN, callbacks=[*parts, *more, state], **options)
        return stop, model

    whole, model = start()
    with pytest.raises(RuntimeError):
        start(Fail())
    resumed, again = start()
    assert resumed.history == whole.history
    assert resumed.report == whole.report
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
