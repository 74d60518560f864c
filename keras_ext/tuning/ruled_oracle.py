"""An oracle of KerasTuner whose next trial is a pure function of those before."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

import keras_tuner

from keras_ext.errors import ConfigError
from keras_ext.tuning.axes import Axis
from keras_ext.tuning.axes_of import axes_of, check_roles
from keras_ext.tuning.proposal import Proposal, Tried

METRICS = ("avoidable_bias", "variance", "unsteadiness", "seed_noise")
DIAGNOSIS = METRICS[:2]
RUNNING, STOPPED = "RUNNING", "STOPPED"


class MissingObjectiveError(ConfigError, keras_tuner.errors.FatalError):
    """Trials that don't report what they are to be judged by; it ends a search of KerasTuner's."""


class ValidationError(keras_tuner.Objective):
    """The default objective: "validation_error", to be minimized."""

    def __init__(self) -> None:
        super().__init__("validation_error", "min")

    def get_value(self, logs: Mapping[str, float]) -> float:
        """That of an epoch.

        Raises:
            MissingObjectiveError: when it isn't there.
        """
        if not self.has_value(logs):
            raise MissingObjectiveError(
                f"objective must be given, or the trials must report {self.name}: they report "
                f"{', '.join(logs) or 'nothing'}. Put keras_ext.callbacks.BiasVariance into the "
                "callbacks of the search, or give an objective such as "
                'keras_tuner.Objective("val_loss", "min")'
            )
        return float(logs[self.name])


class RuledOracle(keras_tuner.Oracle):
    """What ``GuidedOracle`` and ``StagedOracle`` share: KerasTuner's trials given to a rule.

    Args:
        objective: as for any oracle, by default to minimize "validation_error", which
            ``callbacks.BiasVariance`` writes into ``logs``.
        max_trials: how many there are in all, which the strategies divide up; None for no end.
        seed: of all that is drawn; 0 is a seed like any other. None draws one.
        roles: from names of hyperparameters to the knobs they are ("lr": "learning_rate"), for
            those that don't have a knob's name.
        learning_rates: lowest and highest rate to begin with, as from ``learning_rate_range``.
        options: what ``keras_tuner.Oracle`` takes besides.

    Attributes:
        reasons: by trial, in words, why it was proposed.

    Raises:
        ConfigError: naming the argument and the value received; out of the search, when trials
            don't report the default objective.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        *,
        seed: int | None = None,
        roles: Mapping[str, str] | None = None,
        learning_rates: tuple[float, float] | None = None,
        **options: Any,
    ) -> None:
        _check_whole("max_trials", max_trials, 1)
        _check_whole("seed", seed, 0)
        self.roles = check_roles(roles)
        self.learning_rates = check_rates(learning_rates)
        # KerasTuner takes 0 for no seed.
        super().__init__(
            objective=objective or ValidationError(),
            max_trials=max_trials,
            seed=None if seed is None else seed + 1,
            **options,
        )
        self.proposals: dict[str, Proposal] = {}
        self._told = False

    @property
    def reasons(self) -> dict[str, str]:
        """Why each trial was proposed."""
        return {trial_id: made.reason for trial_id, made in self.proposals.items()}

    def propose(self, axes: Sequence[Axis], tried: Sequence[Tried]) -> Proposal | None:
        """The next trial, None when there is nothing left to try."""
        raise NotImplementedError

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values of the next trial; never idle, whatever still runs."""
        axes = axes_of(self.hyperparameters, self.roles)
        made = self.propose(axes, self._tried())
        if made is None:
            return {"status": STOPPED, "values": None}
        self.proposals[trial_id] = made
        return {"status": RUNNING, "values": dict(made.values)}

    def get_state(self) -> dict[str, Any]:
        """That of every oracle, and each proposal with its reason."""
        proposals = {trial_id: made.to_dict() for trial_id, made in self.proposals.items()}
        return {**super().get_state(), "proposals": proposals}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where ``get_state`` was called; without proposals, their trials still count."""
        super().set_state(state)
        proposals = state.get("proposals", {})
        self.proposals = {trial_id: Proposal(**made) for trial_id, made in proposals.items()}

    def _tried(self) -> list[Tried]:
        """All trials in the order in which they began."""
        trials = [(i, self.trials[i]) for i in self.start_order if i in self.trials]
        known = {i for i, _ in trials}
        trials += [(i, self.trials[i]) for i in sorted(self.trials) if i not in known]
        scores = {i: t.score for i, t in trials if t.status == "COMPLETED" and t.score is not None}
        errors = errors_of(scores, self.objective.direction)
        tried = []
        for trial_id, trial in trials:
            error = errors.get(trial_id)
            if error is None and trial.status in ("FAILED", "COMPLETED"):
                error = inf
            tried.append(
                Tried(
                    dict(trial.hyperparameters.values),
                    error,
                    _metrics(trial),
                    self.proposals.get(trial_id),
                )
            )
        return tried

    def tell_once(self, tried: Sequence[Tried], instead: str) -> None:
        """Warn, once, that the trials bring no diagnosis with them."""
        ended = [item for item in tried if item.error is not None and isfinite(item.error)]
        if self._told or not ended:
            return
        if not any(all(name in item.metrics for name in DIAGNOSIS) for item in ended):
            self._told = True
            warnings.warn(
                f"the trials report no {' and no '.join(DIAGNOSIS)}: {instead} "
                "(keras_ext.callbacks.BiasVariance writes them into logs)",
                stacklevel=2,
            )


def _check_whole(name: str, value: Any, least: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and value >= least):
        raise ConfigError(f"{name} must be a whole number from {least} on, got {name}={value!r}")


def check_rates(rates: Any) -> tuple[float, float] | None:
    """A pair of learning rates, or None.

    Raises:
        ConfigError: for anything else.
    """
    if rates is None:
        return None
    if len(rates) != 2 or not 0 < rates[0] < rates[1] < inf:
        raise ConfigError(
            f"learning_rates must be (lowest, highest), both above 0, got learning_rates={rates!r}"
        )
    return float(rates[0]), float(rates[1])


def errors_of(scores: Mapping[str, float], direction: str) -> dict[str, float]:
    """Positive numbers to be minimized, in the order of the scores.

    Scores to be maximized that lie between 0 and 1 become 1 - score. Others that aren't positive
    errors already are shifted, so that the best is a twentieth of the spread above 0.

    >>> errors_of({"a": 0.9, "b": 0.75}, "max")
    {'a': 0.09999999999999998, 'b': 0.25}
    >>> {name: round(error, 2) for name, error in errors_of({"a": -3.0, "b": 1.0}, "min").items()}
    {'a': 0.2, 'b': 4.2}
    """
    scores = {name: float(score) for name, score in scores.items()}
    finite = [score for score in scores.values() if isfinite(score)]
    if not finite:
        return dict.fromkeys(scores, inf)
    if direction == "min":
        errors = scores
    elif all(0 <= score <= 1 for score in finite):
        errors = {name: 1 - score for name, score in scores.items()}
    else:
        errors = {name: -score for name, score in scores.items()}
    values = [error for error in errors.values() if isfinite(error)]
    shift = 0.0
    if min(values) < 0:
        shift = 0.05 * (max(values) - min(values) or 1.0) - min(values)
    return {name: error + shift if isfinite(error) else inf for name, error in errors.items()}


def _metrics(trial: Any) -> dict[str, float]:
    """Those that the rules read, as last reported."""
    found = {n: trial.metrics.get_last_value(n) for n in METRICS if trial.metrics.exists(n)}
    return {name: float(value) for name, value in found.items() if value is not None}
