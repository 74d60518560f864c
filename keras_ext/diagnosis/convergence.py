"""Has the optimization of the cost come to its end: is it converging, converged or diverged?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from keras_ext.diagnosis.falling import FIRST_SUSPECT
from keras_ext.diagnosis.intervals import z_score
from keras_ext.diagnosis.slopes import scatter, slope_interval
from keras_ext.errors import ConfigError

LEAST_COSTS = 4
"""Among fewer an outlier can't be told from a trend."""
LONGEST_WINDOW = 256
NEGLIGIBLE = 1e-3
"""Improvements are relative to the cost, or to this share of all that it ever fell where that is
more: a cost on its way to zero would improve by some per cent for ever."""
CONFIDENCE = 0.99
"""More than the usual 0.95, as the question is asked anew after each epoch."""
EXPLODED = 10.0
EXPLODED_FOR = 3


@dataclass(frozen=True)
class Convergence:
    """Where the optimization stands.

    Args:
        verdict: "converging", "converged" or "diverged".
        reason: why, in one line.
        improvement: by how much the cost falls over ``patience`` epochs at the highest learning
            rate so far, relative to its level; infinite while there are too few costs to tell,
            minus infinite once it has diverged.
        low, high: its interval.
    """

    verdict: str
    reason: str
    improvement: float
    low: float
    high: float


@dataclass(frozen=True)
class _Course:
    """Costs with their epochs, and with the time: epochs at the highest learning rate so far."""

    costs: np.ndarray
    epochs: np.ndarray
    times: np.ndarray

    def pick(self, which: np.ndarray | slice) -> _Course:
        return _Course(self.costs[which], self.epochs[which], self.times[which])


def convergence(
    costs: Sequence[float],
    learning_rates: Sequence[float] | None = None,
    *,
    patience: int = 5,
    min_delta: float = 0.01,
    epochs: Sequence[int] | None = None,
    since: int = 0,
) -> Convergence:
    """Judge the clean, un-regularized training cost of each epoch, and nothing else.

    *Robust against noise.* The improvement is the slope of Theil and Sen, the median of the slopes
    between all pairs of epochs, over the last ``patience + 1`` epochs (four costs at least): a few
    outliers don't move it. The cost has converged when the slope is at most ``min_delta`` and that
    is sure, its upper limit being so too: the higher one of Sen's and of what the scatter of the
    costs makes of it. Where noise makes that too high a longer window may settle it. So a smooth
    cost is called converged ``patience`` epochs after it stands still, and a noisy one later.

    *Aware of the learning rate.* With a small rate every cost stands still. Close to gradient flow
    the cost depends on the sum of the learning rates so far, so the slope is taken over that sum
    and stated for ``patience`` epochs at the highest rate so far. A plateau that comes from a small
    rate isn't convergence; a run whose rate decays goes on unless its cost is flat even so.

    *Diverged* is a last cost that isn't finite, or three in a row that lie above the first by nine
    times its size (a positive cost: above ten times the first).

    The verdict depends neither on the unit of the costs nor on that of the learning rates.

    Args:
        costs: one for each measured epoch, the last one for the present.
        learning_rates: as many, the mean rate since the cost before; None, or rates that are not
            all finite and at least 0, for a constant one.
        patience: over how many epochs an improvement counts.
        min_delta: the smallest relative improvement that does.
        epochs: the number of each cost's epoch, rising; None for 0, 1, 2, ...
        since: judge from this epoch on alone, as something else than the weights changed then.

    Raises:
        ConfigError: for no costs, or lengths that differ.

    >>> convergence([2.0, 1.0, 0.5, 0.25, 0.12, 0.06, 0.03]).verdict
    'converging'
    >>> plateau = [2.0, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    >>> convergence(plateau).verdict, convergence(plateau[:-1]).verdict
    ('converged', 'converging')
    """
    course, share = _course(costs, learning_rates, epochs)
    trouble = _trouble(course.costs)
    if trouble:
        return Convergence("diverged", trouble, -inf, -inf, -inf)
    finite = course.pick(np.isfinite(course.costs))
    recent = finite.pick(finite.epochs >= since)
    windows = list(_windows(recent, patience))
    if not windows:
        return Convergence("converging", "too few epochs to tell", inf, -inf, inf)
    smallest = NEGLIGIBLE * float(np.ptp(finite.costs))
    noise = scatter(recent.costs[-2 * len(windows[0].costs) :])
    found = [_improvement(part.costs, part.times, patience, smallest, noise) for part in windows]
    if not isfinite(found[0][0]):
        return Convergence("converging", "nothing moves: the learning rate is 0", inf, -inf, inf)
    # The shortest window decides whether it moves now, any window whether that is sure.
    sure = [limits for limits in found if limits[2] <= min_delta]
    if found[0][0] <= min_delta and sure:
        reason = _at_its_end(sure[0][2], patience, fell=recent.costs[-1] < finite.costs[0])
        return Convergence("converged", reason, *sure[0])
    part = windows[0]
    by_epoch = _improvement(part.costs, part.epochs, patience, smallest, noise)[0]
    reason = _on_its_way(found[0], by_epoch, patience, min_delta, share)
    return Convergence("converging", reason, *found[0])


