"""What a check made of a planted fault."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_ext.gradients import check_gradients
from tests.gradients.proof.faults import Fault

SURELY = 1e-3
"""A variable must be named if its gradient is off by this share; any that is off at all may be."""


@dataclass(frozen=True)
class Outcome:
    """What became of one fault.

    Args:
        found: some variable was called wrong.
        named: all variables that are surely off were called wrong, and none that is right.
        located: the right element was named; None where more than one is wrong.
        statuses: by variable.
        off: by how much each variable's gradient is off, relative to its norm.
    """

    found: bool
    named: bool
    located: bool | None
    statuses: tuple[str, ...]
    off: tuple[float, ...]


def judge(fault: Fault, *, method: str = "projection") -> Outcome:
    """Check the model with the wrong gradient, and compare with the truth."""
    x, y = fault.data()
    model = fault.model(wrong=True)
    right, wrong = fault.gradients(wrong=False), fault.gradients(wrong=True)
    off = [_relative(one, other) for one, other in zip(wrong, right, strict=True)]
    rows = check_gradients(model, x, y, method=method).variables
    named = {number for number, row in enumerate(rows) if row.status == "wrong"}
    must = {number for number, share in enumerate(off) if share > SURELY}
    may = {number for number, share in enumerate(off) if share > 1e-9}
    must = must or may
    located = None
    if fault.one_element:
        (number,) = may
        element = int(np.argmax(np.abs(wrong[number] - right[number])))
        place = tuple(int(side) for side in np.unravel_index(element, rows[number].shape))
        located = rows[number].worst_index == place
    statuses = tuple(row.status for row in rows)
    return Outcome(bool(named), must <= named <= may, located, statuses, tuple(off))


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    scale = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)))
    return float(np.linalg.norm(one - other)) / scale if scale > 0 else 0.0
