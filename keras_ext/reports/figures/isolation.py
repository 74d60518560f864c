"""Each hyperparameter by itself: every trial, and the best over all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from keras_ext.reports.figures.canvas import FONT_SIZE, NARROW, errors_on, label_axis, new_figure
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARTS = 6


@dataclass(frozen=True)
class Isolated:
    """One hyperparameter.

    Args:
        name: of it.
        places: of each trial, from 0 to 1 on its scale.
        errors: of each trial.
        ticks: places with the words that stand there.
    """

    name: str
    places: Sequence[float]
    errors: Sequence[float]
    ticks: Sequence[tuple[float, str]]


def isolation(
    knobs: Sequence[Isolated],
    *,
    proportion: bool = True,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """One small figure a hyperparameter; the line is the lowest error in each part of its range.

    What the others were doesn't show, so the upper dots say nothing: look at the lower edge.
    (Godbole et al. 2023, Deep Learning Tuning Playbook, "isolation plots".)

    >>> figure = isolation([Isolated("units", [0, 1], [0.2, 0.1], [(0, "16"), (1, "32")])])
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['units']
    """
    palette = palette or Palette()
    columns = min(len(knobs), 1 if width < NARROW else 3)
    rows = ceil(len(knobs) / columns)
    figure, axes = new_figure(width, rows * (1.9 if width >= NARROW else 2.1), palette)
    axes.remove()
    grid = figure.add_gridspec(rows, columns)
    for number, knob in enumerate(knobs):
        row, column = divmod(number, columns)
        part = figure.add_subplot(grid[row, column])
        _style(part, palette)
        part.set_title(
            knob.name, loc="left", color=palette.ink, fontsize=FONT_SIZE, parse_math=False
        )
        part.plot(knob.places, knob.errors, "o", ms=3.5, color=palette.muted, alpha=0.7)
        lowest = _lowest(knob.places, knob.errors)
        part.plot(*zip(*lowest, strict=True), "-", color=palette.validation, lw=2)
        part.set_xlim(-0.06, 1.06)
        labels = [words for _, words in knob.ticks]
        part.set_xticks([place for place, _ in knob.ticks], labels=labels, parse_math=False)
        if max(knob.errors) > 4 * max(min(knob.errors), 1e-6) and min(knob.errors) > 0:
            part.set_yscale("log")
            _few_ticks(part)
        errors_on(part.yaxis, proportion=proportion)
        if column == 0:
            label_axis(part.yaxis, "validation error", palette)
    return figure


def _lowest(places: Sequence[float], errors: Sequence[float]) -> list[tuple[float, float]]:
    """The best trial of each part of the range that has any, in the order of their places."""
    best: dict[int, tuple[float, float]] = {}
    for place, error in zip(places, errors, strict=True):
        part = min(PARTS - 1, int(place * PARTS))
        if part not in best or error < best[part][1]:
            best[part] = (place, error)
    return [best[part] for part in sorted(best)]


def _style(axes: Any, palette: Palette) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)
    axes.patch.set_alpha(0.0)
    axes.tick_params(colors=palette.muted, labelsize=FONT_SIZE - 1, length=0, pad=5)
    axes.grid(True, axis="y", color=palette.grid, linewidth=0.8)
    axes.set_axisbelow(True)


def _few_ticks(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
