"""Cost over learning rate, as a range test saw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from keras_ext.diagnosis.learning_rate_range import smooth
from keras_ext.reports.figures.canvas import label_axis, legend_above, new_figure, write
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOM = 1.5
"""The axis ends at this many times the first cost: what comes after is divergence."""


def learning_rate_range(
    rates: Sequence[float],
    costs: Sequence[float],
    *,
    marks: Mapping[str, float] | None = None,
    span: tuple[float, float] | None = None,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """The cost of each mini-batch and its moving average over a logarithmic learning rate.

    Args:
        rates: rising, one for each mini-batch.
        costs: of each.
        marks: rates to point out, by name.
        span: rates worth trying, drawn as a band.

    >>> axes = learning_rate_range([1e-3, 1e-2, 1e-1], [2.0, 1.0, 9.0], marks={"a": 0.01}).axes[0]
    >>> [text.get_text() for text in axes.texts]
    ['a 0.01']
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.36 * width + 0.7, palette)
    finite = [(rate, cost) for rate, cost in zip(rates, costs, strict=True) if isfinite(cost)]
    shown = [list(column) for column in zip(*finite, strict=True)] or [[], []]
    axes.plot(*shown, color=palette.train, alpha=0.4, lw=0.8, label="each mini-batch")
    smoothed = smooth(costs)
    axes.plot(rates[: len(smoothed)], smoothed, color=palette.train, lw=2, label="moving average")
    axes.set_xscale("log")
    if finite:
        axes.set_ylim(0, ROOM * max(finite[0][1], smoothed[0]) or 1.0)
    if span is not None:
        axes.axvspan(*span, color=palette.optimal, alpha=0.12, lw=0, label="worth trying")
    for place, (name, rate) in enumerate((marks or {}).items()):
        axes.axvline(rate, color=palette.muted, lw=1, dashes=(4, 3))
        spot = (rate, 0.95 - 0.1 * place)
        xycoords = axes.get_xaxis_transform()
        write(axes, *spot, f"{name} {rate:.2g}", palette.ink, indent=4, xycoords=xycoords)
    label_axis(axes.xaxis, "learning rate", palette)
    label_axis(axes.yaxis, "cost", palette)
    legend_above(axes, palette)
    return figure
