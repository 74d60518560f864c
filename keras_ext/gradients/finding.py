"""What a set of slopes says about one variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_ext.gradients.precision import Precision
from keras_ext.gradients.slope import AGREES, DIFFERS, KINK, NOT_FINITE, Slope

SURELY = 1e-2
"""A difference this large that shows in every direction needs no element as a witness."""


@dataclass(frozen=True)
class Finding:
    """What was found out about one variable.

    Args:
        status: "ok", "suspect", "wrong", "kink", "untested" or "not finite".
        relative_error: of the slopes measured; where an element was found to be off, of it.
        index: of the worst element in the flat variable, None where only directions were measured.
        analytic: slope by backpropagation, along the element or the worst direction.
        numeric: the same by central differences.
        precision: that this variable could be judged with; None where the cost is not finite.
        slopes: those measured over the whole variable, for the global figure.
    """

    status: str
    relative_error: float
    index: int | None
    analytic: float
    numeric: float
    precision: Precision | None
    slopes: tuple[Slope, ...] = ()


def element_off(
    slope: Slope, index: int, precision: Precision, slopes: tuple[Slope, ...]
) -> Finding:
    """One element differs."""
    status = "wrong" if slope.relative_error >= precision.wrong else "suspect"
    error = slope.relative_error
    return Finding(status, error, index, slope.analytic, slope.numeric, precision, slopes)


def directions_off(slopes: tuple[Slope, ...], worst: Slope, precision: Precision) -> Finding:
    """Directions differ, but no element could be named."""
    everywhere = all(slope.verdict == DIFFERS for slope in slopes)
    status = "wrong" if everywhere and norm_error(slopes) > SURELY else "suspect"
    error = worst.relative_error
    return Finding(status, error, None, worst.analytic, worst.numeric, precision, slopes)


def nothing_off(
    slopes: tuple[Slope, ...], worst: Slope, index: int | None, precision: Precision
) -> Finding:
    """No slope differs. One direction that agrees is enough: a wrong element shows in all."""
    verdicts = {slope.verdict for slope in slopes}
    if NOT_FINITE in verdicts:
        status = NOT_FINITE
    elif AGREES in verdicts:
        status = "ok"
    else:
        status = "kink" if KINK in verdicts else "untested"
    error = norm_error(slopes)
    return Finding(status, error, index, worst.analytic, worst.numeric, precision, slopes)


def not_finite(
    index: int | None = None, analytic: float = math.nan, precision: Precision | None = None
) -> Finding:
    """The cost, or the gradient at the element ``index``, is no number."""
    return Finding(NOT_FINITE, math.nan, index, analytic, math.nan, precision)


def norm_error(slopes: Sequence[Slope]) -> float:
    """Ng's ``||analytic - numeric|| / (||analytic|| + ||numeric||)``; NaN of nothing measured.

    Source: A. Ng, Improving Deep Neural Networks, week 1, "Gradient checking". Slopes that kinks or
    noise hide, and zeros, are left out.

    >>> norm_error([Slope("agrees", 3.0, 3.0, 3.0), Slope("differs", 4.0, 0.0, 4.0)])
    0.5
    """
    used = [slope for slope in slopes if slope.verdict in (AGREES, DIFFERS)]
    analytic = np.array([slope.analytic for slope in used])
    numeric = np.array([slope.numeric for slope in used])
    total = float(np.linalg.norm(analytic) + np.linalg.norm(numeric))
    return float(np.linalg.norm(analytic - numeric)) / total if total > 0 else math.nan
