"""A chart that a record describes: lines with intervals, points, rows, contours."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_ext.chart_records import Chart, Line, Panel, Surface
from keras_ext.reports.figures.canvas import (
    FONT_SIZE,
    NARROW,
    errors_on,
    label_axis,
    new_figure,
    style_axes,
)
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLORS = ("train", "validation", "optimal", "train_validation", "mistake", "muted")
MOST_ACROSS = 3
ROW = 0.36
"""Inches, of a panel whose rows have names."""
LETTER = 0.078
"""Inches: about the width of a letter, to see how many entries of a legend fit in a line."""
MOST_MARKED = 12
FEW_POWERS, PLAIN = 100, (1e-3, 1e5)
"""Logarithmic axes of fewer powers of ten, within these limits, show numbers as they are."""


def chart(data: Chart, *, width: float = 8.0, palette: Palette | None = None) -> Figure:
    """All panels of a chart: side by side, up to three, or one below the other on a phone.

    Args:
        data: what to draw.

    >>> panel = Panel(x_label="epoch", y_label="cost", lines=(Line("train", [0, 1], [2, 1]),))
    >>> axes = chart(Chart(title="", caption="", panels=(panel,))).axes[0]
    >>> [line.get_label() for line in axes.lines], axes.get_xlabel()
    (['train'], 'epoch')
    """
    palette = palette or Palette()
    count = len(data.panels)
    down = count if width <= NARROW else -(-count // MOST_ACROSS)
    across = -(-count // down)
    each = width / across
    rows = [data.panels[n * across : (n + 1) * across] for n in range(down)]
    heights = [max(_height(panel, each) for panel in row) for row in rows]
    figure, first = new_figure(width, sum(heights), palette)
    first.remove()
    grid = figure.add_gridspec(down, across, height_ratios=heights)
    for number, panel in enumerate(data.panels):
        axes = figure.add_subplot(grid[divmod(number, across)])
        style_axes(axes, palette)
        axes.tick_params(which="minor", colors=palette.muted, labelsize=FONT_SIZE, length=0)
        _draw(axes, panel, each, palette)
    return figure


def _height(panel: Panel, width: float) -> float:
    """Inches, with room for labels, title and legend."""
    legend = _legend_rows(panel, width) * 0.22 + (0.28 if panel.title else 0.0)
    if panel.names:
        return ROW * len(panel.names) + 0.75 + legend
    shape = _square(panel) if panel.square else 0.62 if width <= NARROW else 0.4
    return shape * width + 0.35 + legend


def _square(panel: Panel) -> float:
    """Height over width of axes with equal units, as far as the surface tells."""
    if panel.surface is None:
        return 0.9
    x, y = (max(axis) - min(axis) for axis in (panel.surface.x, panel.surface.y))
    return float(min(1.2, 0.9 * y / x))


def _draw(axes: Axes, panel: Panel, width: float, palette: Palette) -> None:
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    if panel.surface is not None:
        _contours(axes, panel.surface, palette)
    colors = cycle(COLORS)
    for line in panel.lines:
        color = getattr(palette, line.color or next(colors))
        if panel.names:
            _row_points(axes, line, color)
        else:
            _line(axes, line, color)
    if panel.names:
        _name_rows(axes, panel, palette)
    elif panel.percent:
        errors_on(axes.yaxis, proportion=True)
    if panel.x_limits:
        axes.set_xlim(*panel.x_limits)
    if panel.y_limits:
        axes.set_ylim(*panel.y_limits)
    if panel.square:
        axes.set_aspect("equal")
    label_axis(axes.xaxis, panel.x_label, palette)
    label_axis(axes.yaxis, panel.y_label, palette)
    _head(axes, panel, width, palette)
    _fewer_ticks(axes, panel)


def _line(axes: Axes, line: Line, color: str) -> None:
    x, y, low, high = _finite(line)
    style: dict[str, Any] = {"color": color, "label": line.name or None}
    if line.kind == "points":
        if len(low):
            axes.vlines(x, low, high, color=color, alpha=0.4, lw=4)
        axes.plot(x, y, "o", ms=4.5, **style)
        return
    if len(low):
        axes.fill_between(x, low, high, color=color, alpha=0.16, lw=0)
    if line.kind == "dashed":
        axes.plot(x, y, lw=1.6, dashes=(5, 3), **style)
    else:
        path = line.kind == "path"
        marker = "o" if path or len(x) <= MOST_MARKED else ""
        axes.plot(x, y, lw=1.4 if path else 2, marker=marker, ms=3.5, **style)


def _row_points(axes: Axes, line: Line, color: str) -> None:
    """Values along the horizontal axis, each with its interval as a bar."""
    rows, values, low, high = _finite(line)
    if line.kind == "dashed":
        axes.plot(values, rows, color=color, lw=1.6, dashes=(5, 3), label=line.name or None)
        return
    if len(low):
        axes.hlines(rows, low, high, color=color, alpha=0.35, lw=6)
    axes.plot(values, rows, "o", color=color, ms=6, label=line.name or None)


def _name_rows(axes: Axes, panel: Panel, palette: Palette) -> None:
    axes.set_yticks(range(len(panel.names)), labels=list(panel.names), parse_math=False)
    axes.tick_params(axis="y", labelcolor=palette.ink)
    axes.set_ylim(len(panel.names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=palette.grid, linewidth=0.8)
    if panel.percent:
        errors_on(axes.xaxis, proportion=True)


def _contours(axes: Axes, surface: Surface, palette: Palette) -> None:
    z = np.asarray(surface.z)
    x, y = np.asarray(surface.x), np.asarray(surface.y)
    if surface.regions:
        (level,) = surface.levels
        ends = [min(z.min(), level) - 1, level, max(z.max(), level) + 1]
        axes.contourf(x, y, z, levels=ends, colors=[palette.train, palette.validation], alpha=0.14)
        axes.contour(x, y, z, levels=[level], colors=[palette.ink], linewidths=1.6)
    else:
        axes.contour(x, y, z, levels=list(surface.levels), colors=[palette.muted], linewidths=0.9)
    axes.grid(False)


def _head(axes: Axes, panel: Panel, width: float, palette: Palette) -> None:
    """The title, and below it the legend, above the axes."""
    handles, labels = axes.get_legend_handles_labels()
    bold: dict[str, Any] = {"color": palette.ink, "fontsize": FONT_SIZE, "fontweight": "bold"}
    bold["parse_math"] = False
    if not handles:
        axes.set_title(panel.title, loc="left", **bold)
        return
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=_columns(labels, width),
        title=panel.title or None,
        alignment="left",
        frameon=False,
        fontsize=FONT_SIZE,
        labelcolor=palette.ink,
        handlelength=1.4,
        columnspacing=1.4,
        borderpad=0.0,
        borderaxespad=0.3,
    )
    legend.get_title().set(**bold)
    for words in legend.get_texts():
        words.set_parse_math(False)


def _columns(labels: list[str], width: float) -> int:
    longest = max(len(label) for label in labels)
    return max(1, min(len(labels), int((width - 0.7) / (longest * LETTER + 0.42))))


def _legend_rows(panel: Panel, width: float) -> int:
    names = [line.name for line in panel.lines if line.name]
    return -(-len(names) // _columns(names, width)) if names else 0


def _fewer_ticks(axes: Axes, panel: Panel) -> None:
    """Few enough numbers that they don't touch on a phone; whole ones for epochs and layers."""
    if panel.log_x:
        _plain_logarithms(axes.xaxis)
    else:
        whole = not panel.names and all(x == round(x) for line in panel.lines for x in line.x)
        axes.locator_params(axis="x", nbins=5, integer=whole and panel.surface is None)
    if panel.log_y and not panel.percent:
        _plain_logarithms(axes.yaxis)
    elif not panel.log_y and not panel.names:
        axes.locator_params(axis="y", nbins=6)


def _plain_logarithms(axis: Axis) -> None:
    """1, 2 and 5 of each power of ten, written out, where an axis has few powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    if high / low < FEW_POWERS and PLAIN[0] < low and high < PLAIN[1]:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _finite(line: Line) -> list[np.ndarray]:
    """x, y and limits of the points that can be drawn."""
    x, y = np.asarray(line.x), np.asarray(line.y)
    kept = np.isfinite(x) & np.isfinite(y)
    limits = (np.asarray(line.low), np.asarray(line.high))
    return [part[kept] if len(part) else part for part in (x, y, *limits)]
