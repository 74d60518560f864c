"""The cost of each iteration."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from keras_ext.diagnosis.moving_average import moving_average
from keras_ext.reports.figures.canvas import (
    NARROW,
    label_axis,
    legend_above,
    new_figure,
    write,
)
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_FROM_RATIO = 5.0


def iteration_costs(
    costs: Sequence[Sequence[float]],
    *,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """The cost of each iteration of the first epochs: mini-batch noise and what lies under it.

    Args:
        costs: for each epoch the un-regularized cost of each iteration.

    >>> axes = iteration_costs([[2.3, 1.9, 2.0], [1.2, 1.4, 1.1]]).axes[0]
    >>> [len(line.get_xdata()) for line in axes.lines][:2]
    [6, 6]
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.36 * width + 0.7, palette)
    flat = [cost if isfinite(cost) else nan for epoch in costs for cost in epoch]
    over = max(2, round(len(costs[0]) / 20)) if costs else 2
    steps = range(1, len(flat) + 1)
    axes.plot(steps, flat, color=palette.train, alpha=0.4, lw=0.8, label="each mini-batch")
    label = "moving average" + (f" (about {over} iterations)" if width > NARROW else "")
    axes.plot(steps, moving_average(flat, over), color=palette.train, lw=2, label=label)
    _scale(axes, flat)
    _mark_epochs(axes, costs, palette)
    label_axis(axes.xaxis, "iteration", palette)
    label_axis(axes.yaxis, "cost", palette)
    legend_above(axes, palette)
    return figure


def _scale(axes: Axes, costs: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    finite = [cost for cost in costs if isfinite(cost)]
    if finite and min(finite) > 0 and max(finite) > LOG_FROM_RATIO * min(finite):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}")


def _mark_epochs(axes: Axes, costs: Sequence[Sequence[float]], palette: Palette) -> None:
    """A line between epochs, and the number of each above."""
    axes.set_xlim(0, max(2, sum(map(len, costs)) + 1))
    first = 1
    for number, epoch in enumerate(costs, start=1):
        if number > 1:
            axes.axvline(first - 0.5, color=palette.muted, lw=0.8, dashes=(2, 3))
        place = (first + len(epoch) / 2, 0.95)
        above: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "ha": "center"}
        write(axes, *place, f"epoch {number}", palette.muted, **above)
        first += len(epoch)
