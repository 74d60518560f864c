"""What a run has come to on two axes: optimizing the cost, and doing well on new examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import zip_longest
from math import inf, isfinite
from typing import Any

import numpy as np

from keras_ext.callbacks.measure import Measured
from keras_ext.diagnosis.convergence import Convergence, convergence
from keras_ext.diagnosis.early_stopping import early_stop
from keras_ext.diagnosis.overfitting import Look, look, overfitting
from keras_ext.diagnosis.paired import paired_interval
from keras_ext.diagnosis.stopping import Conventional, Moment, StoppingReport, Turn
from keras_ext.errors import ConfigError


class TwoAxes:
    """Takes in one measurement after the other; the judgement is that of the room ``diagnosis``.

    Args:
        patience, min_delta, monitor: as for ``OrthogonalEarlyStopping``.

    Attributes:
        rows: a mapping for each measured epoch.
        turns: the knobs turned so far.
        convergence, overfitting: the judgement of the last measurement.
        stopped: whether it ended the run.
    """

    def __init__(self, *, patience: int, min_delta: float, monitor: str) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.monitor = monitor
        self.rows: list[dict[str, float]] = []
        self.turns: list[Turn] = []
        self.stopped = False
        self.convergence = Convergence("converging", "nothing is measured yet", inf, -inf, inf)
        self.overfitting = overfitting([])
        # Compared with the best epoch of all, and with the best since a knob was turned.
        self._looks: dict[str, list[Look]] = {"run": [], "since_turn": []}
        self._best: dict[str, float] | None = None
        self._bests: list[int] = []
        self._since = 0
        self._first_epoch: int | None = None
        self._monitored: list[float] = []
        # Of each example: what is monitored, of both best epochs; and the errors of three epochs.
        self._values: dict[str, np.ndarray | None] = {}

    def add(
        self,
        row: Mapping[str, float],
        measured: Measured | None,
        knobs: Mapping[str, Any],
    ) -> bool:
        """Take in the measurement of an epoch.

        Args:
            row: epoch, train_cost, validation_cost, validation_error, learning_rate.
            measured: each of the validation examples; None where predictions weren't finite.
            knobs: the knobs that there are and their values.

        Returns:
            Whether this epoch has the lowest validation error so far (cost, among equal ones).
        """
        values = None if measured is None else self._monitored_of(measured)
        for period, looks in self._looks.items():
            looks.append(
                look(int(row["epoch"]), values, self._values.get(period), looks=len(looks) + 1)
            )
            if looks[-1].low == 0 == looks[-1].high:
                self._values[period] = values
        self.rows.append(dict(row))
        self._values["last_errors"] = None if measured is None else measured.errors
        best = isfinite(_order(row)[0]) and (self._best is None or _order(row) < _order(self._best))
        if best:
            self._best, self._values["best_errors"] = dict(row), self._values["last_errors"]
            self._bests.append(int(row["epoch"]))
        self._judge(knobs)
        self.rows[-1] |= self.written()
        return best

    def follow(self, epoch: int, value: float) -> None:
        """Take in what early stopping would have monitored after an epoch, measured or not."""
        self._first_epoch = epoch if self._first_epoch is None else self._first_epoch
        self._monitored.append(value)
        other = self._early_stop()
        if other.kept_epoch == epoch and other.stopped_epoch in (None, epoch):
            self._values["other_errors"] = self._values.get("last_errors")

    def may_turn(self) -> bool:
        """Whether it overfits; after a turn: anew, compared with the best epoch since that turn.

        So what was turned has the time to act: it must first have done its best, and the validation
        error must then have been above that for ``patience`` epochs. The overfitting of before is
        not held against it.
        """
        return overfitting(self._looks["since_turn"], patience=self.patience).present

    def of_no_use(self) -> set[str]:
        """Knobs after whose last turn no validation error was lower than all before."""
        last: dict[str, bool] = {}
        for turn, after in zip_longest(self.turns, self.turns[1:]):
            end = inf if after is None else after.epoch
            last[turn.knob] = any(turn.epoch < epoch <= end for epoch in self._bests)
        return {knob for knob, useful in last.items() if not useful}

    def turned(self, turn: Turn) -> None:
        """Note that a knob was turned after an epoch."""
        self.turns.append(turn)
        self.begin_anew(turn.epoch)

    def begin_anew(self, epoch: int) -> None:
        """Judge from this epoch on alone, as something else than the weights has changed."""
        self._since = epoch
        self._looks["since_turn"] = []
        self._values["since_turn"] = None

    def written(self) -> dict[str, float]:
        """Plain floats for ``logs``, under the same keys every time."""
        return {
            "cost_improvement": self.convergence.improvement,
            "validation_above_best": self.overfitting.above,
            "knob_turns": float(len(self.turns)),
        }

    def report(self, *, restored: bool) -> StoppingReport:
        """Both axes; ``restored`` when the model has the weights of the best epoch."""
        back = restored and self._best is not None
        kept = _moment(self._best if back and self._best else self.rows[-1])
        return StoppingReport(
            stopped=self.stopped,
            convergence=self.convergence,
            overfitting=self.overfitting,
            kept=kept,
            turns=tuple(self.turns),
            conventional=self._conventional(kept, "best_errors" if back else "last_errors"),
            monitor=self.monitor,
            patience=self.patience,
        )

    def get_state(self) -> dict[str, Any]:
        """All that a resumed run must know: plain values and arrays."""
        return {
            "rows": self.rows,
            "turns": [asdict(turn) for turn in self.turns],
            "looks": {name: [asdict(item) for item in part] for name, part in self._looks.items()},
            "best": self._best,
            "bests": self._bests,
            "since": self._since,
            "first_epoch": self._first_epoch,
            "monitored": self._monitored,
            "stopped": self.stopped,
            "values": {name: item for name, item in self._values.items() if item is not None},
        }

    def set_state(self, state: Mapping[str, Any], knobs: Mapping[str, Any]) -> None:
        """Go on where ``get_state`` was called."""
        self.rows = [dict(row) for row in state["rows"]]
        self.turns = [Turn(**turn) for turn in state["turns"]]
        self._looks = {
            name: [Look(**item) for item in part] for name, part in state["looks"].items()
        }
        self._best = state["best"]
        self._bests = list(state["bests"])
        self._since = int(state["since"])
        self._first_epoch = state["first_epoch"]
        self._monitored = list(state["monitored"])
        self.stopped = bool(state["stopped"])
        self._values = {name: np.asarray(item) for name, item in state["values"].items()}
        if self.rows:
            self._judge(knobs)

    def _judge(self, knobs: Mapping[str, Any]) -> None:
        self.convergence = convergence(
            [row["train_cost"] for row in self.rows],
            [row["learning_rate"] for row in self.rows],
            patience=self.patience,
            min_delta=self.min_delta,
            epochs=[int(row["epoch"]) for row in self.rows],
            since=self._since,
        )
        self.overfitting = overfitting(self._looks["run"], patience=self.patience, knobs=knobs)

    def _monitored_of(self, measured: Measured) -> np.ndarray:
        if self.monitor == "error":
            return measured.errors
        if measured.costs is None:
            raise ConfigError(
                "monitor must be 'error' for a loss without a number for each example, got"
                " monitor='cost'"
            )
        return measured.costs

    def _early_stop(self) -> Any:
        return early_stop(
            self._monitored, patience=self.patience, first_epoch=self._first_epoch or 0
        )

    def _conventional(self, kept: Moment, errors: str) -> Conventional | None:
        other = self._early_stop()
        if other.kept_epoch is None:
            return None
        its = _moment(next(row for row in self.rows if row["epoch"] == other.kept_epoch))
        one, two = self._values.get(errors), self._values.get("other_errors")
        difference = None
        if one is not None and two is not None and len(one) > 1:
            value = kept.validation_error - its.validation_error
            difference = (value, *paired_interval(one, two))
        return Conventional(other.stopped_epoch, its, kept.train_cost - its.train_cost, difference)


def _moment(row: Mapping[str, float]) -> Moment:
    costs = row["train_cost"], row["validation_cost"]
    return Moment(int(row["epoch"]), *costs, row["validation_error"])


def _order(row: Mapping[str, float]) -> tuple[float, float]:
    """By the validation error, by the cost where that is equal; NaN last."""
    error, cost = row["validation_error"], row["validation_cost"]
    return (error if isfinite(error) else inf), (cost if isfinite(cost) else inf)
