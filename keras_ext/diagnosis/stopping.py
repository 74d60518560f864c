"""How a run ended on both axes, optimization and generalization, and what was given up or won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras_ext.diagnosis.convergence import Convergence
from keras_ext.diagnosis.overfitting import Overfitting

Differences = tuple[float, float, float]


@dataclass(frozen=True)
class Moment:
    """What was measured in one epoch, counted from 0."""

    epoch: int
    train_cost: float
    validation_cost: float
    validation_error: float


@dataclass(frozen=True)
class Turn:
    """A knob that was turned by one notch after an epoch, while training went on."""

    epoch: int
    knob: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Conventional:
    """What ``keras.callbacks.EarlyStopping`` with the same patience would have done.

    Args:
        stopped_epoch: after which it would have stopped; None if it would have gone on.
        kept: the best epoch before that, whose weights it would have brought back
            (``restore_best_weights=True``).
        cost_difference: our training cost minus its.
        error_difference: our validation error minus its, with its 95 % interval (the same examples,
            paired); None where the examples of one of them have no finite error.
    """

    stopped_epoch: int | None
    kept: Moment
    cost_difference: float
    error_difference: Differences | None


@dataclass(frozen=True)
class StoppingReport:
    """Both axes of a run.

    Args:
        stopped: whether the optimization axis ended the run.
        convergence: the optimization axis.
        overfitting: the generalization axis.
        kept: the epoch whose weights the model has.
        turns: the knobs that were turned.
        conventional: what early stopping would have done; None while nothing finite was seen.
        monitor: what the generalization axis watches, "error" or "cost".
        patience: of both axes.
    """

    stopped: bool
    convergence: Convergence
    overfitting: Overfitting
    kept: Moment
    turns: tuple[Turn, ...]
    conventional: Conventional | None
    monitor: str
    patience: int

    def summary(self) -> str:
        """A few plain lines; epochs are counted from 1."""
        verdict = self.convergence.verdict
        ended = "stopped" if self.stopped else "not stopped"
        lines = [
            f"optimization: {verdict}, {ended}; {self.convergence.reason}",
            f"kept: {_words(self.kept)}",
            f"generalization: {self._generalization()}",
            *[
                f"turned after epoch {turn.epoch + 1}: {turn.knob} {_plain(turn.before)} ->"
                f" {_plain(turn.after)}"
                for turn in self.turns
            ],
        ]
        if self.conventional is not None:
            lines.append(self._instead(self.conventional))
        return "\n".join(lines)

    def _generalization(self) -> str:
        found, what = self.overfitting, f"validation {self.monitor}"
        if found.best_epoch is None:
            return f"the {what} was never finite"
        best = f"its best, {found.best:.4g} in epoch {found.best_epoch + 1}"
        if found.since is None:
            return f"the {what} is not significantly above {best}"
        advice = f"; turn first: {found.remedies[0].text}" if found.remedies else ""
        return (
            f"since epoch {found.since + 1} the {what} has been significantly above {best},"
            f" now by {found.above:.3g} [{found.low:.3g}, {found.high:.3g}]{advice}"
        )

    def _instead(self, other: Conventional) -> str:
        epoch, error = other.stopped_epoch, ""
        when = "gone on" if epoch is None else f"stopped in epoch {epoch + 1}"
        if other.error_difference is not None:
            value, low, high = other.error_difference
            error = f" and validation error {value:+.3g} [{low:.3g}, {high:.3g}]"
        return (
            f"early stopping (validation {self.monitor}, patience {self.patience}) would have"
            f" {when} and kept {_words(other.kept)}; ours: training cost"
            f" {other.cost_difference:+.3g}{error}"
        )


def _words(moment: Moment) -> str:
    return (
        f"epoch {moment.epoch + 1}, training cost {moment.train_cost:.4g}, validation error"
        f" {moment.validation_error:.4g}, validation cost {moment.validation_cost:.4g}"
    )


def _plain(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(f"{item:g}" for item in value) + ")"
    return f"{value:g}"
