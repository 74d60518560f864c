"""Does the model do worse on validation examples than it already did, and what to turn then?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np

from keras_ext.diagnosis.paired import paired_interval
from keras_ext.diagnosis.remedy import Remedy, remedies

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Look:
    """One measurement of the validation examples.

    Args:
        epoch: its number.
        value: the mean error or cost; infinite where it isn't finite.
        above: by how much it is above the best measurement so far, 0 for the best itself.
        low, high: the interval of that.
    """

    epoch: int
    value: float
    above: float
    low: float
    high: float


@dataclass(frozen=True)
class Overfitting:
    """How the present measurement compares with the best one.

    Args:
        present: significantly above the best for ``patience`` epochs without a break.
        since: the first epoch of those without a break that are significantly above the best;
            None when the last one isn't.
        best_epoch, best: when it was best, and how good; None and infinity before that.
        above, low, high: by how much it is above the best now, with the interval.
        remedies: which variance knobs to turn, in this order.
    """

    present: bool
    since: int | None
    best_epoch: int | None
    best: float
    above: float
    low: float
    high: float
    remedies: tuple[Remedy, ...]


def look(epoch: int, now: np.ndarray | None, best: np.ndarray | None, *, looks: int) -> Look:
    """Compare this epoch with the best one so far, example by example.

    Both were measured on the same examples, so the interval is that of paired samples, which is
    sharper than Newcombe's. The best of many epochs is so partly by chance: with k looks the
    confidence is 1 - 0.05 / k (Bonferroni).

    Args:
        epoch: its number.
        now: error or cost of each example, of shape (examples,); None when there is no finite one.
        best: likewise, of the best epoch before; None when there is none.
        looks: how many epochs were measured, this one included.

    >>> wrong = np.repeat([1.0, 0.0], [30, 970])
    >>> look(7, wrong, np.zeros(1000), looks=8).low > 0
    True
    """
    value = inf if now is None else float(np.mean(now))
    if now is None or not isfinite(value):
        return Look(epoch, inf, inf, inf, inf)
    if best is None or value < float(np.mean(best)):
        return Look(epoch, value, 0.0, 0.0, 0.0)
    low, high = paired_interval(now, best, 1 - (1 - CONFIDENCE) / looks)
    return Look(epoch, value, value - float(np.mean(best)), low, high)


def overfitting(
    looks: Sequence[Look],
    *,
    patience: int = 5,
    knobs: Mapping[str, Any] | None = None,
) -> Overfitting:
    """Judge the validation error, which never stops a run.

    Args:
        looks: one for each measured epoch, in order.
        patience: so many epochs in a row must be significantly above the best; conventional early
            stopping with the same patience would have stopped by then.
        knobs: the knobs that there are and their values, for concrete remedies.

    >>> rows = [Look(0, 0.1, 0.0, 0.0, 0.0), Look(1, 0.2, 0.1, 0.05, 0.15)]
    >>> found = overfitting(rows, patience=1, knobs={"dropout": 0.1})
    >>> found.present, found.since, found.best_epoch, found.remedies[0].after
    (True, 1, 0, 0.2)
    """
    finite = [item for item in looks if isfinite(item.value)]
    best = min(finite, key=lambda item: item.value, default=None)
    begin = None
    for item in reversed(looks):
        if not item.low > 0:
            break
        begin = item.epoch
    last = looks[-1] if looks else Look(0, inf, 0.0, 0.0, 0.0)
    lasts = 0 if begin is None else last.epoch - begin + 1
    return Overfitting(
        present=lasts >= patience,
        since=begin,
        best_epoch=None if best is None else best.epoch,
        best=inf if best is None else best.value,
        above=last.above,
        low=last.low,
        high=last.high,
        remedies=remedies(["variance"], knobs),
    )
