"""Frozen records of figures: what to draw, as data that goes to JSON and back."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from math import nan, prod
from typing import Any

import numpy as np

from keras_ext.diagnosis import over_seeds
from keras_ext.errors import ConfigError
from keras_ext.fields import one_of

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
        return cls(name, x, [float(f"{value:.12g}") for value in y], low, high, **how)


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


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Images, each beside its augmented versions.

    Args:
        title: one sentence, what is seen.
        caption: where they are from, what to look for.
        shape: (images, 1 + versions, height, width, channels); the original comes first.
        pixels: of type uint8, in this order, as Base64.

    Raises:
        ConfigError: when these are not so many pixels.
    """

    title: str
    caption: str
    shape: tuple[int, ...]
    pixels: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        count = len(base64.b64decode(self.pixels))
        if len(self.shape) != 5 or count != prod(self.shape):
            raise ConfigError(f"{count} pixels are no pictures of shape {self.shape}")

    @classmethod
    def of(
        cls, originals: np.ndarray, versions: np.ndarray, *, title: str, caption: str
    ) -> Pictures:
        """From arrays.

        Args:
            originals: uint8 of shape (images, height, width, channels).
            versions: of shape (images, versions, height, width, channels), from 0 to 255.
            title: see the class.
            caption: see the class.

        >>> gray = np.full((1, 2, 2, 1), 7, "uint8")
        >>> found = Pictures.of(gray, gray[:, None] + 1.2, title="", caption="")
        >>> [int(each.max()) for each in found.arrays()]
        [7, 8]
        """
        rounded = np.rint(np.asarray(versions, "float64")).clip(0, 255).astype("uint8")
        both = np.concatenate([originals[:, None], rounded], axis=1)
        pixels = base64.b64encode(both.tobytes()).decode()
        return cls(title=title, caption=caption, shape=both.shape, pixels=pixels)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The originals and the versions."""
        both = np.frombuffer(base64.b64decode(self.pixels), "uint8").reshape(self.shape)
        return both[:, 0], both[:, 1:]


def _numbers(values: Any) -> tuple[float, ...]:
    """As floats; what JSON can't hold comes back from there as None."""
    return tuple(nan if value is None else float(value) for value in values)
