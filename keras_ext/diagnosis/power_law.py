"""Would more data help? A power law through the errors at growing sizes, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ext.diagnosis.intervals import t_quantile, z_score
from keras_ext.errors import ConfigError

LEAST_SIZES = 4
"""One more than the law has unknowns."""
EXPONENTS = (0.01, 3.0)
WIDEST = 0.5
"""Of the trivial interval, from 0 to the error at the largest size."""
TIMES = (2, 10)
LEAST_NOISE = 1e-6
STEPS = 15
BISECTIONS = 30


@dataclass(frozen=True)
class PowerLaw:
    """``error = floor + scale * size ** -exponent``.

    >>> PowerLaw(floor=0.01, scale=2.0, exponent=0.5).at(10_000)
    0.03
    """

    floor: float
    scale: float
    exponent: float

    def at(self, size: float) -> float:
        """The error with so many training examples."""
        return self.floor + self.scale * float(size) ** -self.exponent


@dataclass(frozen=True)
class Prediction:
    """The error of one more run, with more data.

    Args:
        size: training examples.
        error: what the law says; None where it is not identified.
        low, high: its interval; None likewise.
        refusal: why there is no number, else empty.
    """

    size: int
    error: float | None
    low: float | None
    high: float | None
    refusal: str = ""


@dataclass(frozen=True)
class Extrapolation:
    """A law with what follows from it.

    Args:
        law: None where the sizes don't identify any.
        noise: relative standard deviation of the error between the seeds of one size.
        predictions: one for each size that was asked for.
    """

    law: PowerLaw | None
    noise: float
    predictions: tuple[Prediction, ...]


def extrapolate(
    sizes: Sequence[int],
    errors: Any,
    *,
    targets: Sequence[int] | None = None,
    confidence: float = 0.95,
) -> Extrapolation:
    """Predict the error at sizes that were not tried, or say why that can't be done.

    The law ``c + a n**-b`` with a, b > 0 and c >= 0 is that of Cortes et al. (1993), Learning
    curves: asymptotic values and rate of convergence, NIPS 6, equation 2; Hestness et al. (2017),
    arXiv 1712.00409, find it in several domains of deep learning.

    Least squares, weighted by the noise between seeds, which is taken to be in proportion to the
    error and is pooled over all sizes. For each b the rest is linear. The limits are those of the
    profile likelihood (Venzon and Moolgavkar 1988, Applied Statistics 37, 87-94): every value that
    some law as good as the data can tell passes through. Where the best law fits worse than the
    noise allows, the noise is taken to be larger by as much. The noise of one run is added in
    quadrature.

    No number is given where the law is not identified: too few sizes or seeds, an error that is 0
    or does not fall for sure, an exponent at the end of its range (0.01 to 3), or an interval
    wider than half of the trivial one, from 0 to the error at the largest size.

    Args:
        sizes: numbers of training examples, in any order.
        errors: at least 0, of shape (sizes, seeds), on one set of validation examples. What is
            predicted is the error on these: the interval leaves out that they are a sample.
        targets: sizes above the largest; None for 2 and 10 times that.
        confidence: of each interval.

    Raises:
        ConfigError: for sizes that repeat or are below 1, errors of another shape or not finite,
            targets not above the sizes, or a confidence outside 0 to 1.

    >>> errors = [[0.1, 0.102], [0.07, 0.071], [0.05, 0.0505], [0.036, 0.0355], [0.025, 0.0254]]
    >>> found = extrapolate([1000, 2000, 4000, 8000, 16000], errors)
    >>> prediction = found.predictions[0]
    >>> prediction.size, round(prediction.error, 3)
    (32000, 0.018)
    """
    size, values = _checked(sizes, errors)
    largest = int(size[-1])
    wanted = [times * largest for times in TIMES] if targets is None else list(targets)
    for target in wanted:
        if not target > largest:
            raise ConfigError(
                f"targets must be above the largest size, {largest}, got targets={target!r}"
            )
    z_score(confidence)
    curve, trouble = _curve(size, values, confidence)
    if curve is None:
        return _refused(wanted, 0.0, trouble)
    if trouble:
        return _refused(wanted, curve.noise, trouble)
    return Extrapolation(
        curve.law(), curve.noise, tuple(_prediction(curve, int(target)) for target in wanted)
    )


@dataclass(frozen=True)
class _Curve:
    """Mean errors at sizes relative to the largest, with the best law.

    ``best`` is (c, a, b) in units where the largest size is 1; ``limit`` is how far from its sum of
    squares that of another law may lie.
    """

    sizes: np.ndarray
    errors: np.ndarray
    weights: np.ndarray
    noise: float
    quantile: float
    best: tuple[float, float, float]
    squares: float
    limit: float

    def law(self) -> PowerLaw:
        floor, scale, exponent = self.best
        return PowerLaw(floor, scale * float(self.sizes[-1]) ** exponent, exponent)


def _checked(sizes: Sequence[int], errors: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, by rising size."""
    size, values = np.asarray(sizes), np.asarray(errors, dtype="float64")
    if size.ndim != 1 or not size.size or size.dtype.kind not in "iu" or (size < 1).any():
        raise ConfigError(f"sizes must be whole numbers from 1 on, got sizes={sizes!r}")
    if len(np.unique(size)) < len(size):
        raise ConfigError(f"sizes must differ, got sizes={sizes!r}")
    if values.ndim != 2 or len(values) != len(size) or not values.size:
        raise ConfigError(
            f"errors must have shape (sizes, seeds) with {len(size)} sizes, got {values.shape}"
        )
    if not (np.isfinite(values) & (values >= 0)).all():
        bad = values[~(np.isfinite(values) & (values >= 0))][0]
        raise ConfigError(f"errors must be finite and at least 0, got errors={bad}")
    order = np.argsort(size)
    return size[order], values[order]


