"""Frozen records of claims put to the test: what was measured, the rules, and what to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from keras_ext.diagnosis import OverSeeds, over_seeds
from keras_ext.errors import ConfigError
from keras_ext.fields import decode, encode, one_of

SCHEMA = "keras_ext.article/1"
HELD, IN_PART, NOT_HELD = "held", "held in part", "did not hold here"
FAILED, MISSING = "failed", "not measured yet"
KINDS = ("line", "dashed", "points", "path")


@dataclass(frozen=True)
class Line:
    """One line of a chart, or a set of points.

    Args:
        name: for the legend; empty for a line that isn't named.
        x, y: numbers of shape (points,). Points that aren't finite are left out.
        low, high: limits of each y, or nothing. A band around a line, a bar at a point.
        kind: "line", "dashed", "points", or "path" (a line with a dot at each step).
        color: a role of ``figures.Palette``, "" for the next one.

    Raises:
        ConfigError: for an unknown kind, or numbers of another shape.

    >>> Line("train", [1, 2], [0.5, 0.25]).y
    (0.5, 0.25)
    """

    name: str
    x: Any
    y: Any
    low: Any = ()
    high: Any = ()
    kind: str = "line"
    color: str = ""

    def __post_init__(self) -> None:
        one_of(self, "kind", KINDS)
        for name in ("x", "y", "low", "high"):
            object.__setattr__(self, name, _numbers(getattr(self, name)))
        lengths = {name: len(getattr(self, name)) for name in ("y", "low", "high")}
        if not {lengths["low"], lengths["high"]} <= {0, len(self.y)} or len(self.x) != len(self.y):
            raise ConfigError(f"line {self.name!r} has {len(self.x)} x for {lengths}")

    @classmethod
    def over_seeds(
        cls, name: str, x: Any, values: Any, *, geometric: bool = False, **how: Any
    ) -> Line:
        """The mean over seeds with Student's t interval at each x.

        Args:
            name: for the legend.
            x: numbers of shape (points,).
            values: numbers of shape (seeds, points), two seeds at least.
            geometric: the geometric mean, for values above 0 on a log scale.
            **how: kind and color.

        >>> Line.over_seeds("train", [1.0], [[0.1], [0.2], [0.3]]).y
        (0.2,)
        >>> Line.over_seeds("ratio", [1.0], [[0.5], [2.0]], geometric=True).y
        (1.0,)
        """
        each = np.asarray(values, dtype="float64").T
        found = [over_seeds(column, geometric=geometric) for column in each]
        y, low, high = ([getattr(f, part) for f in found] for part in ("value", "low", "high"))
        return cls(name, x, np.round(y, 12), low, high, **how)


@dataclass(frozen=True)
class Surface:
    """A function of two variables, drawn as contours.

    Args:
        x, y: places along the axes, of shape (columns,) and (rows,).
        z: values of shape (rows, columns).
        levels: where to draw a contour, rising.
        regions: tint both sides of the only level: a decision boundary.
    """

    x: Any
    y: Any
    z: Any
    levels: Any
    regions: bool = False

    def __post_init__(self) -> None:
        for name in ("x", "y", "levels"):
            object.__setattr__(self, name, _numbers(getattr(self, name)))
        object.__setattr__(self, "z", tuple(_numbers(row) for row in self.z))
        if np.shape(self.z) != (len(self.y), len(self.x)):
            raise ConfigError(
                f"z must have shape (rows, columns) = {(len(self.y), len(self.x))}, got "
                f"{np.shape(self.z)}"
            )


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Args:
        x_label, y_label: what the axes show, with the unit.
        lines: to draw, the later over the earlier.
        title: above, where a chart has several panels.
        log_x, log_y: scales of ratios.
        x_limits, y_limits: two numbers each, or nothing for what the lines need.
        percent: the values of y are shares, to be shown in percent.
        names: of rows. The panel then has a row for each name, from the top; the x of a line is
            the number of the row from 0, and its y are drawn along the horizontal axis.
        surface: behind the lines.
        square: one unit is as long on both axes.
    """

    x_label: str
    y_label: str
    lines: tuple[Line, ...] = ()
    title: str = ""
    log_x: bool = False
    log_y: bool = False
    x_limits: tuple[float, ...] = ()
    y_limits: tuple[float, ...] = ()
    percent: bool = False
    names: tuple[str, ...] = ()
    surface: Surface | None = None
    square: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure as data: it is drawn in any width and palette.

    Args:
        title: one sentence, what is seen.
        caption: what bands, bars and dots are, how many seeds, what to look for.
        panels: side by side, or one below the other where there is no room.
    """

    title: str
    caption: str
    panels: tuple[Panel, ...]


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
        """From a mean over seeds."""
        return cls(name, found.value, unit, found.low, found.high, found.seeds)

    @classmethod
    def of_log10(cls, name: str, found: OverSeeds, unit: str = "") -> Number:
        """From a mean of logarithms to base 10: the geometric mean.

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
        values: further numbers by name, for tests.

    Raises:
        ConfigError: without a number or a rule.
    """

    setup: str
    numbers: tuple[Number, ...]
    rules: tuple[Rule, ...]
    explanation: str
    charts: tuple[Chart, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.numbers or not self.rules:
            raise ConfigError("a finding needs at least one number and one rule")

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


def _numbers(values: Any) -> tuple[float, ...]:
    """As floats; what JSON can't hold comes back from there as None."""
    return tuple(nan if value is None else float(value) for value in values)
