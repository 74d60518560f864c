"""What a trial's numbers say: which problem hurts, by how much, and in words."""

from __future__ import annotations

from dataclasses import dataclass

from keras_ext.tuning.axes import Values
from keras_ext.tuning.proposal import Trials

UNSTEADY = 0.3
"""From here on a cost counts as unsteady: "unsteadiness" is how far it went up and down over the
last epochs beyond the distance it came, relative to its mean."""


@dataclass(frozen=True)
class Reading:
    """What hurts at a point.

    Args:
        bias, variance: shares of the sum of both gaps, from 0 to 1; half each where unknown.
        unstable: how unsteady the cost was, from 0 to 1.
        known: whether the trial had the numbers for it.
        words: the finding.
    """

    bias: float
    variance: float
    unstable: float
    known: bool
    words: str


UNKNOWN = Reading(0.5, 0.5, 0.0, False, "no diagnosis")


def reading(trials: Trials, values: Values) -> Reading:
    """The diagnosis of a point, from the means over its evaluations.

    >>> metrics = {"avoidable_bias": 0.01, "variance": 0.03}
    >>> from keras_ext.tuning.axes import Axis
    >>> from keras_ext.tuning.proposal import Tried
    >>> trials = Trials([Axis("units", 8, low=1, high=9)], [Tried({"units": 8}, 0.04, metrics)])
    >>> reading(trials, {"units": 8}).words
    'variance is the larger gap (0.03 beside an avoidable bias of 0.01)'
    """
    bias, variance = (trials.metric(values, name) for name in ("avoidable_bias", "variance"))
    if bias is None or variance is None:
        return UNKNOWN
    bias, variance = max(0.0, bias), max(0.0, variance)
    total = bias + variance
    share = bias / total if total else 0.5
    rough = trials.metric(values, "unsteadiness") or 0.0
    unstable = min(1.0, rough / (2 * UNSTEADY)) if rough > UNSTEADY else 0.0
    if bias > variance:
        words = f"avoidable bias is the larger gap ({bias:.3g} beside a variance of {variance:.3g})"
    else:
        words = (
            f"variance is the larger gap ({variance:.3g} beside an avoidable bias of {bias:.3g})"
        )
    if unstable:
        words = f"the cost is unsteady (up and down by {rough:.0%} of its level); {words}"
    return Reading(share, 1.0 - share, unstable, True, words)
