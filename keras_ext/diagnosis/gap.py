"""The difference between two errors, and whether it is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keras_ext.diagnosis.error_estimate import ErrorEstimate
from keras_ext.diagnosis.intervals import difference_interval, least

Interval = tuple[float, float]


@dataclass(frozen=True)
class Gap:
    """How much one error lies above another.

    Args:
        value: the difference, in the error's unit.
        low, high: its confidence interval.
        verdict: "present" (low > tolerance), "absent" (high < tolerance) or "inconclusive".
        examples_needed: how many more examples in each sample would about settle an inconclusive
            gap, if the errors stayed as they are; None where nothing is left to settle, or where
            no number of examples would (the gap equals the tolerance).
    """

    value: float
    low: float
    high: float
    verdict: str
    examples_needed: int | None = None


def above_optimal(
    estimate: ErrorEstimate, optimal_error: float, tolerance: float, confidence: float
) -> Gap:
    """The gap between a measured error and one that is known exactly."""

    def interval(more: int) -> Interval:
        low, high = estimate.grown(more).interval(confidence)
        return low - optimal_error, high - optimal_error

    return _gap(estimate.error - optimal_error, interval, tolerance)


def between(upper: ErrorEstimate, lower: ErrorEstimate, tolerance: float, confidence: float) -> Gap:
    """The gap ``upper.error - lower.error`` of two independent samples."""

    def interval(more: int) -> Interval:
        return difference_interval(upper.grown(more), lower.grown(more), confidence)

    return _gap(upper.error - lower.error, interval, tolerance)


def _gap(value: float, interval: Callable[[int], Interval], tolerance: float) -> Gap:
    low, high = interval(0)
    verdict = _verdict(low, high, tolerance)
    needed = _examples_needed(interval, tolerance) if verdict == "inconclusive" else None
    return Gap(value, low, high, verdict, needed)


def _verdict(low: float, high: float, tolerance: float) -> str:
    if low > tolerance:
        return "present"
    return "absent" if high < tolerance else "inconclusive"


def _examples_needed(interval: Callable[[int], Interval], tolerance: float) -> int | None:
    """The smallest number of additional examples that settles the gap."""
    return least(lambda more: _verdict(*interval(more), tolerance) != "inconclusive")
