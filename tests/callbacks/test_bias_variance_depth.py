"""BiasVariance: third and fourth data sets, precision, remedies for the model at hand, resuming."""

from __future__ import annotations

import io
import json

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_ext.callbacks import BiasVariance
from keras_ext.errors import ConfigError, DivergedError
from keras_ext.regularization import L2, Dropout, knobs


def problem(count: int, seed: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes; a share of the labels are wrong."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype("float32")
    return x, ((x[:, 0] > 0) ^ (rng.random(count) < noise)).astype("int64")


TRAIN, VALIDATION = problem(512, 0), problem(400, 1)


def build(*layers: keras.layers.Layer, rate: float = 0.5) -> keras.Model:
    keras.utils.set_random_seed(1)
    hidden = layers or (keras.layers.Dropout(0.5),)
    out = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((4,)), *hidden, out])
    eager = keras.backend.backend() != "jax"
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(rate), loss, run_eagerly=eager)
    return model


def knowing() -> keras.Model:
    """A model that has the answer in its weights."""
    model = build()
    model.layers[-1].set_weights([np.array([[-9.0, 9.0], [0, 0], [0, 0], [0, 0]]), np.zeros(2)])
    return model


def fit(model: keras.Model, *callbacks: keras.callbacks.Callback, epochs: int = 2, **options):
    options = {"batch_size": 128, "epochs": epochs, "verbose": 0, **options}
    return model.fit(*TRAIN, callbacks=list(callbacks), **options)


def test_a_train_validation_split_tells_mismatch_from_variance():
    shifted = problem(1000, 2, noise=0.3)
    train = problem(1000, 0)
    alone = BiasVariance(train, shifted)
    alone.measure_now(knowing())
    assert alone.diagnosis.dominant == "variance"
    apart = BiasVariance(train, shifted, train_validation=problem(1000, 3))
    apart.measure_now(knowing())
    assert apart.diagnosis.dominant == "mismatch"
    assert apart.diagnosis.variance.verdict == "absent"
    assert [remedy.knob for remedy in apart.diagnosis.remedies] == ["data"]


def test_a_train_validation_split_has_its_keys_in_every_row():
    model, watch = build(), BiasVariance(TRAIN, VALIDATION, train_validation=problem(300, 3))

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                model.layers[-1].bias.assign([np.nan] * 2)

    with pytest.warns(UserWarning, match="not finite"):
        logs = fit(model, Break(), watch).history
    for key in ("train_validation_error", "train_validation_cost", "mismatch"):
        assert np.isfinite(logs[key][0])
        assert logs[key][1] == np.inf
    first = {name: values[0] for name, values in logs.items()}
    assert first["mismatch"] == first["validation_error"] - first["train_validation_error"]
    assert first["variance"] == first["train_validation_error"] - first["train_error"]
    assert watch.history[0]["train_validation_low"] < first["train_validation_error"]
    out = io.StringIO()
    watch.summary(console=Console(file=out, width=100))
    assert "train-validation" in out.getvalue()
    assert "data mismatch" in out.getvalue()


def test_the_test_set_is_opened_on_demand_and_leaves_no_trace():
    watch = BiasVariance(TRAIN, VALIDATION)
    with pytest.raises(ConfigError, match="nothing is measured yet"):
        watch.open_test(VALIDATION)
    model = knowing()
    watch.measure_now(model)
    before = repr(watch.history), watch.diagnosis
    found = watch.open_test(problem(12_000, 4, noise=0.2))
    assert found.overfit_to_validation.verdict == "present"
    assert found.overfit_to_validation.value == pytest.approx(0.2, abs=0.02)
    assert "larger validation set" in found.summary()
    assert (repr(watch.history), watch.diagnosis) == before
    same = watch.open_test([VALIDATION])
    assert same.overfit_to_validation.value == 0.0
    with pytest.raises(ConfigError, match=r"test must be one tuple \(x, y\)"):
        watch.open_test(VALIDATION[0])
    model.layers[-1].bias.assign([np.nan] * 2)
    with pytest.raises(DivergedError):
        watch.open_test(VALIDATION)


def test_precision_sets_the_sizes_at_the_first_measurement():
    train, validation = problem(12_000, 5, noise=0.1), problem(2000, 6, noise=0.1)
    watch = BiasVariance(train, validation, precision=0.01)
    for _ in range(2):
        watch.on_train_begin() if watch.model else watch.set_model(knowing())
        watch.measure_now()
        # 1.96^2 * 0.1 * 0.9 / 0.01^2 = 3457, to the chance of the pilot sample.
        assert watch.train_estimate.count == pytest.approx(3457, rel=0.25)
        assert watch.validation_estimate.count == 2000
        low, high = watch.train_estimate.interval()
        assert (high - low) / 2 == pytest.approx(0.01, rel=0.15)
    sizes = watch.train_estimate.count
    knowing_less = build()
    watch.measure_now(knowing_less)
    assert watch.train_estimate.count == sizes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": (VALIDATION[0][:, :3], VALIDATION[1])}, "validation does not fit"),
        (
            {"train": (TRAIN[0], np.eye(2)[TRAIN[1]])},
            "train can't be measured: labels must",
        ),
        ({"error": lambda y, p: np.mean(y - p[:, 0])}, "train can't be measured: error must give"),
        ({"error": lambda y, p: y @ p @ y}, "train does not fit the model"),
        ({"train_validation": (VALIDATION[0],)}, "train_validation must be labelled"),
    ],
)
def test_what_does_not_fit_is_said_before_the_first_step(change, message):
    given = {"train": TRAIN, "validation": VALIDATION, **change}
    watch = BiasVariance(given.pop("train"), given.pop("validation"), **given)
    model = build()
    with pytest.raises(ConfigError, match=message):
        fit(model, watch)
    assert int(model.optimizer.iterations.numpy()) == 0


