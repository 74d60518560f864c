"""Bias and variance, round by round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_ext.diagnosis import Gap
from keras_ext.records import Round
from keras_ext.reports import text
from keras_ext.reports.figures.canvas import (
    FONT_SIZE,
    NARROW,
    errors_on,
    label_axis,
    new_figure,
    write,
)
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OPACITY = {"present": 1.0, "inconclusive": 0.5, "absent": 0.22}
ROUND_HEIGHT = 4.2
NOTE_SIZE = FONT_SIZE - 1
# Width of a letter as a share of the font size, a little more than most need.
LETTER = 0.6
BOLD_LETTER = 0.66


def round_bars(
    rounds: Sequence[Round],
    *,
    proportion: bool = True,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """Optimal error, avoidable bias and variance of each round, and the knob turned before it.

    The bars of a round follow each other like stairs: from 0 to the optimal error, from there to
    the train error, from there to the validation error. A whisker is the interval of the gap; a
    bar is solid where the gap is present, lighter where that is inconclusive, pale where it is
    absent.

    Args:
        rounds: in the order in which they were trained.
        proportion: whether the errors are fractions, to be shown in percent.
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.6 + 0.98 * len(rounds), palette)
    brief = width <= NARROW
    groups = [_stairs(item, proportion=proportion, brief=brief) for item in rounds]
    for index, (item, stairs) in enumerate(zip(rounds, groups, strict=True)):
        _title(axes, ROUND_HEIGHT * index, index + 1, item, palette, width=width)
        for row, stair in enumerate(stairs, start=1):
            _draw(axes, ROUND_HEIGHT * index + 0.95 * row, stair, palette)
    axes.set_ylim(ROUND_HEIGHT * len(rounds) - 0.4, -0.7)
    axes.set_xlim(*_limits([stair for stairs in groups for stair in stairs], width))
    axes.set_yticks([])
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=palette.grid, lw=0.8)
    errors_on(axes.xaxis, proportion=proportion)
    label_axis(axes.xaxis, "error", palette)
    return figure


def _title(
    axes: Axes, top: float, number: int, item: Round, palette: Palette, *, width: float
) -> None:
    """The number of the round, and in the gap between two rounds the knob that was turned."""
    words = f"Round {number} \u00b7 {text.turned(item)}"
    if item.knob is not None:
        words += f" \u00b7 {text.outcome(item)}"
    style: dict[str, Any] = {
        "xycoords": axes.get_yaxis_transform(),
        "fontweight": "bold",
        "fontsize": min(FONT_SIZE, 72 * width / (BOLD_LETTER * len(words))),
    }
    write(axes, 0.0, top, words, palette.ink if item.kept else palette.muted, **style)


@dataclass(frozen=True)
class Stair:
    """One bar: where it starts, how far it goes, and the words beside it."""

    base: float
    gap: Gap
    note: str
    role: str

    @property
    def right(self) -> float:
        """Where bar and whisker are over."""
        return self.base + max(self.gap.high, self.gap.value, 0.0)


def _stairs(item: Round, *, proportion: bool, brief: bool) -> tuple[Stair, ...]:
    """The three bars of a round; the optimal error counts as known, without an interval."""
    optimal, diagnosis = item.diagnosis.optimal_error, item.diagnosis
    bias, variance = diagnosis.avoidable_bias, diagnosis.variance

    def words(name: str, gap: Gap) -> str:
        note = f"{name} {text.difference(gap.value, proportion=proportion)}"
        return note if brief else f"{note}, {gap.verdict}"

    floor = f"optimal error {text.number(optimal, proportion=proportion)}"
    return (
        Stair(0.0, Gap(optimal, optimal, optimal, "present"), floor, "optimal"),
        Stair(optimal, bias, words("avoidable bias", bias), "train"),
        Stair(item.train.error, variance, words("variance", variance), "validation"),
    )


def _draw(axes: Axes, y: float, stair: Stair, palette: Palette) -> None:
    base, gap = stair.base, stair.gap
    shade = {"color": getattr(palette, stair.role), "alpha": OPACITY[gap.verdict]}
    axes.barh(y, gap.value, left=base, height=0.62, **shade)
    if stair.role != "optimal":
        axes.plot([base, base], [y - 0.64, y + 0.31], color=palette.muted, lw=0.8)
        axes.plot([base + gap.low, base + gap.high], [y, y], color=palette.ink, lw=1.3)
        for end in (gap.low, gap.high):
            axes.plot([base + end] * 2, [y - 0.13, y + 0.13], color=palette.ink, lw=1.3)
    write(axes, stair.right, y, stair.note, palette.muted, indent=7, fontsize=NOTE_SIZE)


def _limits(stairs: Sequence[Stair], width: float) -> tuple[float, float]:
    """All bars, and room at the right for the words beside them."""
    left = min([0.0, *(stair.base + min(stair.gap.low, stair.gap.value) for stair in stairs)])
    right = left
    for stair in stairs:
        words = (LETTER * NOTE_SIZE * len(stair.note) + 12) / (72 * width)
        right = max(right, left + (stair.right - left) / (1 - min(words, 0.75)))
    return left, right if right > left else left + 1.0
