"""What was found out about the gradient of one variable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FROZEN = "frozen: its trainable is False"


@dataclass(frozen=True)
class VariableReport:
    """One row of a report.

    Args:
        path: of the variable in the model, such as "dense/kernel"; of an input, such as "x".
        shape: of the variable.
        status: "ok"; "suspect", off by little; "wrong"; "kink", where the cost has a corner within
            reach of the smallest step; "untested", zero against zero, below the noise of the
            cost, disconnected or frozen; "not finite".
        relative_error: ``||analytic - numeric|| / (||analytic|| + ||numeric||)`` over what was
            measured; where an element is off, ``|analytic - numeric| / max`` of that element.
        worst_index: of the worst element, None where only random directions were measured.
        analytic: slope of the cost along that element, or along the worst direction, by
            backpropagation.
        numeric: the same by central differences.
        precision: "double" or "single": how exactly this variable could be judged.
        reason: what the status comes from where that can be told, such as "disconnected: ..." or
            the operations that let no gradient through; else "".
    """

    path: str
    shape: tuple[int, ...]
    status: str
    relative_error: float
    worst_index: tuple[int, ...] | None
    analytic: float
    numeric: float
    precision: str
    reason: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> VariableReport:
        """A row from its fields, where tuples may have become lists."""
        index = fields["worst_index"]
        places = {"shape": tuple(fields["shape"]), "worst_index": index and tuple(index)}
        return cls(**{**fields, **places})

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a number isn't finite.

        >>> row = VariableReport("dense/bias", (2,), "untested", math.nan, None, 0.0, 0.0, "double")
        >>> row.as_dict()["relative_error"] is None
        True
        """
        return {key: None if _not_finite(value) else value for key, value in asdict(self).items()}


def frozen(path: str, shape: tuple[int, ...]) -> VariableReport:
    """The row of a weight that is not trained."""
    nan = math.nan
    return VariableReport(path, shape, "untested", nan, None, nan, nan, "double", FROZEN)


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
