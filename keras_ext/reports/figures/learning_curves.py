"""Both errors by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, inf, isfinite, log10, nan
from typing import TYPE_CHECKING

from keras_ext.reports.figures.canvas import errors_on, label_axis, legend_above, new_figure
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_MARKED_EPOCHS = 25
LOG_FROM_RATIO = 8.0


def learning_curves(
    history: Sequence[Mapping[str, float]],
    *,
    optimal_error: float | None = None,
    proportion: bool = True,
    width: float = 8.0,
    palette: Palette | None = None,
) -> Figure:
    """Train and validation error by epoch, with their intervals as bands.

    Args:
        history: one mapping an epoch with "epoch" (from 0, drawn from 1), "train_error" and
            "validation_error", and "train_validation_error" where there is one; for the bands
            "train_low", "train_high", "validation_low" and so on; where not every epoch was
            measured, "measured_epoch", which stays as it was in the others.
        optimal_error: drawn as a line.
        proportion: whether the errors are fractions, to be shown in percent.

    >>> errors = {0: (0.1, 0.2), 1: (0.05, 0.1), 2: (0.03, 0.07)}
    >>> rows = [
    ...     {"epoch": epoch, "train_error": train, "validation_error": validation}
    ...     for epoch, (train, validation) in errors.items()
    ... ]
    >>> axes = learning_curves(rows, optimal_error=0.01).axes[0]
    >>> [line.get_label() for line in axes.lines]
    ['train', 'validation', 'optimal']
    """
    palette = palette or Palette()
    figure, axes = new_figure(width, 0.4 * width + 0.7, palette)
    curves = [Curve.of(history, split) for split in ("train", "validation")]
    between = Curve.of(history, "train_validation")
    curves[1:1] = [between] if between.epoch else []
    for curve in curves:
        _draw(axes, curve, getattr(palette, curve.name))
    if optimal_error is not None:
        axes.axhline(optimal_error, label="optimal", color=palette.optimal, lw=1.6, dashes=(5, 3))
    errors = [error for curve in curves for error in curve.error if isfinite(error)]
    limits = [limit for curve in curves for limit in (*curve.low, *curve.high) if isfinite(limit)]
    _scale(axes, [*errors, *([] if optimal_error is None else [optimal_error])], limits)
    epochs = [epoch for curve in curves for epoch in curve.epoch]
    if len(set(epochs)) == 1:
        axes.set_xlim(epochs[0] - 0.9, epochs[0] + 0.9)
    errors_on(axes.yaxis, proportion=proportion)
    label_axis(axes.yaxis, "error", palette)
    label_axis(axes.xaxis, "epoch", palette)
    legend_above(axes, palette)
    return figure


@dataclass(frozen=True)
class Curve:
    """One error where it was measured, by epoch from 1; each list of shape (measurements,)."""

    name: str
    epoch: list[float]
    error: list[float]
    low: list[float]
    high: list[float]

    @classmethod
    def of(cls, history: Sequence[Mapping[str, float]], name: str) -> Curve:
        """The rows of ``history`` in which the error of this name was measured anew.

        >>> row = {"epoch": 0, "train_error": 0.2, "measured_epoch": 0}
        >>> Curve.of([row, {**row, "epoch": 1}], "train").epoch
        [1]
        """
        rows, last = [], None
        for row in history:
            measured = row.get("measured_epoch")
            if f"{name}_error" in row and (measured is None or measured != last):
                rows.append(row)
            last = measured
        columns = [f"{name}_error", f"{name}_low", f"{name}_high"]
        values = [[_finite(row.get(column, nan)) for row in rows] for column in columns]
        return cls(name, [row["epoch"] + 1 for row in rows], *values)


def _finite(value: float) -> float:
    return value if isfinite(value) else nan


def _draw(axes: Axes, curve: Curve, color: str) -> None:
    axes.fill_between(curve.epoch, curve.low, curve.high, color=color, alpha=0.16, lw=0)
    if len(curve.epoch) == 1:
        # A band of a single epoch has no width.
        axes.vlines(curve.epoch, curve.low, curve.high, color=color, alpha=0.3, lw=6)
    few = len(curve.epoch) <= MOST_MARKED_EPOCHS
    axes.plot(
        curve.epoch,
        curve.error,
        color=color,
        lw=2,
        label=curve.name.replace("_", "-"),
        marker="o" if few else None,
        ms=4,
    )


def _scale(axes: Axes, errors: Sequence[float], limits: Sequence[float]) -> None:
    """A scale of ratios where errors shrink a lot; it keeps a place for 0 if one gets there."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    positive = [error for error in errors if error > 0]
    least, most = min(positive, default=inf), max(positive, default=0.0)
    top = max([*positive, *limits], default=0.0)
    if most < LOG_FROM_RATIO * least:
        axes.set_ylim(bottom=0, top=1.1 * top or 1.0)
    elif len(positive) == len(errors):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bottom = min([least, *(limit for limit in limits if limit > least / 4)])
        axes.set_ylim(0.8 * bottom, 1.2 * top)
    else:
        axes.set_yscale("symlog", linthresh=least, linscale=0.3)
        axes.yaxis.set_major_locator(FixedLocator([0.0, *_one_two_five(least, top)]))
        axes.set_ylim(-0.25 * least, 1.2 * top)
    axes.yaxis.set_minor_locator(NullLocator())


def _one_two_five(least: float, most: float) -> list[float]:
    """Every 1, 2 and 5 times a power of ten between the limits.

    >>> _one_two_five(0.004, 0.03)
    [0.005, 0.01, 0.02]
    """
    powers = range(floor(log10(least)), floor(log10(most)) + 1)
    values = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [value for value in values if least <= value <= most]
