"""From two errors to what hurts and what to turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from keras_ext.diagnosis.error_estimate import ErrorEstimate
from keras_ext.diagnosis.gap import Gap, above_optimal, between
from keras_ext.diagnosis.intervals import z_score
from keras_ext.diagnosis.remedy import Remedy, remedies
from keras_ext.errors import ConfigError

_MEANING = {
    "avoidable bias": (
        "the model does not yet fit its own training examples as well as is possible",
        "the model fits its training examples about as well as is possible",
    ),
    "variance": (
        "the model does worse on examples that it was not trained on",
        "the model does as well on examples that it was not trained on",
    ),
    "data mismatch": (
        "the validation examples differ from the training examples",
        "the validation examples are like the training examples",
    ),
    "over-tuning to validation": (
        "choices were fitted to the validation examples; a larger validation set is needed",
        "the validation error holds on the test examples",
    ),
}


@dataclass(frozen=True)
class Diagnosis:
    """What the errors say about a model.

    Args:
        avoidable_bias: train error above the optimal error.
        variance: validation error above train error, on examples of the same distribution.
        dominant: the largest gap that is present: "bias", "variance" or "mismatch"; "inconclusive"
            when none is present for sure but one might be; "none" when all are absent.
        remedies: what to try, in this order.
        mismatch: validation error above the error on examples that are distributed like the
            training examples but were not trained on; None where there are no such examples.
        overfit_to_validation: test error above validation error; None without a test error.
        optimal_error, tolerance, confidence: what the verdicts were made with.
    """

    avoidable_bias: Gap
    variance: Gap
    dominant: str
    remedies: tuple[Remedy, ...] = ()
    mismatch: Gap | None = None
    overfit_to_validation: Gap | None = None
    optimal_error: float = 0.0
    tolerance: float = 0.005
    confidence: float = 0.95

    def summary(self) -> str:
        """A few plain lines: each gap with its interval and meaning, then what to try first."""
        named = zip(
            _MEANING,
            (self.avoidable_bias, self.variance, self.mismatch, self.overfit_to_validation),
            strict=True,
        )
        lines = [_sentence(name, gap) for name, gap in named if gap is not None]
        if self.remedies:
            lines.append(f"try first: {self.remedies[0].text}")
        if len(self.remedies) > 1:
            lines.append("then: " + "; ".join(remedy.text for remedy in self.remedies[1:]))
        return "\n".join(lines)


def diagnose(
    train: ErrorEstimate,
    validation: ErrorEstimate,
    *,
    optimal_error: float = 0.0,
    tolerance: float = 0.005,
    train_validation: ErrorEstimate | None = None,
    test: ErrorEstimate | None = None,
    knobs: Mapping[str, Any] | None = None,
    costs: Sequence[float] = (),
    confidence: float = 0.95,
) -> Diagnosis:
    """Separate bias from variance, with the certainty that the number of examples allows.

    Args:
        train: the error on training examples, measured like the others: same weights, inference
            mode, no augmentation.
        validation: the error on validation examples.
        optimal_error: the Bayes error or its proxy, human error.
        tolerance: the smallest gap that matters, in the error's unit (the default is meant for
            proportions; give your own for regression); 0 asks for significance alone.
        train_validation: the error on examples from the training distribution that were not
            trained on; separates variance from data mismatch.
        test: the error on test examples; shows over-tuning to the validation examples.
        knobs: the hyperparameters that can be turned, each with its value or a ``Setting``, for
            concrete remedies.
        costs: of the training examples, without regularization, one for each epoch so far; where
            bias is present and they have risen the first remedy is a smaller learning rate.
        confidence: of each interval.

    Raises:
        ConfigError: naming the argument and the value received.

    Source: A. Ng, Machine Learning Yearning, chapters 20 to 24 and 40 to 41.

    >>> train = ErrorEstimate.from_values([0] * 9990 + [1] * 10)
    >>> validation = ErrorEstimate.from_values([0] * 9800 + [1] * 200)
    >>> diagnosis = diagnose(train, validation, knobs={"dropout": 0.1})
    >>> diagnosis.dominant, round(diagnosis.variance.value, 4), diagnosis.remedies[0].after
    ('variance', 0.019, 0.2)
    """
    for name, value in (("optimal_error", optimal_error), ("tolerance", tolerance)):
        if not (isfinite(value) and value >= 0):
            raise ConfigError(f"{name} must be finite and at least 0, got {name}={value!r}")
    z_score(confidence)
    how = (tolerance, confidence)
    seen = validation if train_validation is None else train_validation
    gaps = {
        "bias": above_optimal(train, optimal_error, *how),
        "variance": between(seen, train, *how),
    }
    if train_validation is not None:
        gaps["mismatch"] = between(validation, train_validation, *how)
    present = [name for name, gap in gaps.items() if gap.verdict == "present"]
    present.sort(key=lambda name: -gaps[name].value)
    return Diagnosis(
        avoidable_bias=gaps["bias"],
        variance=gaps["variance"],
        dominant=_dominant(present, gaps),
        remedies=remedies(present, knobs, costs=costs),
        mismatch=gaps.get("mismatch"),
        overfit_to_validation=None if test is None else between(test, validation, *how),
        optimal_error=float(optimal_error),
        tolerance=float(tolerance),
        confidence=float(confidence),
    )


def _dominant(present: list[str], gaps: Mapping[str, Gap]) -> str:
    if present:
        return present[0]
    settled = all(gap.verdict == "absent" for gap in gaps.values())
    return "none" if settled else "inconclusive"


def _sentence(name: str, gap: Gap) -> str:
    present, absent = _MEANING[name]
    if gap.verdict != "inconclusive":
        meaning = present if gap.verdict == "present" else absent
    elif gap.examples_needed is None:
        meaning = "it is as large as the tolerance, which no number of examples would settle"
    else:
        more = f"about {_rounded(gap.examples_needed):,} more"
        kind = "training examples" if name == "avoidable bias" else "examples of each kind"
        meaning = f"measuring {more} {kind} would settle it"
    interval = f"{_number(gap.value)} [{_number(gap.low)}, {_number(gap.high)}]"
    return f"{name} {interval} is {gap.verdict}: {meaning}"


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 5e-4 <= abs(value) < 10 else f"{value:.3g}"


def _rounded(count: int) -> int:
    """Two leading digits: a guess should look like one."""
    return int(float(f"{count:.1e}"))
