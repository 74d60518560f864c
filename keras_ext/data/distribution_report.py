"""Whether two parts of the data come from one distribution, and what differs most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DistributionTest:
    """One question asked of two parts.

    Args:
        name: "labels" or "examples".
        p_value: how often chance alone makes them differ so much.
        effect: an estimate of the total variation distance, from 0 (equal) to 1: of labels that
            between the counted shares, which chance makes larger; of examples as much of it as the
            classifier sees, which is less than there is. The errors of a model on the two can
            differ by the distance, and by no more, for this reason.
        differs: whether both say so: ``p_value`` is at most the level of the test and ``effect``
            above what was called too small to matter.
        message: the same in words.
    """

    name: str
    p_value: float
    effect: float
    differs: bool
    message: str


@dataclass(frozen=True)
class FeatureShift:
    """One feature, in the mean of both parts.

    Args:
        name: "brightness", "contrast", "sharpness" or a place in the image; else "feature 3".
        first, second: the means, in the feature's own unit.
        effect: their difference in standard deviations of both parts together.
    """

    name: str
    first: float
    second: float
    effect: float


@dataclass(frozen=True)
class DistributionReport:
    """What ``same_distribution`` found.

    Args:
        same: no test differs.
        tests: on the labels and on the examples.
        features: those that differ most, the most first.
        rows: of the second part, the examples that look least like the first, the least first.
    """

    same: bool
    tests: tuple[DistributionTest, ...]
    features: tuple[FeatureShift, ...]
    rows: tuple[int, ...]

    def summary(self) -> str:
        """A verdict, a line for each test and, where the examples differ, what differs most."""
        verdict = "one distribution, as far as can be seen" if self.same else "two distributions"
        lines = [verdict, *(test.message for test in self.tests)]
        if any(test.differs and test.name == "examples" for test in self.tests):
            lines += [
                f"{shift.name}: {shift.first:.4g} in the first, {shift.second:.4g} in the second "
                f"({shift.effect:+.2f} standard deviations)"
                for shift in self.features
            ]
            rows = ", ".join(map(str, self.rows))
            lines.append(f"least like the first: rows {rows} of the second")
        return "\n".join(lines)
