"""The verdict on the gradients of a model."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_ext.gradients.variable_report import FROZEN, VariableReport

BANDS = ((1e-7, "excellent"), (1e-5, "good"), (1e-3, "look closer"), (math.inf, "probably wrong"))
"""Ng, "Gradient checking": about 1e-7 is great, 1e-5 may be, 1e-3 is probably a bug."""

BAD = ("wrong", "not finite")

SINGLE = 1e-2
"""What central differences in single precision may be off by."""

ADVICE = {
    "wrong": "wrong: look at the layer that owns the named element, or one after it: a custom "
    "gradient, a term that is missing from the gradient, or stop_gradient where none belongs. A "
    "fault spoils the gradients of all layers before it: start with the wrong one nearest the "
    "output. (Where stop_gradient is meant, as in spectral normalization, the difference is too.)",
    "suspect": "suspect: off by little; look for a constant rounded to single precision, a small "
    "term left out, or a corner of the cost close by.",
    "not finite": "not finite: the cost or its gradient overflows or divides by zero here.",
    "kink": "kink: the cost has a corner (ReLU, max pooling, clipping) within the smallest step; "
    "try other weights, another batch or fewer examples.",
    "untested": "untested: zero against zero or below the noise of the cost, as for a bias before "
    "batch norm or a unit that no example reaches; neither right nor wrong was shown.",
    "disconnected": "disconnected or blocked: fit will not train this weight; is a layer's output "
    "unused, or a rounding, an argmax or a stop_gradient in the way?",
}

_STYLES = {"ok": "green", "wrong": "bold red", "not finite": "bold red", "suspect": "yellow"}


@dataclass(frozen=True)
class GradientReport:
    """What ``check_gradients`` found out.

    Args:
        variables: one row a trainable variable, in the model's order, then the frozen ones.
        relative_error: Ng's figure ``||dtheta - approx|| / (||dtheta|| + ||approx||)`` over all
            directions or elements that could be measured; NaN where none could. A single number
            hides a wrong bias under a large kernel: ``variables`` doesn't.
        precision: "double", or "single" where any variable had to be judged so.
        method: "projection" or "exhaustive".
    """

    variables: tuple[VariableReport, ...]
    relative_error: float
    precision: str
    method: str

    @property
    def ok(self) -> bool:
        """No variable is wrong or not finite."""
        return not any(row.status in BAD for row in self.variables)

    @property
    def band(self) -> str:
        """Ng's word for the relative error, which single precision can't earn.

        >>> GradientReport((), 3e-9, "double", "projection").band
        'excellent'
        """
        if math.isnan(self.relative_error):
            return "nothing could be measured"
        if self.precision == "single" and self.relative_error < SINGLE:
            return "as good as single precision shows"
        return next(word for limit, word in BANDS if self.relative_error < limit)

    @property
    def advice(self) -> tuple[str, ...]:
        """What each status that occurs means and what to do about it; which weights are meant."""
        judged = [row for row in self.variables if row.reason != FROZEN]
        occurring = {row.status for row in judged if not _blocked(row)}
        occurring |= {"disconnected" for row in judged if _blocked(row)}
        occurring |= {row.status for row in judged if row.status in BAD}
        texts = [text for status, text in ADVICE.items() if status in occurring]
        for reason in dict.fromkeys(row.reason for row in judged if row.reason):
            paths = [row.path for row in judged if row.reason == reason]
            texts.append(f"{_paths(paths, len(judged))}: {reason}.")
        single = [row.path for row in judged if row.precision == "single"]
        if single:
            texts.append(
                f"single precision: some operation computes in float32, so that errors below "
                f"{SINGLE:.0%} stay hidden in {_paths(single, len(judged))}."
            )
        return tuple(texts)

    def summary(self) -> str:
        """One line: how many weights of each status, the worst one, and the relative error.

        >>> GradientReport((), 3e-9, "double", "projection").summary()
        'relative error 3.0e-09 (excellent), double precision: nothing checked'
        """
        counts = Counter(row.status for row in self.variables)
        found = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        bad = [row for row in self.variables if row.status in BAD]
        worst = f"; {_worst(bad)}" if bad else ""
        return f"{self._figure()}: {found or 'nothing checked'}{worst}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a number isn't finite."""
        return {
            "ok": self.ok,
            "relative_error": self.relative_error if math.isfinite(self.relative_error) else None,
            "band": self.band,
            "bands": {word: limit for limit, word in BANDS if math.isfinite(limit)},
            "precision": self.precision,
            "method": self.method,
            "variables": [row.as_dict() for row in self.variables],
            "advice": list(self.advice),
        }

    def state(self) -> dict[str, Any]:
        """All there is to it, as plain values; not finite ones included."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GradientReport:
        """The report that ``state`` was called on.

        >>> report = GradientReport((), 3e-9, "double", "projection")
        >>> GradientReport.from_state(report.state()) == report
        True
        """
        return cls(**{**state, "variables": tuple(map(VariableReport.of, state["variables"]))})

    def with_rows(self, rows: tuple[VariableReport, ...]) -> GradientReport:
        """The same report with more rows at its end."""
        return replace(self, variables=self.variables + rows)

    def table(self) -> Table:
        """A table for the terminal, one row a variable; frozen ones are counted below it."""
        shown = [row for row in self.variables if row.reason != FROZEN]
        table = Table("variable", "shape", "status", title="Gradient check")
        table.caption = self._caption(len(self.variables) - len(shown))
        for heading in ("relative error", "worst element", "backpropagation", "differences"):
            table.add_column(heading, justify="right")
        table.columns[0].overflow = "fold"
        for row in shown:
            table.add_row(
                Text(row.path),
                str(row.shape),
                Text(row.status, _STYLES.get(row.status, "cyan")),
                _number(row.relative_error, ".1e"),
                "-" if row.worst_index is None else str(row.worst_index),
                _number(row.analytic, ".6g"),
                _number(row.numeric, ".6g"),
            )
        return table

    def raise_if_wrong(self) -> None:
        """Raise an AssertionError with the table and the advice unless ``ok``."""
        if not self.ok:
            raise AssertionError(f"the gradients are wrong\n{self}")

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=140, color_system=None)
        with console.capture() as capture:
            console.print(self.table())
        return "\n".join([capture.get().rstrip(), *self.advice])

    def _figure(self) -> str:
        error = _number(self.relative_error, ".1e")
        return f"relative error {error} ({self.band}), {self.precision} precision"

    def _caption(self, frozen: int) -> str:
        limits = ", ".join(f"{word} < {limit:.0e}" for limit, word in BANDS[:-1])
        rest = f"\n{frozen} frozen weights were not checked" if frozen else ""
        return f"{self._figure()}\nbands: {limits}, else {BANDS[-1][1]}{rest}"


def _blocked(row: VariableReport) -> bool:
    """Whether no gradient reaches it."""
    return row.reason.startswith(("disconnected", "no gradient"))


def _worst(bad: list[VariableReport]) -> str:
    row = max(bad, key=lambda one: one.relative_error if one.relative_error >= 0 else math.inf)
    where = row.path if row.worst_index is None else f"{row.path}, element {row.worst_index}"
    return (
        f"{where} is {row.status}: {row.analytic:.6g} by backpropagation, "
        f"{row.numeric:.6g} by differences"
    )


def _paths(paths: list[str], of: int, most: int = 4) -> str:
    """Which ones, or that all are."""
    if len(paths) == of:
        return "all of them" if of > 1 else paths[0]
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
