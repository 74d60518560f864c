"""The slope of a cost along one direction, by backpropagation and by central differences.

Pure: works on any ``cost(theta)`` over a flat vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from keras_ext.gradients.precision import Precision, shortened

AGREES, DIFFERS, NOT_FINITE = "agrees", "differs", "not finite"
KINK, NOISE, ZERO = "kink", "noise", "zero"

ROUND_OFF = 4.0
"""In noise / step. The standard deviation of a central difference is 0.7 of that."""

SAFETY = 4.0
"""Only a difference of more than this many uncertainties is one."""

TOLERATED = 0.01
"""The share of the tolerance that round-off may take at the first step."""

SMALLEST = 1e-9
"""In sizes of weights. No step is smaller: it must move them by a million times their spacing."""

SHRINK = 8.0
"""From one step to the next: away from kinks (smaller) or out of the noise (larger)."""

LEVELS = 4
"""How many steps are tried before the slope is given up as not measurable."""

COARSER = 4.0
COARSEST = 0.1
EXPLAINED = 0.2
"""Larger steps explain a difference when two in a row leave less than this share of it."""


@dataclass(frozen=True)
class Point:
    """Where the gradient is checked.

    Args:
        cost: from theta, a float64 array of shape (weights,), to the cost.
        theta: the weights.
        gradient: of the cost at theta by backpropagation, of theta's shape.
        value: the cost at theta.
        known: costs computed ahead, by the number of the only weight that moves and by its move.
    """

    cost: Callable[[np.ndarray], float]
    theta: np.ndarray
    gradient: np.ndarray
    value: float
    known: Mapping[tuple[int, float], float] = field(default_factory=dict)

    def moved(self, where: slice, change: np.ndarray) -> tuple[float, np.ndarray]:
        """The cost with the weights ``where`` changed, and these as they could be represented."""
        theta = self.theta.copy()
        theta[where] += change
        known = self.known.get((where.start, float(change[0]))) if len(change) == 1 else None
        return self.cost(theta) if known is None else known, theta[where]


@dataclass(frozen=True)
class Slope:
    """One slope, measured in two ways.

    Args:
        verdict: "agrees"; "differs" by more than the numeric slope is uncertain; "kink" or "noise",
            whichever hides a difference; "zero" against zero; "not finite".
        analytic: by backpropagation.
        numeric: by central differences.
        scale: what a difference is compared with.
        disturbance: how much kinks and curvature may move the numeric slope.
        round_off: how much round-off may.
        corner: whether theta seems to stand on a corner along this direction: at a smaller step the
            two one-sided slopes differ by as much.
    """

    verdict: str
    analytic: float
    numeric: float
    scale: float
    disturbance: float = 0.0
    round_off: float = 0.0
    corner: bool = False

    @property
    def uncertainty(self) -> float:
        """Of the numeric slope, from every cause."""
        return self.disturbance + self.round_off

    @property
    def difference(self) -> float:
        """Of the two slopes, absolute."""
        return abs(self.analytic - self.numeric)

    @property
    def relative_error(self) -> float:
        """The difference as a share of the scale; 0 for zero against zero."""
        return self.difference / self.scale if self.scale > 0 else 0.0


def measure(point: Point, where: slice, signs: np.ndarray, precision: Precision) -> Slope:
    """The slope along ``signs`` at the step that measures it best.

    The first step serves where both slopes agree at it: that two independent numbers agree by
    accident is out of the question. Otherwise smaller steps are tried where kinks disturb, larger
    ones where round-off does. A difference must show at two steps before it counts.

    Args:
        point: where on the cost.
        where: the weights that move.
        signs: the direction, an array of +1 and -1 for each of these weights.
        precision: how exactly the cost can be computed.
    """
    step = first_step(point, where, precision)
    tried: dict[float, Slope] = {}
    while step not in tried and len(tried) < LEVELS:
        slope = _at_step(point, where, signs, step, precision)
        larger = tried.get(step * SHRINK)
        tried[step] = slope
        differing = sum(other.verdict == DIFFERS for other in tried.values())
        if slope.verdict in (AGREES, NOT_FINITE):
            return slope
        if differing > 1:
            return replace(slope, corner=larger is not None and _corner(larger, slope))
        if larger and {larger.verdict, slope.verdict} == {KINK} and _stays(larger, slope):
            best = _best(tried.values(), precision)
            return replace(best, corner=best.verdict == KINK)
        step = step / SHRINK if slope.disturbance > slope.round_off else step * SHRINK
    return _best(tried.values(), precision)


def hidden_noise(
    point: Point, where: slice, signs: np.ndarray, slope: Slope, precision: Precision
) -> float:
    """The noise that explains a difference which small steps show and larger ones don't; or 0.

    A term of the cost that is computed in single precision is a staircase: between two stairs it is
    flat, so that small steps miss its slope, each as exactly as the other. Kinks do the opposite.

    Args:
        point, where, signs, precision: as for ``measure``.
        slope: what it found.
    """
    first = step = first_step(point, where, precision)
    explained = 0
    while step * COARSER < COARSEST and explained < 2:
        step *= COARSER
        wide, analytic, _ = _central(point, where, signs, step)
        narrow, _, _ = _central(point, where, signs, step / 2)
        left = max(abs(analytic - narrow), abs(analytic - (4 * narrow - wide) / 3))
        explained = explained + 1 if left < EXPLAINED * slope.difference else 0
    return slope.difference * first if explained == 2 else 0.0


def _stays(larger: Slope, smaller: Slope) -> bool:
    """Whether a smaller step didn't help: a corner at theta itself, which none leaves behind."""
    return smaller.disturbance > larger.disturbance / 2


