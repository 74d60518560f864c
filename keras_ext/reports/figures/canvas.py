"""Empty axes in the house style, and the few things that all figures put on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_ext.errors import MissingExtraError
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text

FONT_SIZE = 10.0
# Inches; figures up to this width say less.
NARROW = 5.5


def new_figure(width: float, height: float, palette: Palette) -> tuple[Figure, Axes]:
    """One pair of axes, transparent and quiet, of the given size in inches.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", extra="reports") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes = figure.add_subplot()
    style_axes(axes, palette)
    return figure, axes


def style_axes(axes: Axes, palette: Palette) -> None:
    """Make axes transparent and quiet."""
    axes.patch.set_alpha(0.0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)
    axes.tick_params(colors=palette.muted, labelsize=FONT_SIZE, length=0, pad=6)
    axes.grid(True, axis="y", color=palette.grid, linewidth=0.8)
    axes.set_axisbelow(True)


def write(
    axes: Axes, x: float, y: float, words: str, color: str, *, indent: float = 0.0, **style: Any
) -> Text:
    """Text ``indent`` points right of a place, never a formula, and without a say in the layout."""
    house: dict[str, Any] = {"fontsize": FONT_SIZE, "va": "center", "in_layout": False}
    return axes.annotate(
        words,
        (x, y),
        xytext=(indent, 0),
        textcoords="offset points",
        color=color,
        parse_math=False,
        **(house | style),
    )


def label_axis(axis: Axis, words: str, palette: Palette) -> None:
    """Name an axis."""
    axis.set_label_text(words, color=palette.muted, fontsize=FONT_SIZE)


def legend_above(axes: Axes, palette: Palette) -> None:
    """All labelled artists in one row above the axes."""
    handles, _ = axes.get_legend_handles_labels()
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        ncols=max(1, len(handles)),
        frameon=False,
        fontsize=FONT_SIZE,
        labelcolor=palette.ink,
        handlelength=1.6,
        columnspacing=1.6,
        borderpad=0.0,
    )


def errors_on(axis: Axis, *, proportion: bool) -> None:
    """Write the ticks of an axis in percent, or as plain numbers."""
    axis.set_major_formatter(
        (lambda value, _: f"{100 * value:.4g} %")
        if proportion
        else (lambda value, _: f"{value:.4g}")
    )