def _course(
    costs: Sequence[float],
    learning_rates: Sequence[float] | None,
    epochs: Sequence[int] | None,
) -> tuple[_Course, float]:
    """The arrays, and the present learning rate as a share of the highest."""
    values = np.asarray(costs, dtype="float64")
    numbers = np.arange(len(values)) if epochs is None else np.asarray(epochs)
    rates = np.ones(len(values)) if learning_rates is None else np.asarray(learning_rates, float)
    if not len(values) or not len(values) == len(numbers) == len(rates):
        raise ConfigError(
            "costs, learning_rates and epochs must be of one length of at least 1, got lengths"
            f" {len(values)}, {len(rates)} and {len(numbers)}"
        )
    if not (np.isfinite(rates).all() and (rates >= 0).all() and rates.any()):
        rates = np.ones(len(values))
    shares = rates / rates.max()
    times = np.cumsum(shares * np.diff(numbers, prepend=numbers[0]))
    return _Course(values, numbers, times), float(shares[-1])


def _trouble(costs: np.ndarray) -> str:
    """How the cost has diverged, empty if it hasn't."""
    if not isfinite(costs[-1]):
        return f"the cost is not finite ({costs[-1]}): {FIRST_SUSPECT}"
    finite = costs[np.isfinite(costs)]
    first, last = finite[0], finite[1:][-EXPLODED_FOR:]
    limit = first + (EXPLODED - 1) * max(abs(first), first - finite.min())
    if len(last) == EXPLODED_FOR and (last > limit).all():
        return f"the cost explodes, {first:.4g} -> {last[-1]:.4g}: {FIRST_SUSPECT}"
    return ""


def _windows(recent: _Course, patience: int) -> Iterator[_Course]:
    """The last costs: those of ``patience + 1`` epochs, then twice as many and so on."""
    total = len(recent.costs)
    if not total or recent.epochs[-1] - recent.epochs[0] < patience:
        return
    length = max(LEAST_COSTS, int((recent.epochs >= recent.epochs[-1] - patience).sum()))
    while length <= min(total, LONGEST_WINDOW):
        yield recent.pick(slice(total - length, total))
        length *= 2


def _improvement(
    costs: np.ndarray, times: np.ndarray, patience: int, smallest: float, noise: float
) -> tuple[float, float, float]:
    """How far the costs fall in ``patience`` units of time, relative to their level, and limits."""
    slope, low, high = slope_interval(times, costs, CONFIDENCE)
    level = max(abs(float(np.median(costs))), smallest)
    if level == 0:
        return 0.0, 0.0, 0.0
    spread = float(np.sum((times - times.mean()) ** 2))
    half = z_score(CONFIDENCE) * noise / sqrt(spread) if spread > 0 else inf
    limits = -slope, -max(high, slope + half), -min(low, slope - half)
    value, lowest, highest = (limit * patience / level for limit in limits)
    return value, lowest, highest


def _at_its_end(high: float, patience: int, *, fell: bool) -> str:
    if not fell:
        return f"the cost is no lower than after the first epoch: {FIRST_SUSPECT}"
    if high <= 0:
        return f"the cost has not fallen for {patience} epochs"
    return f"the cost falls by {high:.2g} of its level at most in {patience} epochs"


def _on_its_way(
    found: tuple[float, float, float], by_epoch: float, patience: int, enough: float, share: float
) -> str:
    value, _, high = found
    if value > enough >= by_epoch:
        return (
            f"the cost stands still because the learning rate is {share:.2g} of its highest, not"
            " because it has converged"
        )
    if value > enough:
        return f"the cost falls by {value:.2g} of its level in {patience} epochs"
    return f"too noisy to tell: the cost may fall by {high:.2g} of its level in {patience} epochs"