def test_remedies_name_the_knobs_that_the_model_has():
    x, y = problem(512, 0, noise=0.5)
    hidden = keras.layers.Dense(8, activation="relu", kernel_regularizer=L2(0.01))
    bias = BiasVariance((x, y), (x, y))
    fit(build(hidden, Dropout(0.25), rate=0.05), bias, epochs=3)
    texts = {remedy.knob: remedy.text for remedy in bias.diagnosis.remedies}
    for knob, turn in {
        "epochs": "epochs 3 -> 6: ",
        "learning_rate": "learning_rate 0.05 -> 0.15: ",
        "units": "units 8 -> 16: ",
        "layers": "layers 1 -> 2: ",
        "dropout": "dropout 0.25 -> 0.15: ",
        "l2": "l2 0.01 -> 0.00333333: ",
        "architecture": "architecture: another architecture",
    }.items():
        assert texts[knob].startswith(turn)


def test_remedies_name_the_present_values():
    watch = BiasVariance(TRAIN, problem(400, 1, noise=0.3))
    model = build(Dropout(0.25))

    class Turn(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            knobs(model)["dropout"].value = 0.4
            model.optimizer.learning_rate = 1e-5

    fit(model, Turn(), watch, epochs=1)
    texts = {remedy.knob: remedy.text for remedy in watch.diagnosis.remedies}
    assert texts["dropout"].startswith("dropout 0.4 -> ")
    # The rate of a schedule at its end is no advice: the one at the start is.
    assert watch.get_state()["learning_rate"] == {"value": 0.5, "note": ""}


def test_knobs_that_are_given_are_all_that_there_are():
    watch = BiasVariance(TRAIN, problem(400, 1, noise=0.3), knobs={"l2": 0.0})
    fit(build(Dropout(0.25)), watch, epochs=1)
    assert "dropout" not in [remedy.knob for remedy in watch.diagnosis.remedies]


class Killed(Exception):
    """The end of a process."""


class Kill(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


class Resume(keras.callbacks.Callback):
    """After the others have begun."""

    def __init__(self, part, state):
        super().__init__()
        self.part, self.kept = part, state

    def on_train_begin(self, logs=None):
        self.part.set_state(self.kept)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("precision", [None, pytest.param(0.05, marks=pytest.mark.slow)])
def test_a_resumed_run_has_the_history_of_one_that_was_not(every, precision):
    def watch() -> BiasVariance:
        return BiasVariance(
            problem(3000, 5, noise=0.1), VALIDATION, every=every, precision=precision
        )

    whole, options = watch(), {"epochs": 5, "shuffle": False}
    expected = fit(build(), whole, **options).history
    model, first = build(), watch()
    with pytest.raises(Killed):
        fit(model, first, Kill(2), **options)
    state = json.loads(json.dumps(first.get_state()))
    second = watch()
    resumed = fit(model, second, Resume(second, state), initial_epoch=2, **options).history
    assert resumed["train_error"] == expected["train_error"][2:]
    assert resumed["measured_epoch"] == expected["measured_epoch"][2:]
    assert second.history == whole.history
    assert second.diagnosis == whole.diagnosis
    assert second.get_state() == whole.get_state()


def test_a_state_from_before_the_first_measurement():
    watch = BiasVariance(TRAIN, VALIDATION, precision=0.01)
    fresh = json.loads(json.dumps(watch.get_state()))
    other = BiasVariance(TRAIN, VALIDATION, precision=0.01)
    other.set_model(build())
    other.on_train_begin()
    other.set_state(fresh)
    assert other.diagnosis is None
    assert other.history == []


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")
def test_a_search_can_minimise_the_validation_error(tmp_path):
    tuner = pytest.importorskip("keras_tuner")

    def hypermodel(hp):
        model = build()
        model.optimizer.learning_rate = hp.Choice("learning_rate", [0.5, 1e-6])
        return model

    objective = tuner.Objective("validation_error", "min")
    search = tuner.GridSearch(hypermodel, objective, max_trials=2, directory=tmp_path)
    watch = BiasVariance(TRAIN, VALIDATION)
    search.search(*TRAIN, epochs=3, verbose=0, callbacks=[watch])
    best, worst = search.oracle.get_best_trials(2)
    assert best.hyperparameters.get("learning_rate") == 0.5
    assert best.score < worst.score - 0.1
    assert watch.history == []
