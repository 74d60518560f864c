"""Frozen records of a sweep: its trials, how the winner was judged, and the sweep as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import inf, isfinite, nan
from typing import Any

from keras_ext.diagnosis import Diagnosis, ErrorEstimate
from keras_ext.diagnosis.layer_health import LayerHealthReport
from keras_ext.errors import ConfigError, MissingExtraError, SweepError
from keras_ext.fields import decode, encode
from keras_ext.records import TrainConfig

SCHEMA = "keras_ext.sweep/1"
COMPLETED, FAILED = "completed", "failed"
OBJECTIVES = ("final", "best", "mean_of_last")
LAST = 3
"""Epochs that "mean_of_last" looks at."""

Row = Mapping[str, float]


@dataclass(frozen=True)
class Execution:
    """One training run of a trial.

    Args:
        seed: of its configuration.
        train, validation: both errors at the end.
        history: one mapping an epoch: epoch, train_error, validation_error, train_cost ...
        seconds: of the run.
        compiled: whether the step had to be compiled for it.
        train_validation: the error on held-out training examples, where the splits have them.
        layer_health: how the signals ran through the layers at the end; None where that wasn't
            asked for, or can't be seen.
    """

    seed: int
    train: ErrorEstimate
    validation: ErrorEstimate
    history: tuple[Row, ...]
    seconds: float = 0.0
    compiled: bool = True
    train_validation: ErrorEstimate | None = None
    layer_health: LayerHealthReport | None = None


@dataclass(frozen=True)
class Trial:
    """One point of a sweep and what came of it.

    Args:
        trial_id: four digits, in the order of proposal; never given to another point.
        status: "completed" or "failed".
        values: of the hyperparameters, by name.
        config: what was trained; it replays as ``--config FILE`` of a recipe.
        reason: why it was proposed, in words; empty for a strategy that has no reasons.
        executions: one for each seed.
        metrics: what the strategy learned of it: validation_error (the objective), train_error,
            avoidable_bias, variance, unsteadiness, train_cost and validation_cost.
        diagnosis: what hurts, by the first execution.
        message: why it failed.
        unfinished: the epochs of an execution that failed, as ``history`` has them: those since it
            was last taken up.
        seconds: from its start to its end, in all processes that worked on it.
        epochs: how many were trained, where a strategy stops earlier than ``config.epochs``.
    """

    trial_id: str
    status: str
    values: Mapping[str, Any]
    config: TrainConfig
    reason: str = ""
    executions: tuple[Execution, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    message: str = ""
    seconds: float = 0.0
    epochs: int | None = None
    unfinished: tuple[Row, ...] = ()

    @property
    def validation_error(self) -> float:
        """The objective, lower is better; infinite for a failed trial."""
        return self.metrics.get("validation_error", inf) if self.status == COMPLETED else inf

    @property
    def layers(self) -> str | None:
        """The verdict on the layers of the first execution, where they were looked at."""
        health = self.executions[0].layer_health if self.executions else None
        return health.verdict if health else None

    @property
    def epochs_trained(self) -> int:
        """Epochs of one execution."""
        return self.config.epochs if self.epochs is None else self.epochs

    def to_plain(self) -> dict[str, Any]:
        """Every field as plain values; ``from_plain`` turns them back without loss."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Trial:
        """A trial as ``to_plain`` gave it.

        Raises:
            ConfigError: for missing, unknown or ill-typed fields.
        """
        trial: Trial = decode(cls, values, "")
        return trial


@dataclass(frozen=True)
class Confirmation:
    """The winner, trained again on seeds that had no part in its selection.

    Args:
        executions: one for each fresh seed.
        tests: the test error of each of these runs, from the one opening of the test set.
        objective: what they are judged by on the validation examples, as the winner was.
        failures: a line for each fresh seed whose run failed.
        earlier: how many runs of winners before this one were judged on the test examples, too:
            the more, the less these are examples that no choice has seen.
    """

    executions: tuple[Execution, ...]
    tests: tuple[ErrorEstimate, ...]
    objective: str = "final"
    failures: tuple[str, ...] = ()
    earlier: int = 0

    @property
    def validation_errors(self) -> tuple[float, ...]:
        """The objective of each fresh seed."""
        return tuple(objective_of(item.history, self.objective) for item in self.executions)

    @property
    def validation_error(self) -> float:
        """The mean over the fresh seeds; NaN where all of them failed."""
        return _mean(self.validation_errors)

    @property
    def spread(self) -> float:
        """The standard deviation over the fresh seeds; 0 for a single one."""
        return _deviation(self.validation_errors)

    @property
    def test_error(self) -> float:
        """The mean over the fresh seeds; NaN where all of them failed."""
        return _mean([item.error for item in self.tests])


