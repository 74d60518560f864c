"""Every figure that a result has data for, as SVG for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from keras_ext.errors import MissingExtraError
from keras_ext.records import RunResult
from keras_ext.reports import figures, story
from keras_ext.reports.pictures import thinned
from keras_ext.reports.svg import inline_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing = tuple[str, str, Callable[..., "Figure"]]
"""The name of a figure, its title, and what draws it in a width and a palette."""

# In inches: the one for screens and paper, the other for phones.
WIDTHS = {"wide": 9.6, "narrow": 4.3}
# Of an image in the grid, in pixels: a page has many.
LONGEST_SIDE = 96
# Of the wide width, for a figure that shares its row with a list.
SHARES = {"confusion": 0.56}


def drawings(result: RunResult) -> dict[str, dict[str, str]]:
    """SVG by name of the figure ("curves", "bars", "costs" ...) and name of the width.

    The reader's own matplotlib settings have no say in it.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    return drawn(_figures(result))


def drawn(wanted: Iterable[Drawing]) -> dict[str, dict[str, str]]:
    """SVG by name of the figure and name of the width, from names, titles and what draws them.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    try:
        import matplotlib.style
    except ImportError as error:
        raise MissingExtraError("matplotlib", extra="reports") from error
    with matplotlib.style.context("default"):
        return {name: sizes(name, title, draw) for name, title, draw in wanted}


def _figures(result: RunResult) -> Iterator[Drawing]:
    """Name, title and what draws it."""
    percent = story.in_percent(result)
    if result.history:
        optimal = result.diagnosis.optimal_error
        curves = partial(figures.learning_curves, result.history, optimal_error=optimal)
        yield "curves", "Train and validation error by epoch", partial(curves, proportion=percent)
    if result.rounds:
        bars = partial(figures.round_bars, result.rounds, proportion=percent)
        yield "bars", "Optimal error, avoidable bias and variance of each round", bars
    if any(result.iteration_costs):
        costs = partial(figures.iteration_costs, result.iteration_costs)
        yield "costs", "Cost of each iteration of the first epochs", costs
    if result.augmented is not None:
        pairs = (
            thinned(images, LONGEST_SIDE)
            for images in (result.augmented.originals, result.augmented.versions)
        )
        grid = partial(figures.augmented_images, *pairs)
        yield "augmented", "Training images and their augmented versions", grid
    if result.mistakes is not None:
        confusion = partial(figures.confusion, result.mistakes)
        yield "confusion", "How often each class was taken for another", confusion


def sizes(name: str, title: str, draw: Callable[..., Figure]) -> dict[str, str]:
    """One figure as SVG by name of the width.

    Args:
        name: of the figure, for its ids.
        title: for those who can't see it.
        draw: takes ``width`` and ``palette``.
    """
    palette = figures.Palette.placeholders()
    found = {}
    for size, width in WIDTHS.items():
        share = SHARES.get(name, 1.0) if size == "wide" else 1.0
        figure = draw(width=share * width, palette=palette)
        found[size] = inline_svg(figure, name=f"{name}-{size}", title=title)
    return found
