"""The strategies as oracles of KerasTuner."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from keras_ext.errors import ConfigError
from keras_ext.tuning import GuidedOracle, StagedOracle
from keras_ext.tuning.axes_of import axes_of
from keras_ext.tuning.ruled_oracle import errors_of
from tests.tuning.surface import gaps

pytestmark = [
    pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:getName:DeprecationWarning"),
]
ORACLES = pytest.mark.parametrize("kind", [GuidedOracle, StagedOracle])


def space() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Float("learning_rate", 1e-5, 0.1, sampling="log", default=1e-3)
    hp.Choice("units", [16, 32, 64, 128, 256], default=64)
    hp.Float("dropout", 0.0, 0.7, default=0.0)
    hp.Float("magnitude", 0.0, 1.0, default=0.0)
    hp.Boolean("batch_norm")
    return hp


def outcome(values: dict[str, Any]) -> dict[str, float]:
    bias, variance = gaps(values)
    return {"validation_error": bias + variance, "avoidable_bias": bias, "variance": variance}


def made(kind: type, directory: Path, **options: Any) -> Any:
    options = {"max_trials": 12, "seed": 0, "hyperparameters": space(), **options}
    oracle = kind(**options)
    oracle.verbose = 0
    oracle._set_project_dir(directory, "search")
    return oracle


def play(oracle: Any, until: int = 99, report: Callable[..., Any] = outcome) -> list[Any]:
    """Run trials, as a tuner does; a report of None is a failure."""
    while len(oracle.trials) < until:
        trial = oracle.create_trial("worker")
        if trial.status == "STOPPED":
            break
        assert trial.status == "RUNNING"
        found = report(trial.hyperparameters.values)
        if found is None:
            trial.status, trial.message = "INVALID", "planted"
        else:
            oracle.update_trial(trial.trial_id, found)
            trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return [oracle.trials[name].hyperparameters.values for name in sorted(oracle.trials)]


@ORACLES
def test_a_search_runs_to_its_budget_with_a_reason_for_each_trial(
    kind: type, tmp_path: Path
) -> None:
    oracle = made(kind, tmp_path)
    assert len(play(oracle)) == 12
    assert list(oracle.reasons) == list(oracle.trials)
    assert all(oracle.reasons.values())
    best = oracle.get_best_trials()[0]
    assert best.score < outcome(space().values)["validation_error"]


@ORACLES
def test_seed_0_is_a_seed(kind: type, tmp_path: Path) -> None:
    first, second = (play(made(kind, tmp_path / name)) for name in "ab")
    assert first == second
    assert play(made(kind, tmp_path / "c", seed=1)) != first or kind is GuidedOracle


@ORACLES
@pytest.mark.parametrize("cut", [1, 5, 9])
def test_reloaded_from_its_files_it_goes_on_as_if_nothing_had_been(
    kind: type, cut: int, tmp_path: Path
) -> None:
    whole = made(kind, tmp_path / "whole")
    expected = play(whole)
    play(made(kind, tmp_path / "cut"), until=cut)
    resumed = made(kind, tmp_path / "cut")
    resumed.reload()
    assert play(resumed) == expected
    assert resumed.reasons == whole.reasons


@ORACLES
def test_failures_are_survived_and_never_best(kind: type, tmp_path: Path) -> None:
    def report(values: dict[str, Any]) -> dict[str, float] | None:
        found = outcome(values)
        if values["magnitude"] > 0.3:
            return None
        return dict.fromkeys(found, math.inf) if values["units"] > 128 else found

    oracle = made(kind, tmp_path, max_consecutive_failed_trials=99)
    assert len(play(oracle, report=report)) == 12
    statuses = {trial.status for trial in oracle.trials.values()}
    assert statuses <= {"COMPLETED", "FAILED"}
    assert oracle.get_best_trials()[0].status == "COMPLETED"


@ORACLES
def test_without_a_diagnosis_it_says_so_once_and_goes_on(kind: type, tmp_path: Path) -> None:
    oracle = made(kind, tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        play(oracle, report=lambda v: {"validation_error": outcome(v)["validation_error"]})
    told = [str(item.message) for item in caught if "avoidable_bias" in str(item.message)]
    assert len(told) == 1
    assert "BiasVariance" in told[0]
    assert len(oracle.trials) == 12


@ORACLES
def test_any_objective_will_do(kind: type, tmp_path: Path) -> None:
    oracle = made(kind, tmp_path, objective=keras_tuner.Objective("val_accuracy", "max"))
    with pytest.warns(UserWarning, match="avoidable_bias"):
        play(oracle, report=lambda v: {"val_accuracy": 1 - outcome(v)["validation_error"]})
    best = oracle.get_best_trials()[0]
    assert best.score == max(trial.score for trial in oracle.trials.values())
    assert best.score > 1 - outcome(space().values)["validation_error"]


@ORACLES
def test_other_names_take_their_roles(kind: type, tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Float("lr", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Choice("kind", ["a", "b"])
    oracle = made(kind, tmp_path, hyperparameters=hp, roles={"lr": "learning_rate"}, max_trials=3)
    flat = {"validation_error": 0.1, "avoidable_bias": 0.05, "variance": 0.05}
    assert len({values["lr"] for values in play(oracle, report=lambda v: flat)}) == 3


@ORACLES
def test_several_workers_are_never_idle_nor_given_twins(kind: type, tmp_path: Path) -> None:
    oracle = made(kind, tmp_path)
    running = [oracle.create_trial(f"worker-{number}") for number in range(4)]
    while running:
        assert all(trial.status == "RUNNING" for trial in running)
        trial = running.pop(0)
        oracle.update_trial(trial.trial_id, outcome(trial.hyperparameters.values))
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        following = oracle.create_trial(f"worker-{(len(oracle.trials)) % 7 + 9}")
        running += [following] if following.status != "STOPPED" else []
    points = {str(sorted(t.hyperparameters.values.items())) for t in oracle.trials.values()}
    assert len(points) == len(oracle.trials) == 12


@ORACLES
def test_trials_without_their_proposals_still_count(kind: type, tmp_path: Path) -> None:
    """As from a damaged oracle.json that was made anew."""
    oracle = made(kind, tmp_path)
    play(oracle, until=6)
    state = oracle.get_state()
    del state["proposals"]
    oracle.set_state(state)
    assert len(play(oracle)) == 12


@ORACLES
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_trials": 0}, "max_trials=0"),
        ({"seed": -1}, "seed=-1"),
        ({"roles": {"lr": "speed"}}, r"roles\['lr'\]='speed'"),
        ({"learning_rates": (0.1, 0.01)}, r"learning_rates=\(0.1, 0.01\)"),
        ({"learning_rates": (0.1,)}, r"learning_rates=\(0.1,\)"),
    ],
)
def test_what_cannot_be_is_named(kind: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**options)


def test_noise_is_checked() -> None:
    with pytest.raises(ConfigError, match="noise=-1"):
        StagedOracle(noise=-1)


class TestAxes:
    def test_kinds_scales_and_roles(self) -> None:
        hp = space()
        hp.Float("momentum", 0.5, 0.99, default=0.9)
        hp.Int("layers", 1, 4)
        hp.Int("width", 2, 64, step=2, sampling="log")
        hp.Fixed("epochs", 5)
        axes = {axis.name: axis for axis in axes_of(hp)}
        assert axes["learning_rate"].scale == "log"
        assert axes["momentum"].scale == "complement"
        assert axes["layers"].whole
        assert not axes["layers"].choices
        assert axes["width"].choices == (2, 4, 8, 16, 32, 64)
        assert axes["epochs"].fixed
        assert not axes["batch_norm"].ordered
        assert axes["units"].role == "units"

    def test_conditions_become_parents(self) -> None:
        hp = keras_tuner.HyperParameters()
        hp.Choice("schedule", ["a", "b"])
        with hp.conditional_scope("schedule", ["b"]):
            hp.Float("decay_rate", 0.0, 1.0)
        assert axes_of(hp)[1].parents == (("schedule", ("b",)),)

    def test_a_schedule_is_one_without_an_order_other_knobs_are_not(self) -> None:
        hp = keras_tuner.HyperParameters()
        hp.Choice("schedule", ["constant", "cosine"])
        hp.Choice("units", [8, 16], ordered=False)
        assert [(a.role, a.ordered) for a in axes_of(hp)] == [("schedule", False), (None, False)]

    def test_two_for_one_role_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="are the units"):
            axes_of(space(), {"dropout": "units"})


@pytest.mark.parametrize(
    ("scores", "direction", "errors"),
    [
        ({"a": 0.2, "b": 0.1}, "min", {"a": 0.2, "b": 0.1}),
        ({"a": 0.25, "b": 1.0}, "max", {"a": 0.75, "b": 0.0}),
        ({"a": 10.0, "b": 30.0}, "max", {"a": 21.0, "b": 1.0}),
        ({"a": math.nan, "b": 2.0}, "min", {"a": math.inf, "b": 2.0}),
        ({"a": -math.inf}, "min", {"a": math.inf}),
    ],
)
def test_scores_become_errors(
    scores: dict[str, float], direction: str, errors: dict[str, float]
) -> None:
    assert errors_of(scores, direction) == pytest.approx(errors)


@pytest.mark.tensorflow
@ORACLES
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_trials_without_the_default_objective_are_told_so_at_once(kind, tmp_path: Path) -> None:
    class Silent(keras_tuner.Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            history = keras.callbacks.History()
            history.history = {"loss": [0.5, 0.4], "val_loss": [0.6, 0.5]}
            return history

    space = keras_tuner.HyperParameters()
    space.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    oracle = kind(max_trials=3, seed=0, hyperparameters=space)
    tuner = Silent(oracle=oracle, hypermodel=Own(), directory=tmp_path, project_name="own")
    with pytest.raises(ConfigError, match="must report validation_error: they report loss, val_l"):
        tuner.search(verbose=0)
    assert len(oracle.trials) == 1


class Own(keras_tuner.HyperModel):
    """A user's own model, with BiasVariance among the callbacks."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        x = rng.normal(size=(400, 6)).astype("float32")
        y = (x[:, 0] * x[:, 1] > 0).astype("int32")
        self.train, self.validation = (x[:200], y[:200]), (x[200:], y[200:])

    def declare_hyperparameters(self, hp: Any) -> None:
        hp.Float("learning_rate", 1e-4, 0.3, sampling="log", default=0.01)
        hp.Choice("units", [4, 8, 16, 32], default=8)

    def build(self, hp: Any) -> keras.Model:
        keras.utils.set_random_seed(0)
        rate = hp.Float("learning_rate", 1e-4, 0.3, sampling="log", default=0.01)
        units = hp.Choice("units", [4, 8, 16, 32], default=8)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(units, "relu")])
        model.add(keras.layers.Dense(2))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss)
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **options: Any) -> Any:
        from keras_ext.callbacks import BiasVariance

        watch = BiasVariance(self.train, self.validation)
        options["callbacks"] = [watch, *options["callbacks"]]
        return model.fit(*self.train, *args, **options)


@pytest.mark.slow
@pytest.mark.tensorflow
@ORACLES
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_search_of_keras_tuner_with_a_model_of_ones_own(kind: type, tmp_path: Path) -> None:
    oracle = kind(max_trials=6, seed=0)
    tuner = keras_tuner.Tuner(
        oracle=oracle, hypermodel=Own(), directory=tmp_path, project_name="own"
    )
    tuner.search(epochs=2, verbose=0)
    assert len(oracle.trials) == 6
    assert all(trial.status == "COMPLETED" for trial in oracle.trials.values())
    first = oracle.trials["0"]
    assert first.hyperparameters.values["learning_rate"] == 0.01
    names = {"validation_error", "train_error", "avoidable_bias", "variance"}
    assert names <= set(first.metrics.metrics)
    if kind is GuidedOracle:
        assert any("larger gap" in reason for reason in oracle.reasons.values())
