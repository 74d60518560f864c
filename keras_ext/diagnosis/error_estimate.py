"""An error measured on a sample of examples."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose, isfinite, sqrt
from typing import Any

import numpy as np

from keras_ext.diagnosis import intervals
from keras_ext.errors import ConfigError


@dataclass(frozen=True)
class ErrorEstimate:
    """The mean of a per-example error, and how far it may be from the truth.

    Args:
        error: the mean, in the error's own unit: 0.012, never 1.2 %.
        count: the number of examples.
        standard_error: of the mean.
        proportion: whether each example is either right or wrong. When left out, that is so
            if ``standard_error`` is that of a proportion, sqrt(error (1 - error) / count).

    Raises:
        ConfigError: for numbers that are not finite, no examples, or a proportion outside 0 to 1.

    >>> estimate = ErrorEstimate.from_values([0, 0, 0, 1])
    >>> estimate.error, estimate.count, estimate.proportion
    (0.25, 4, True)
    >>> [round(limit, 4) for limit in estimate.interval()]
    [0.0456, 0.6994]
    """

    error: float
    count: int
    standard_error: float
    proportion: bool | None = None

    def __post_init__(self) -> None:
        for name in ("error", "standard_error"):
            value = float(getattr(self, name))
            if not isfinite(value):
                raise ConfigError(f"{name} must be finite, got {name}={value}")
            object.__setattr__(self, name, value)
        if self.count < 1:
            raise ConfigError(f"an error needs at least one example, got count={self.count!r}")
        if self.standard_error < 0:
            raise ConfigError(f"standard_error must be at least 0, got {self.standard_error!r}")
        object.__setattr__(self, "count", int(self.count))
        object.__setattr__(self, "proportion", self._is_proportion())

    def _is_proportion(self) -> bool:
        within = 0 <= self.error <= 1
        if self.proportion and not within:
            raise ConfigError(f"a proportion must be from 0 to 1, got error={self.error!r}")
        if self.proportion is None:
            return within and isclose(
                self.standard_error, _binomial_error(self.error, self.count), rel_tol=0.02
            )
        return bool(self.proportion)

    @classmethod
    def from_values(cls, per_example_errors: Any) -> ErrorEstimate:
        """The estimate from the error of each example.

        Args:
            per_example_errors: numbers or booleans of shape (examples,); values that are all 0 or
                1 make a proportion.

        Raises:
            ConfigError: for an empty, ragged or non-finite array, or a single value that is
                neither 0 nor 1 (its spread is unknown).
        """
        values = np.asarray(per_example_errors, dtype="float64")
        if values.ndim != 1 or not values.size:
            raise ConfigError(
                f"per_example_errors must have shape (examples,), got shape {values.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ConfigError(
                f"per_example_errors must be finite, got {values[bad[0]]} at row {bad[0]}"
                f" ({bad.size} of {values.size} rows)"
            )
        mean, count = float(values.mean()), int(values.size)
        if np.isin(values, (0.0, 1.0)).all():
            return cls(mean, count, _binomial_error(mean, count), proportion=True)
        if count == 1:
            raise ConfigError("per_example_errors needs at least 2 values, got 1")
        return cls(mean, count, float(values.std(ddof=1)) / sqrt(count), proportion=False)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Limits around the true error: Wilson's for a proportion, otherwise normal.

        Raises:
            ConfigError: unless confidence is strictly between 0 and 1.
        """
        if self.proportion:
            return intervals.wilson(self.error, self.count, confidence)
        return intervals.normal(self.error, self.standard_error, confidence)

    def examples_for(self, precision: float, confidence: float = 0.95) -> int | None:
        """How many examples make limits ``precision`` away on average, were the error the same.

        About z^2 p (1 - p) / precision^2 for a proportion p, z^2 s^2 / precision^2 for a mean of
        values with standard deviation s (Cochran (1977), Sampling Techniques, 3rd edition, sections
        4.4 and 4.6). It is read off Wilson's interval, which has a width where no error was seen.

        Returns:
            None for more than a thousand million.

        Raises:
            ConfigError: unless precision is finite and above 0, and confidence between 0 and 1.

        >>> ErrorEstimate.from_values([1] * 10 + [0] * 90).examples_for(0.005)
        13833
        """
        if not (isfinite(precision) and precision > 0):
            raise ConfigError(f"precision must be finite and above 0, got precision={precision!r}")

        def reached(count: int) -> bool:
            low, high = self.grown(count - self.count).interval(confidence)
            return high - low <= 2 * precision

        return intervals.least(reached)

    def grown(self, more: int) -> ErrorEstimate:
        """The estimate to expect from ``more`` examples of the same kind, were the error the same.

        >>> ErrorEstimate(2.0, 100, 0.3).grown(300).standard_error
        0.15
        """
        count = self.count + more
        narrower = self.standard_error * sqrt(self.count / count)
        return ErrorEstimate(self.error, count, narrower, self.proportion)


def _binomial_error(proportion: float, count: int) -> float:
    return sqrt(proportion * (1 - proportion) / count)
