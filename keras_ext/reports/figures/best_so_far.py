"""The best error so far, over trials or over time."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from keras_ext.reports.figures.canvas import errors_on, label_axis, legend_above, new_figure
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def best_so_far(
    errors: Sequence[float],
    *,
    seconds: Sequence[float] | None = None,
    proportion: bool = True,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """The error of each trial as a dot, and the lowest so far as a line.

    Args:
        errors: of each trial in order; infinite for one that failed, drawn as a cross on top.
        seconds: of each trial: the figure is over time then.
        proportion: whether the errors are fractions, to be shown in percent.

    >>> axes = best_so_far([0.3, float("inf"), 0.1]).axes[0]
    >>> [float(y) for y in axes.lines[0].get_ydata()]
    [0.3, 0.3, 0.1]
    """
    from matplotlib.ticker import MaxNLocator

    palette = palette or Palette()
    figure, axes = new_figure(width, 0.36 * width + 0.7, palette)
    at, clock = [], 0.0
    for number in range(len(errors)):
        clock += seconds[number] if seconds is not None else 1.0
        at.append(clock)
    lowest, so_far = float("inf"), []
    for error in errors:
        lowest = min(lowest, error if isfinite(error) else lowest)
        so_far.append(lowest if isfinite(lowest) else float("nan"))
    axes.plot(
        at, so_far, drawstyle="steps-post", color=palette.validation, lw=2, label="best so far"
    )
    done = [(x, y) for x, y in zip(at, errors, strict=True) if isfinite(y)]
    if done:
        axes.plot(*zip(*done, strict=True), "o", ms=4.5, color=palette.muted, label="each trial")
    _scale(axes, [y for _, y in done])
    failed = [x for x, y in zip(at, errors, strict=True) if not isfinite(y)]
    if failed:
        top = axes.get_ylim()[1]
        axes.plot(failed, [top] * len(failed), "x", color=palette.mistake, label="failed", ms=6)
    errors_on(axes.yaxis, proportion=proportion)
    label_axis(axes.yaxis, "validation error", palette)
    label_axis(axes.xaxis, "trial" if seconds is None else "seconds", palette)
    if seconds is None:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    legend_above(axes, palette)
    return figure


def _scale(axes: Any, errors: Sequence[float]) -> None:
    """A scale of ratios where errors differ a lot."""
    from matplotlib.ticker import LogLocator, NullLocator

    positive = [error for error in errors if error > 0]
    if positive and len(positive) == len(errors) and max(positive) > 4 * min(positive):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