def _corner(larger: Slope, smaller: Slope) -> bool:
    """Whether what disturbs both steps is no curvature, which would shrink with them, or noise."""
    return _stays(larger, smaller) and smaller.disturbance > SAFETY * smaller.round_off


def first_step(point: Point, where: slice, precision: Precision) -> float:
    """How far to move the weights ``where`` at first.

    It is the smallest step at which round-off hides no difference, so that the fewest kinks lie
    within it; and at most the best one for a smooth cost.
    """
    theta = point.theta[where]
    size = max(1.0, float(np.sqrt(np.mean(theta**2))))
    best = precision.step * size * shortened(len(theta))
    tolerated = TOLERATED * precision.ok * float(np.linalg.norm(point.gradient[where]))
    enough = ROUND_OFF * precision.noise / tolerated if tolerated > 0 else math.inf
    return min(best, max(enough, SMALLEST * size))


def _best(slopes: Iterable[Slope], precision: Precision) -> Slope:
    """The least uncertain one; a difference that shows at a single step is put down to a kink."""
    best = min(slopes, key=lambda slope: slope.uncertainty)
    if best.verdict == DIFFERS:
        return replace(best, verdict=KINK)
    if best.verdict in (KINK, NOISE) and best.uncertainty <= precision.wrong * best.scale:
        return replace(best, verdict=AGREES)
    return best


def _at_step(
    point: Point, where: slice, signs: np.ndarray, step: float, precision: Precision
) -> Slope:
    """The slope at one step: two costs where both slopes agree at once, four otherwise."""
    wide, analytic, ends = _central(point, where, signs, step)
    scale = max(float(np.linalg.norm(point.gradient[where])), abs(analytic), abs(wide))
    round_off = ROUND_OFF * precision.noise / step
    if not math.isfinite(scale):
        return Slope(NOT_FINITE, analytic, wide, scale)
    if scale <= round_off:
        return Slope(ZERO, analytic, wide, scale, round_off=round_off)
    if abs(analytic - wide) <= precision.ok * scale:
        return Slope(AGREES, analytic, wide, scale, round_off=round_off)
    narrow, _, halves = _central(point, where, signs, step / 2)
    bend = (sum(ends) - 2 * point.value) / step
    half_bend = (sum(halves) - 2 * point.value) / (step / 2)
    disturbance = abs(wide - narrow) + abs(2 * half_bend - bend) / 2
    numeric = (4 * narrow - wide) / 3
    verdict = _verdict(abs(analytic - numeric), disturbance, round_off, scale, precision)
    return Slope(verdict, analytic, numeric, scale, disturbance, round_off)


def _verdict(
    difference: float, disturbance: float, round_off: float, scale: float, precision: Precision
) -> str:
    """On two slopes of which the numeric one is uncertain by disturbance and round-off.

    On a smooth cost the central differences D(h) and D(h/2) agree to h^2, and the difference of the
    two one-sided slopes halves with h. A kink within reach breaks the first, a kink at theta itself
    the second. (Richardson's extrapolation (4 D(h/2) - D(h)) / 3 is used as the numeric slope.)
    """
    uncertainty = disturbance + round_off
    if not math.isfinite(uncertainty):
        return NOT_FINITE
    if difference <= precision.ok * scale:
        return AGREES
    if difference > SAFETY * uncertainty:
        return DIFFERS
    return KINK if disturbance > round_off else NOISE


def _central(
    point: Point, where: slice, signs: np.ndarray, step: float
) -> tuple[float, float, tuple[float, float]]:
    """Both slopes over the distance that can be represented, and the costs at its two ends."""
    above, plus = point.moved(where, step * signs)
    below, minus = point.moved(where, -step * signs)
    analytic = float(point.gradient[where] @ (plus - minus)) / (2 * step)
    return (above - below) / (2 * step), analytic, (above, below)
