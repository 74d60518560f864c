"""The verdict on the gradients of a model."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_ext.gradients.variable_report import VariableReport

BANDS = ((1e-7, "excellent"), (1e-5, "good"), (1e-3, "look closer"), (math.inf, "probably wrong"))
"""Ng, "Gradient checking": about 1e-7 is great, 1e-5 may be, 1e-3 is probably a bug."""

BAD = ("wrong", "not finite")

SINGLE = 1e-2
"""What central differences in single precision may be off by."""

ADVICE = {
    "wrong": "wrong: look at the layer that owns the named element: a custom gradient, a term that "
    "is missing from the gradient, or stop_gradient where none belongs.",
    "suspect": "suspect: off by little; look for a constant rounded to single precision, a small "
    "term left out, or a corner of the cost close by.",
    "not finite": "not finite: the cost or its gradient overflows or divides by zero here.",
    "kink": "kink: the cost has a corner (ReLU, max pooling, clipping) within the smallest step; "
    "try other weights, another batch or fewer examples.",
    "untested": "untested: zero against zero or below the noise of the cost, as for a bias before "
    "batch norm or a unit that no example reaches; neither right nor wrong was shown.",
    "single": "single precision: some operation computes in float32; small errors stay hidden.",
}

_STYLES = {"ok": "green", "wrong": "bold red", "not finite": "bold red", "suspect": "yellow"}


@dataclass(frozen=True)
class GradientReport:
    """What ``check_gradients`` found out.

    Args:
        variables: one row a trainable variable, in the model's order.
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
        """What each status that occurs means and what to do about it."""
        occurring = {row.status for row in self.variables} | {self.precision}
        return tuple(text for status, text in ADVICE.items() if status in occurring)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a number isn't finite."""
        return {
            "ok": self.ok,
            "relative_error": self.relative_error if math.isfinite(self.relative_error) else None,
            "band": self.band,
            "precision": self.precision,
            "method": self.method,
            "variables": [row.as_dict() for row in self.variables],
            "advice": list(self.advice),
        }

    def table(self) -> Table:
        """A table for the terminal, one row a variable."""
        figure = f"relative error {self.relative_error:.1e} ({self.band})"
        caption = f"{figure}, {self.precision} precision"
        table = Table("variable", "shape", "status", title="Gradient check", caption=caption)
        for heading in ("relative error", "worst element", "backpropagation", "differences"):
            table.add_column(heading, justify="right")
        for row in self.variables:
            table.add_row(
                Text(row.path),
                str(row.shape),
                Text(row.status, _STYLES.get(row.status, "cyan")),
                f"{row.relative_error:.1e}",
                "-" if row.worst_index is None else str(row.worst_index),
                f"{row.analytic:.6g}",
                f"{row.numeric:.6g}",
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
