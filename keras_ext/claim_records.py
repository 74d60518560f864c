"""Frozen records of claims put to the test: what was measured, and the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_ext.chart_records import Chart, Pictures
from keras_ext.diagnosis import OverSeeds
from keras_ext.errors import ConfigError
from keras_ext.fields import decode, encode

SCHEMA = "keras_ext.article/1"
HELD, IN_PART, NOT_HELD = "held", "held in part", "did not hold here"
FAILED, MISSING = "failed", "not measured yet"


@dataclass(frozen=True)
class Number:
    """A measured number.

    Args:
        name: what was measured, in words.
        value: the number; a mean over seeds, if there are several.
        unit: "%" for a share that is shown in percent, "points" for a difference of two shares;
            any other unit stands behind the number as it is.
        low, high: limits of the 95 % interval, None for a number that has none.
        seeds: how many the mean is over, 0 for a number that no seed has a part in.
    """

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    seeds: int = 0

    @classmethod
    def of(cls, name: str, found: OverSeeds, unit: str = "") -> Number:
        """From a mean over seeds; the interval of a share ("%") is cut off at 0.

        >>> from keras_ext.diagnosis import over_seeds
        >>> Number.of("share", over_seeds([0.0, 0.02]), "%").low
        0.0
        """
        low = max(0.0, found.low) if unit == "%" else found.low
        return cls(name, found.value, unit, low, found.high, found.seeds)

    @classmethod
    def of_log10(cls, name: str, found: OverSeeds, unit: str = "") -> Number:
        """From a mean of logarithms to base 10: the geometric mean.

        >>> from keras_ext.diagnosis import over_seeds
        >>> Number.of_log10("steps", over_seeds([1.0, 2.0, 3.0])).value
        100.0
        """
        value, low, high = (10**limit for limit in (found.value, found.low, found.high))
        return cls(name, value, unit, low, high, found.seeds)


@dataclass(frozen=True)
class Rule:
    """One thing that must be seen for a claim to hold.

    Args:
        text: the rule as it is computed: "the interval of the difference is above 0".
        held: whether it was so.
        why_not: where it was not: why one thinks so.
    """

    text: str
    held: bool
    why_not: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "held", bool(self.held))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an experiment found out about a claim.

    Args:
        setup: what was done: data and its size, network, optimizer, how many seeds.
        numbers: the first one is the headline.
        rules: they make the verdict.
        explanation: what it means, and how far it goes.
        charts: figures, none of them decorative.
        pictures: of what was changed, drawn after the charts.
        values: further numbers by name, for tests.

    Raises:
        ConfigError: without a number or a rule.
    """

    setup: str
    numbers: tuple[Number, ...]
    rules: tuple[Rule, ...]
    explanation: str
    charts: tuple[Chart, ...] = ()
    pictures: tuple[Pictures, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.numbers or not self.rules:
            raise ConfigError("a finding needs at least one number and one rule")

    @property
    def figures(self) -> tuple[Chart | Pictures, ...]:
        """Charts and pictures, in the order of the page."""
        return (*self.charts, *self.pictures)

    @property
    def verdict(self) -> str:
        """ "held" if all rules did, "did not hold here" if none did, else "held in part"."""
        held = [rule.held for rule in self.rules]
        return HELD if all(held) else IN_PART if any(held) else NOT_HELD


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of an article, with what became of it.

    Args:
        name: of its module and of its place on the page.
        number: its place in the article, from 1.
        text: the claim, one or two sentences.
        command: what runs it alone.
        finding: None where it failed or was not measured.
        message: why it failed.
        seconds: that the experiment took.
    """

    name: str
    number: int
    text: str
    command: str = ""
    finding: Finding | None = None
    message: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The finding's, or "failed", or "not measured yet"."""
        if self.finding is not None:
            return self.finding.verdict
        return FAILED if self.message else MISSING

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the verdict."""
        return {**encode(self), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Claim:
        """The claim that ``to_dict`` made plain values of.

        Raises:
            ConfigError: for an unknown or ill-typed field.
        """
        rest = {key: value for key, value in values.items() if key != "verdict"}
        claim: Claim = decode(cls, rest, "claim.")
        return claim


@dataclass(frozen=True, kw_only=True)
class Article:
    """All claims of an article.

    Args:
        title: of the article.
        mode: "quick", "normal" or "full".
        seed: that every experiment starts from.
        claims: in the article's order.
        versions: of the packages that matter.
    """

    title: str
    mode: str
    seed: int
    claims: tuple[Claim, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the schema."""
        claims = [claim.to_dict() for claim in self.claims]
        return {"schema": SCHEMA, **encode(self), "claims": claims}
