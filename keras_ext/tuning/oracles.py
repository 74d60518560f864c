"""KerasTuner's oracles by the name of their strategy, and an oracle rebuilt from a journal."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner

from keras_ext.errors import ConfigError
from keras_ext.files import atomic_write
from keras_ext.tuning.guided_oracle import GuidedOracle
from keras_ext.tuning.project import set_aside
from keras_ext.tuning.staged_oracle import StagedOracle

OBJECTIVE = "validation_error"
RUNNING = "RUNNING"
NEVER = 10**9

Factory = Callable[..., Any]


def _random(**arguments: Any) -> Any:
    return keras_tuner.oracles.RandomSearchOracle(**arguments)


def _bayesian(**arguments: Any) -> Any:
    return keras_tuner.oracles.BayesianOptimizationOracle(**arguments)


def _hyperband(
    *, max_trials: int | None, max_epochs: int, factor: int = 3, **arguments: Any
) -> Any:
    """Brackets without end: how many trials there are is for ``max_trials`` to say."""
    oracle = keras_tuner.oracles.HyperbandOracle(
        max_epochs=max_epochs, factor=factor, hyperband_iterations=0, **arguments
    )
    oracle.max_trials = max_trials
    return oracle


STRATEGIES: dict[str, Factory] = {
    "random": _random,
    "bayesian": _bayesian,
    "hyperband": _hyperband,
    "staged": StagedOracle,
    "guided": GuidedOracle,
}
"""How the oracle of each strategy is made, from ``objective``, ``max_trials``, ``seed``,
``hyperparameters`` and what it has of its own."""


def make_oracle(
    strategy: str,
    *,
    max_trials: int | None,
    seed: int,
    hyperparameters: Any,
    objective: Any = None,
    retries: int = 0,
    **options: Any,
) -> Any:
    """A ``keras_tuner.Oracle`` for any tuner of KerasTuner.

    Args:
        strategy: one of ``STRATEGIES``.
        max_trials: how many points it proposes at the most.
        seed: from 0 on; KerasTuner takes 0 for "any", so it is given the next number.
        hyperparameters: the space, declared.
        objective: of KerasTuner; by default the validation error, to be minimized.
        retries: how often a trial that raised is tried again.
        options: of the strategy: ``max_epochs`` and ``factor`` for "hyperband".

    Raises:
        ConfigError: for an unknown strategy or option.
    """
    if strategy not in STRATEGIES:
        names = ", ".join(STRATEGIES)
        raise ConfigError(f"strategy must be one of {names}, got strategy={strategy!r}")
    arguments = {
        "objective": objective or keras_tuner.Objective(OBJECTIVE, "min"),
        "max_trials": max_trials,
        "seed": seed + 1,
        "hyperparameters": hyperparameters,
        "max_retries_per_trial": retries,
        "max_consecutive_failed_trials": NEVER,
        **options,
    }
    try:
        oracle = STRATEGIES[strategy](**arguments)
    except TypeError as error:
        raise ConfigError(f"strategy {strategy!r} can't be made so: {error}") from error
    oracle.verbose = 0
    return oracle


def replay(oracle: Any, events: Sequence[Mapping[str, Any]]) -> None:
    """Bring a new oracle to where another one was after these events.

    It is asked for each proposal again, so that whatever it keeps of its proposals is there. What
    it says counts only where the journal has lost its own record; that trial is then run again,
    under its own number. Trials that were running wait to be taken up.

    Args:
        oracle: of the same strategy, seed and space.
        events: "proposed" with ``number``, ``values`` and ``max_trials``, as the strategy may have
            divided up another number of trials than it is given now; "finished" with ``number``,
            ``values``, ``status``, ``metrics`` and ``message``.
    """
    oracle.save = oracle._save_trial = lambda *_: None
    changed, limit = 0, oracle.max_trials
    for event in events:
        if event["event"] not in ("proposed", "finished"):
            continue
        number, limit = event["number"], event.get("max_trials", limit)
        while len(oracle.trials) <= number:
            _ask(oracle, len(oracle.trials), limit)
        trial = _trials(oracle)[number]
        if trial.hyperparameters.values != event["values"]:
            changed += 1
            trial.hyperparameters.values = dict(event["values"])
            # What the rules meant by other values would be taken for what these have shown.
            getattr(oracle, "proposals", {}).pop(trial.trial_id, None)
        if event["event"] == "finished" and trial.trial_id not in oracle.end_order:
            _end(oracle, trial, event)
    for worker in list(oracle.ongoing_trials):
        oracle._retry_queue.insert(0, oracle.ongoing_trials.pop(worker).trial_id)
    oracle.tuner_ids.clear()
    if changed:
        warnings.warn(
            f"the strategy proposes other values for {changed} of the trials than it did before; "
            "those that were tried count",
            stacklevel=2,
        )


def keep_files(oracle: Any, directory: Path) -> None:
    """Write KerasTuner's own files for an oracle, whole or not at all, from now on.

    They are for KerasTuner's readers; the sweep itself doesn't read them. Damaged ones are renamed.
    """
    for path in (*directory.glob("trial_*/trial.json"), directory / "oracle.json"):
        _check(path)
    for path in directory.glob("tuner*.json"):
        path.unlink()

    def save_trial(trial: Any) -> None:
        path = directory / f"trial_{trial.trial_id}" / "trial.json"
        atomic_write(path, json.dumps(trial.get_state()))

    def save(*_: Any) -> None:
        atomic_write(directory / "oracle.json", json.dumps(oracle.get_state()))

    oracle.save, oracle._save_trial = save, save_trial
    for trial in oracle.trials.values():
        save_trial(trial)
    save()


def number_of(trial: Any) -> int:
    """KerasTuner counts trials from 0 and writes the number with zeros in front."""
    return int(trial.trial_id)


def waiting(oracle: Any) -> bool:
    """Whether there may be a trial to run: one that was interrupted, or a new one."""
    limit = oracle.max_trials
    return bool(oracle._retry_queue) or limit is None or len(oracle.trials) < limit


def _trials(oracle: Any) -> dict[int, Any]:
    return {number_of(trial): trial for trial in oracle.trials.values()}


def _ask(oracle: Any, number: int, limit: int | None) -> None:
    """Have the oracle make its next proposal out of ``limit``; where it has none, one by hand."""
    now, oracle.max_trials = oracle.max_trials, None if limit is None else max(limit, number + 1)
    waiting, oracle._retry_queue = oracle._retry_queue, []
    trial = oracle.create_trial(f"replay-{number}")
    oracle.max_trials, oracle._retry_queue = now, waiting
    if trial.status != RUNNING:
        trial.status = RUNNING
        trial.hyperparameters.values = {p.name: p.default for p in oracle.hyperparameters.space}
        oracle.trials[trial.trial_id] = oracle.ongoing_trials[f"replay-{number}"] = trial
        oracle.start_order.append(trial.trial_id)


def _end(oracle: Any, trial: Any, event: Mapping[str, Any]) -> None:
    if event["status"] == "completed":
        oracle.update_trial(trial.trial_id, dict(event["metrics"]))
        trial.status = "COMPLETED"
    else:
        trial.status, trial.message = "FAILED", event["message"]
    oracle.end_trial(trial)


def _check(path: Path) -> None:
    try:
        if path.exists():
            json.loads(path.read_bytes())
    except ValueError:
        set_aside(path)
