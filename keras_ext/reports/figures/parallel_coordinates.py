"""Every trial as a line through its hyperparameters, the best ones in colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_ext.reports.figures.canvas import FONT_SIZE, NARROW, new_figure, write
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEST_SHARE = 0.2


def parallel_coordinates(
    names: Sequence[str],
    places: Sequence[Sequence[float | None]],
    ends: Sequence[tuple[str, str]],
    *,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """One upright axis a hyperparameter, from its lowest value at the bottom to its highest.

    Args:
        names: of the hyperparameters.
        places: of each trial, the best first: one number from 0 to 1 a hyperparameter, None where
            it did not matter.
        ends: the lowest and the highest value of each hyperparameter, in words.

    >>> figure = parallel_coordinates(["a", "b"], [[0, 1], [1, 0.5]], [("1", "2"), ("3", "4")])
    >>> len(figure.axes[0].lines)
    4
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.34 * width + 1.2, palette)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    best = max(1, round(BEST_SHARE * len(places)))
    for number in reversed(range(len(places))):
        points = [(x, y) for x, y in enumerate(places[number]) if y is not None]
        good = number < best
        axes.plot(
            *zip(*points, strict=True),
            color=palette.validation if good else palette.muted,
            alpha=0.9 if good else 0.22,
            lw=1.8 if number == 0 else 1.1,
            marker="o" if number == 0 else None,
            ms=4,
            zorder=3 if good else 2,
        )
    for x, (low, high) in enumerate(ends):
        axes.plot([x, x], [0, 1], color=palette.grid, lw=1.2, zorder=1)
        write(axes, x, -0.06, low, palette.muted, ha="center", va="top", fontsize=FONT_SIZE - 1)
        write(axes, x, 1.06, high, palette.muted, ha="center", va="bottom", fontsize=FONT_SIZE - 1)
    axes.set_yticks([])
    axes.set_ylim(-0.2, 1.2)
    axes.set_xlim(-0.4, len(names) - 0.6)
    axes.set_xticks(range(len(names)), labels=list(names), parse_math=False)
    if width < NARROW:
        axes.tick_params(axis="x", labelrotation=30)
    return figure
