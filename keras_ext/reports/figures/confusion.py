"""Which class was taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_ext.records import Mistakes
from keras_ext.reports import text
from keras_ext.reports.figures.canvas import FONT_SIZE, label_axis, new_figure, write
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NUMBERED_CLASSES = 25
MOST_NAMED_CLASSES = 50
LONGEST_NAME = 14


def confusion(mistakes: Mistakes, *, width: float = 6.0, palette: Palette | None = None) -> Figure:
    """A heat map of the errors: true classes as rows, predicted classes as columns.

    Right answers, on the diagonal, are left out: they would outshine what is to be seen.

    >>> counts = ((50, 3), (1, 46))
    >>> axes = confusion(Mistakes(counts, (), ("cat", "dog"))).axes[0]
    >>> [words.get_text() for words in axes.texts]
    ['3', '1']
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.92 * width, palette)
    size = len(mistakes.confusion)
    _cells(axes, mistakes, palette)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    _names(axes, mistakes.classes, palette)
    label_axis(axes.xaxis, "predicted class", palette)
    label_axis(axes.yaxis, "true class", palette)
    return figure


def _cells(axes: Axes, mistakes: Mistakes, palette: Palette) -> None:
    from matplotlib.patches import Rectangle

    size = len(mistakes.confusion)
    off = {
        (row, column): count
        for row, counts in enumerate(mistakes.confusion)
        for column, count in enumerate(counts)
        if row != column and count
    }
    axes.add_patch(Rectangle((-0.5, -0.5), size, size, fc="none", ec=palette.grid, lw=1))
    for index in range(size):
        axes.add_patch(Rectangle((index - 0.5, index - 0.5), 1, 1, fc=palette.grid, alpha=0.6))
    most = max(off.values(), default=1)
    for (row, column), count in off.items():
        shade = 0.12 + 0.48 * count / most
        corner = (column - 0.47, row - 0.47)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fc=palette.mistake, alpha=shade, lw=0))
        if size <= MOST_NUMBERED_CLASSES:
            small = min(FONT_SIZE, 110 / size)
            write(axes, column, row, str(count), palette.ink, ha="center", fontsize=small)


def _names(axes: Axes, classes: tuple[str, ...], palette: Palette) -> None:
    """Class names beside rows and columns, fewer and smaller where there are many."""
    every = max(1, -(-len(classes) // MOST_NAMED_CLASSES))
    places = range(0, len(classes), every)
    names = [short(classes[place]) for place in places]
    size = min(FONT_SIZE, 260 / max(1, len(names)))
    style: dict[str, Any] = {"parse_math": False, "fontsize": size, "color": palette.ink}
    axes.set_yticks(places, names, **style)
    upright = max(map(len, names), default=0) <= 2
    turn: dict[str, Any] = (
        {} if upright else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    )
    axes.set_xticks(places, names, **style, **turn)


def short(name: str) -> str:
    """A class name that fits beside a row.

    >>> short("a very long name of a class")
    'a very long n…'
    """
    name = text.clean(name)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