@dataclass(frozen=True)
class SweepResult:
    """All that a sweep found out.

    Args:
        name: of the data.
        strategy: how the points were chosen.
        objective: what a trial is judged by, see ``tuning.sweep``.
        seed: of the strategy.
        base: the configuration that the space starts from.
        space: each hyperparameter's name, kind and range.
        trials: in the order of proposal.
        confirmation: of the winner; None where it wasn't asked for or not reached.
        seconds: of all trials together.
        versions: of the packages that matter.
        sizes: number of examples by split.
        status: "completed", or "interrupted" with what there is.
    """

    name: str
    strategy: str
    objective: str
    seed: int
    base: TrainConfig
    space: tuple[Mapping[str, Any], ...]
    trials: tuple[Trial, ...]
    confirmation: Confirmation | None = None
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    status: str = COMPLETED

    @property
    def ranked(self) -> tuple[Trial, ...]:
        """Completed trials, the best first; of those that were trained for the most epochs.

        Errors after different numbers of epochs say nothing about each other.
        """
        return ranked(self.trials)

    @property
    def best(self) -> Trial:
        """The trial with the lowest objective.

        Raises:
            SweepError: when no trial was completed, with the reasons of failed ones.
        """
        return best(self.trials)

    @property
    def optimism(self) -> float | None:
        """How much worse the winner does on fresh seeds than it did when it was selected.

        None where it was not trained again, or failed on all of the fresh seeds.
        """
        if self.confirmation is None or not self.confirmation.executions:
            return None
        return self.confirmation.validation_error - self.best.validation_error

    def rows(self) -> list[dict[str, Any]]:
        """One flat mapping a trial: what it was, what it reached, and every hyperparameter."""
        return [
            {
                "trial_id": trial.trial_id,
                "status": trial.status,
                "validation_error": trial.metrics.get("validation_error"),
                **{f"metrics.{name}": value for name, value in trial.metrics.items()},
                **{f"values.{name}": value for name, value in trial.values.items()},
                "dominant": trial.diagnosis.dominant if trial.diagnosis else None,
                "layers": trial.layers,
                "epochs": trial.epochs_trained,
                "seconds": trial.seconds,
                "reason": trial.reason,
                "message": trial.message,
            }
            for trial in self.trials
        ]

    def epoch_rows(self) -> list[dict[str, Any]]:
        """One flat mapping an epoch of each execution of each trial, failed ones too."""
        return [
            {"trial_id": trial.trial_id, "seed": seed, **row}
            for trial in self.trials
            for seed, history in _histories(trial)
            for row in history
        ]

    def to_dataframe(self, each: str = "trial") -> Any:
        """A ``pandas.DataFrame`` with a row for each trial, or for each epoch of each execution.

        Args:
            each: "trial", indexed by trial; or "epoch", indexed by trial, seed and epoch.

        Raises:
            ConfigError: for another ``each``.
            MissingExtraError: without pandas, which no extra for users brings.
        """
        if each not in ("trial", "epoch"):
            raise ConfigError(f"each must be 'trial' or 'epoch', got each={each!r}")
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("pandas", extra=None) from error
        rows = self.rows() if each == "trial" else self.epoch_rows()
        index = ["trial_id"] if each == "trial" else ["trial_id", "seed", "epoch"]
        # Without a row there is no column to take the index from.
        return pandas.DataFrame(rows, columns=None if rows else index).set_index(index)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the winner and the interval of each error."""
        values: dict[str, Any] = {"schema": SCHEMA}
        for item in fields(self):
            values[item.name] = encode(getattr(self, item.name))
        winner = self.ranked[:1]
        values["best"] = encode(winner[0]) if winner else None
        values["optimism"] = self.optimism if winner else None
        return values


def ranked(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """See ``SweepResult.ranked``."""
    done = [trial for trial in trials if isfinite(trial.validation_error)]
    longest = max((trial.epochs_trained for trial in done), default=0)
    full = [trial for trial in done if trial.epochs is None or trial.epochs == longest]
    return tuple(sorted(full, key=lambda trial: trial.validation_error))


def best(trials: Sequence[Trial]) -> Trial:
    """See ``SweepResult.best``."""
    found = ranked(trials)
    if found:
        return found[0]
    if not trials:
        raise SweepError("no trial was run yet")
    said = [f"trial {trial.trial_id}: {_first_line(trial.message)}" for trial in trials]
    more = f"; and {len(said) - 3} more" if len(said) > 3 else ""
    raise SweepError(f"all {len(trials)} trials failed: {'; '.join(said[:3])}{more}")


def _histories(trial: Trial) -> list[tuple[int, Sequence[Row]]]:
    """Seed and epochs of each execution, one that failed last."""
    found: list[tuple[int, Sequence[Row]]] = [(e.seed, e.history) for e in trial.executions]
    if trial.unfinished:
        found.append((trial.config.seed + len(found), trial.unfinished))
    return found


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "no reason given")


def objective_of(history: Sequence[Row], objective: str) -> float:
    """The validation error that a run is judged by.

    "final" is that after the last epoch, "best" the lowest of all epochs (an optimistic one: a
    minimum over as many looks), "mean_of_last" the mean over the last three.

    >>> history = [{"validation_error": error} for error in (0.5, 0.1, 0.2, 0.3)]
    >>> [round(objective_of(history, name), 3) for name in OBJECTIVES]
    [0.3, 0.1, 0.2]
    """
    errors = [row["validation_error"] for row in history]
    if objective == "best":
        return min((error for error in errors if isfinite(error)), default=nan)
    return _mean(errors[-1:] if objective == "final" else errors[-LAST:])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else nan


def _deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = _mean(values)
    total: float = sum((value - mean) ** 2 for value in values)
    return (total / (len(values) - 1)) ** 0.5
