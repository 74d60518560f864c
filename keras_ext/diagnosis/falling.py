"""Does a cost go down, as it must while nothing but the cost is optimized?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MINI_BATCH_NOISE = 0.05
"""A rise of less than a twentieth of the first cost is taken for noise of the mini-batches."""

FULL_BATCH_NOISE = 1e-6
"""What rounding in single precision does to a cost that stands still."""

FIRST_SUSPECT = (
    "first suspect: the learning rate, try a third of it; then the gradients, check them"
)


@dataclass(frozen=True)
class Falling:
    """Whether a cost goes down.

    Args:
        passed: no rise, and the last cost is below the first; None while there are not two costs.
        rises: where it rose, as positions in the costs.
        first, last: the costs themselves; NaN where there are none.
    """

    passed: bool | None
    rises: tuple[int, ...]
    first: float
    last: float


def falling(costs: Sequence[float] | np.ndarray, *, noise: float = MINI_BATCH_NOISE) -> Falling:
    """Compare each cost with the one before; a cost that isn't finite has risen.

    With full batches no iteration may raise the cost (``noise=FULL_BATCH_NOISE``); with
    mini-batches the cost of an epoch may rise by chance.

    Args:
        costs: un-regularized costs, one an iteration (full batch) or an epoch (mini-batches).
        noise: what a rise is let pass for, relative to the first cost.

    Source: A. Ng, "Understanding mini-batch gradient descent" (cost per iteration must go down for
    full batches, and only trend down for mini-batches).

    >>> falling([1.0, 0.5, 0.52]).passed, falling([1.0, 0.5, 0.52], noise=0).rises
    (True, (2,))
    """
    if not len(costs):
        return Falling(None, (), float("nan"), float("nan"))
    slack = noise * abs(costs[0])
    # Put so that NaN counts as a rise.
    rises = tuple(
        place for place in range(1, len(costs)) if not costs[place] <= costs[place - 1] + slack
    )
    passed = bool(not rises and costs[-1] < costs[0]) if len(costs) > 1 else None
    return Falling(passed, rises, float(costs[0]), float(costs[-1]))
