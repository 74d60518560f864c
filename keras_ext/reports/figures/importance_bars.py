"""How much each hyperparameter explains of the differences between trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_ext.reports.figures.canvas import new_figure, write
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def importance_bars(
    names: Sequence[str],
    shares: Sequence[float],
    *,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """A bar a hyperparameter, the longest on top.

    Args:
        names: of the hyperparameters, in the order to show them.
        shares: from 0 to 1, of each.

    >>> [float(bar.get_width()) for bar in importance_bars(["units"], [0.25]).axes[0].patches]
    [25.0]
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.34 * len(names) + 0.6, palette)
    axes.grid(False)
    rows = range(len(names))
    axes.barh(rows, [100 * share for share in shares], color=palette.train, height=0.55)
    for row, share in zip(rows, shares, strict=True):
        write(axes, 100 * share, row, f"{100 * share:.0f} %", palette.muted, indent=6)
    axes.set_yticks(rows, labels=list(names), parse_math=False)
    axes.tick_params(axis="y", labelcolor=palette.ink)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.invert_yaxis()
    axes.set_xlim(0, max(20.0, 115 * max(shares, default=0.0)))
    return figure