def _curve(sizes: np.ndarray, values: np.ndarray, confidence: float) -> tuple[_Curve | None, str]:
    """The best law, and why it can't be used, if so."""
    seeds = values.shape[1]
    if len(sizes) < LEAST_SIZES:
        return None, f"{len(sizes)} sizes are too few for a law with three unknowns: take 5 or more"
    if seeds < 2:
        return None, "one seed does not tell how noisy the errors are: take 2 or more"
    mean = values.mean(axis=1)
    if not mean.all():
        return None, f"the error is 0 at size {sizes[mean == 0][0]}: nothing is left to fall"
    freedom = len(sizes) * (seeds - 1)
    spread = ((values / mean[:, None] - 1) ** 2).sum() / freedom
    noise = max(LEAST_NOISE, float(np.sqrt(spread)))
    weights = seeds / (noise * mean) ** 2
    relative = sizes / sizes[-1]
    best, squares = _fit(relative, mean, weights)
    quantile = t_quantile(confidence, freedom)
    limit = quantile**2 * max(1.0, squares / (len(sizes) - 3))
    curve = _Curve(sizes, mean, weights, noise, quantile, best, squares, limit)
    flat = float(np.average(mean, weights=weights))
    if best[1] == 0 or float((weights * (mean - flat) ** 2).sum()) <= squares + limit:
        return curve, "the error does not fall for sure as the data grow"
    if best[2] <= EXPONENTS[0] * 1.001 or best[2] >= EXPONENTS[1] * 0.999:
        return curve, f"the exponent is at the end of its range ({best[2]:.3g}): not a power law"
    return curve, ""


def _fit(
    sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray
) -> tuple[tuple[float, float, float], float]:
    """(c, a, b) with the least squares: a grid of exponents, then finer ones about the best."""
    low, high = EXPONENTS
    for _ in range(6):
        exponents = np.geomspace(low, high, 61)
        floors, scales, squares = _linear(sizes, errors, weights, exponents)
        at = int(squares.argmin())
        low, high = exponents[max(at - 1, 0)], exponents[min(at + 1, 60)]
    return (float(floors[at]), float(scales[at]), float(exponents[at])), float(squares[at])


def _linear(
    sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray, exponents: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each exponent the best floor and scale, neither below 0, and their sum of squares."""
    x = sizes ** -exponents[:, None]
    total = weights.sum()
    x_mean, e_mean = (weights * x).sum(axis=1) / total, float((weights * errors).sum() / total)
    spread = (weights * (x - x_mean[:, None]) ** 2).sum(axis=1)
    slope = (weights * (x - x_mean[:, None]) * (errors - e_mean)).sum(axis=1) / spread
    scale = np.maximum(slope, 0.0)
    floor = e_mean - scale * x_mean
    without = (weights * x * errors).sum(axis=1) / (weights * x * x).sum(axis=1)
    scale = np.where(floor < 0, without, scale)
    floor = np.maximum(floor, 0.0)
    squares = (weights * (errors - floor[:, None] - scale[:, None] * x) ** 2).sum(axis=1)
    return floor, scale, squares


def _prediction(curve: _Curve, target: int) -> Prediction:
    floor, scale, exponent = curve.best
    ratio = target / int(curve.sizes[-1])
    error = floor + scale * ratio**-exponent
    # A mean over more and more seeds; then one run, which is noisy itself.
    run = curve.quantile * curve.noise * error
    lowest, highest = (_limit(curve, ratio, error, end) for end in (0.0, 2 * curve.errors.max()))
    low = max(0.0, error - float(np.hypot(error - lowest, run)))
    high = error + float(np.hypot(highest - error, run))
    trivial = float(curve.errors[-1])
    if high - low > WIDEST * trivial:
        return _no_number(
            target,
            f"anything from {low:.3g} to {high:.3g} fits, against {trivial:.3g} now: take more"
            " sizes or seeds",
        )
    return Prediction(target, error, low, high)


def _limit(curve: _Curve, ratio: float, inside: float, outside: float) -> float:
    """Between a value that is as good as the data can tell and one that isn't: the last good."""
    exponents = _around(curve.best[2])
    if _squares(curve, ratio, outside, exponents) <= curve.squares + curve.limit:
        return outside
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if _squares(curve, ratio, middle, exponents) <= curve.squares + curve.limit:
            inside = middle
        else:
            outside = middle
    return inside


def _around(best: float) -> np.ndarray:
    """Exponents about the best: close together next to it, further apart further away."""
    offsets = np.logspace(-6, 1, 7 * STEPS + 1)
    found = best * np.exp(np.concatenate([-offsets[::-1], [0.0], offsets]))
    return np.unique(np.clip(found, *EXPONENTS))


def _squares(curve: _Curve, ratio: float, error: float, exponents: np.ndarray) -> float:
    """The least sum of squares of a law that has the given error at ``ratio`` times the data.

    Such a law is p u + c (1 - u) with u = (ratio * size)**b: for each b a parabola in c, which is
    from 0 to p.
    """
    u = (ratio * curve.sizes[-1] / curve.sizes) ** exponents[:, None]
    rest, free = curve.errors - error * u, 1 - u
    floor = (curve.weights * free * rest).sum(axis=1) / (curve.weights * free**2).sum(axis=1)
    floor = np.clip(floor, 0.0, error)[:, None]
    return float((curve.weights * (rest - floor * free) ** 2).sum(axis=1).min())


def _refused(targets: Sequence[int], noise: float, reason: str) -> Extrapolation:
    return Extrapolation(None, noise, tuple(_no_number(int(target), reason) for target in targets))


def _no_number(size: int, reason: str) -> Prediction:
    return Prediction(size, None, None, None, reason)
