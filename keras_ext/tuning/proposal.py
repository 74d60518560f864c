"""What the rules are given of each trial, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from typing import Any

from keras_ext.tuning.axes import Axis, active

SAME = 1e-4
PENALTY = 1.5
"""A trial that failed counts as the worst error so far times this: bad, but a number."""


@dataclass(frozen=True)
class Proposal:
    """The next trial.

    Args:
        values: of every hyperparameter that matters.
        reason: why, in words.
        step: which part of the strategy it belongs to: "start", "line", "turn", "stage 2", ...
        knob: the hyperparameter that is turned, None where several move.
        notches: how far, negative for back; 0 where several move.
        base: the values that it starts from.
        extended: how often the range of its stage had been extended.
        budget: how many trials there were to be in all; of a staged search.
    """

    values: Mapping[str, Any]
    reason: str
    step: str
    knob: str | None = None
    notches: float = 0.0
    base: Mapping[str, Any] = field(default_factory=dict)
    extended: int = 0
    budget: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``Proposal(**values)`` is the way back."""
        return asdict(self)


@dataclass(frozen=True)
class Tried:
    """A trial so far.

    Args:
        values: of its hyperparameters.
        error: to be minimized; None while it runs, and infinite where it failed.
        metrics: what else is known by name: "avoidable_bias", "variance", "unsteadiness",
            "seed_noise", ...
        proposal: what it was proposed as; None for one that the rules did not propose.
    """

    values: Mapping[str, Any]
    error: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    proposal: Proposal | None = None

    @property
    def step(self) -> str:
        """Of the strategy."""
        return self.proposal.step if self.proposal else ""


class Trials:
    """All trials so far, grouped by what is the same but for the seed.

    Args:
        axes: of the search space.
        tried: in the order in which they began.
    """

    def __init__(self, axes: Sequence[Axis], tried: Sequence[Tried]) -> None:
        self.axes = tuple(axes)
        self.tried = tuple(tried)
        self._seed = next((axis.name for axis in axes if axis.role == "seed"), None)
        finite = [t.error for t in tried if t.error is not None and isfinite(t.error)]
        self.penalty = max(finite) * PENALTY if finite else 1.0
        self.points: dict[tuple[Any, ...], list[Tried]] = {}
        for item in tried:
            self.points.setdefault(self.key(item.values), []).append(item)

    def key(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The same for two points that differ in nothing that matters, or in the seed alone.

        Nor do the last digits of a number: a notch down and one up again may not bring back all.
        """
        complete = {axis.name: values.get(axis.name, axis.default) for axis in self.axes}
        kept = active(self.axes, complete)
        return tuple(sorted((k, _told(v)) for k, v in kept.items() if k != self._seed))

    def known(self, values: Mapping[str, Any]) -> bool:
        """Whether the point has been tried, or is on its way."""
        return self.key(values) in self.points

    def error(self, values: Mapping[str, Any]) -> float | None:
        """The mean over all evaluations of the point; failed ones count with the penalty."""
        found = [
            t.error if isfinite(t.error) else self.penalty
            for t in self.points.get(self.key(values), ())
            if t.error is not None
        ]
        return sum(found) / len(found) if found else None

    def best(self) -> Tried | None:
        """A trial of the point with the lowest mean, among those that did not fail.

        Of two evaluations of a point, the last one.
        """
        ended = [t for t in self.tried if t.error is not None and isfinite(t.error)]
        return min(reversed(ended), key=lambda t: self.error(t.values) or 0.0, default=None)

    def metric(self, values: Mapping[str, Any], name: str) -> float | None:
        """The mean over the evaluations of the point that have the metric."""
        evaluations = self.points.get(self.key(values), ())
        found = [t.metrics[name] for t in evaluations if isfinite(t.metrics.get(name, inf))]
        return sum(found) / len(found) if found else None

    def evaluations(self, values: Mapping[str, Any]) -> int:
        """How often the point has been begun."""
        return len(self.points.get(self.key(values), ()))


def same(one: float, other: float) -> bool:
    """Whether two numbers differ in their last digits alone.

    >>> same(0.00999999, 0.01), same(0.0099, 0.01)
    (True, False)
    """
    return abs(one - other) <= SAME * max(abs(one), abs(other))


def _told(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
