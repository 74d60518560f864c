"""How much of the data goes where: as much as it takes to see the gap that matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from keras_ext.diagnosis.intervals import least, z_score
from keras_ext.errors import ConfigError

EXPECTED_ERROR, DETECTABLE_GAP = 0.02, 0.004
CONFIDENCE, POWER = 0.95, 0.8
MOST_VALIDATION, MOST_TEST = 0.2, 0.1


@dataclass(frozen=True)
class SplitSizes:
    """Numbers of examples, and why.

    Args:
        train, validation, test: the numbers.
        needed: how many it takes to see ``detectable_gap``.
        expected_error, detectable_gap: as given.
        validation_gap, test_gap: the smallest gap that the part sees, in the error's unit.
    """

    train: int
    validation: int
    test: int
    needed: int
    expected_error: float
    detectable_gap: float
    validation_gap: float
    test_gap: float

    @property
    def reason(self) -> str:
        """One sentence for a person."""
        parts = [
            self._part("validation", self.validation, self.validation_gap, MOST_VALIDATION),
            self._part("test", self.test, self.test_gap, MOST_TEST),
        ]
        return (
            f"to see a gap of {self.detectable_gap:g} at an expected error of "
            f"{self.expected_error:g} takes {self.needed:,} examples: {'; '.join(parts)}; "
            f"{self.train:,} are left to train on"
        )

    def _part(self, name: str, size: int, gap: float, most: float) -> str:
        if size >= self.needed:
            return f"{name} gets as many"
        sees = f"and sees gaps from {gap:.2g} on" if gap < 1 else "and sees none"
        return f"{name} gets {size:,}, the {most:.0%} of all that it may have, {sees}"


def split_sizes(
    examples: int,
    *,
    expected_error: float = EXPECTED_ERROR,
    detectable_gap: float = DETECTABLE_GAP,
) -> SplitSizes:
    """Validation and test get what it takes to see the gap, but no more than 20 % and 10 % of all.

    A gap is seen when an error of ``expected_error + detectable_gap`` is found to differ from
    ``expected_error`` at 95 % confidence in four of five cases:
    ``(1.96 sqrt(p (1 - p)) + 0.84 sqrt(q (1 - q)))^2 / gap^2`` examples for p the one error and q
    the other. The error compared with (of training examples, or of another model's many examples)
    is taken as known.

    The defaults, a gap of 0.4 points at an error of 2 %, take 10,161 examples. So they give
    70/20/10 up to 50,000 examples and 98/1/1 at a million, as the rules of thumb have it.

    Sources: Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, 3rd
    edition, section 2.2 (without correction for continuity); Andrew Ng, "Improving Deep Neural
    Networks", week 1, "Train / Dev / Test sets", and Machine Learning Yearning, chapter 7.

    Args:
        examples: in all.
        expected_error: the share of wrong predictions that a good model will have.
        detectable_gap: the smallest difference of two errors that matters, in the same unit.

    Raises:
        ConfigError: when there is no example, or no such error or gap.

    >>> sizes = split_sizes(10_000)
    >>> sizes.train, sizes.validation, sizes.test
    (7000, 2000, 1000)
    >>> sizes = split_sizes(1_000_000)
    >>> [round(part / 1_000_000, 2) for part in (sizes.train, sizes.validation, sizes.test)]
    [0.98, 0.01, 0.01]
    """
    whole = isinstance(examples, int) and not isinstance(examples, bool)
    if not whole or examples < 1:
        raise ConfigError(f"examples must be a whole number from 1 on, got examples={examples!r}")
    if not 0 < expected_error < 1:
        raise ConfigError(
            f"expected_error must be a share in (0, 1), got expected_error={expected_error!r}"
        )
    if not 0 < detectable_gap < 1 - expected_error:
        raise ConfigError(
            "detectable_gap must be above 0, and below 1 - expected_error = "
            f"{1 - expected_error:g}, got detectable_gap={detectable_gap!r}"
        )
    needed = math.ceil(_examples_for(expected_error, detectable_gap))
    validation = min(needed, round(MOST_VALIDATION * examples))
    test = min(needed, round(MOST_TEST * examples))
    return SplitSizes(
        train=examples - validation - test,
        validation=validation,
        test=test,
        needed=needed,
        expected_error=expected_error,
        detectable_gap=detectable_gap,
        validation_gap=_visible_gap(expected_error, validation),
        test_gap=_visible_gap(expected_error, test),
    )


def _examples_for(error: float, gap: float) -> float:
    """So many examples see the gap."""
    z_power = NormalDist().inv_cdf(POWER)
    at_error, above = (math.sqrt(p * (1 - p)) for p in (error, error + gap))
    return ((z_score(CONFIDENCE) * at_error + z_power * above) / gap) ** 2


def _visible_gap(error: float, size: int) -> float:
    """The smallest gap that so many examples see, to a ten-thousandth of what is possible; or 1."""
    steps = 10_000
    step = (1 - error) / steps
    found = least(lambda n: n >= steps or _examples_for(error, n * step) <= size)
    return 1.0 if found is None or found >= steps else found * step
