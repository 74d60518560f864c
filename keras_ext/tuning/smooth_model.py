"""A smooth model of the errors so far, for moves in several hyperparameters at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from keras_ext.tuning.axes import Axis, Values
from keras_ext.tuning.proposal import Trials

LENGTHS = (0.2, 0.4, 0.8)
NOISES = (0.01, 0.05, 0.2)
SEPARATE = (0.3, 0.8)
"""Shares of the variance that are a sum of one function for each hyperparameter."""
CANDIDATES = 400
_NORMAL = NormalDist()


def promising(
    trials: Trials, base: Values, reach: float, rng: np.random.Generator, axes: Sequence[Axis]
) -> dict[str, Any] | None:
    """The untried point near ``base`` where the expected improvement is the largest.

    A Gaussian process over places from 0 to 1: the logarithm of the error is a sum of one smooth
    function a hyperparameter and one of all of them. Length, noise and the share of the sum are
    those of the highest likelihood on a small grid.

    Source: Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, equations 2.25,
    2.26 and 5.8; additive kernels: Duvenaud et al. (2011); expected improvement: Jones, Schonlau
    and Welch (1998), equation 15.

    Args:
        trials: the errors.
        base: the middle of the region.
        reach: its half-width, as a share of each range.
        rng: draws the candidates.
        axes: what may move.

    Returns:
        Values, or None when no untried point is in reach.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(CANDIDATES):
        values = _shaken(base, reach, rng, axes)
        if not trials.known(values):
            found.setdefault(trials.key(values), values)
    if not found:
        return None
    candidates = list(found.values())
    pairs = [(items[0].values, trials.error(items[0].values)) for items in trials.points.values()]
    ended = [(values, error) for values, error in pairs if error is not None]
    if len(ended) < 2:
        return candidates[0]
    seen = np.array([_coordinates(trials.axes, values) for values, _ in ended])
    errors = np.array([error for _, error in ended])
    # An error of 0 has no logarithm: it is taken for half of the lowest other one.
    positive = errors[errors > 0]
    logs = np.log(np.maximum(errors, 0.5 * float(positive.min()) if len(positive) else 1.0))
    scale = float(logs.std()) or 1.0
    targets = (logs - logs.mean()) / scale
    points = np.array([_coordinates(trials.axes, values) for values in candidates])
    mean, deviation = _predict(seen, targets, points)
    gains = [_gain(float(targets.min()) - m, d) for m, d in zip(mean, deviation, strict=True)]
    return candidates[int(np.argmax(gains))]


def _gain(better: float, deviation: float) -> float:
    """Expected improvement of a point that is ``better`` in the mean."""
    z = better / deviation
    return better * _NORMAL.cdf(z) + deviation * _NORMAL.pdf(z)


def _shaken(
    base: Values, reach: float, rng: np.random.Generator, axes: Sequence[Axis]
) -> dict[str, Any]:
    """Up to four hyperparameters moved at random within reach."""
    values = dict(base)
    count = min(len(axes), int(rng.integers(1, 5)))
    for number in rng.permutation(len(axes))[:count]:
        axis = axes[number]
        before = values.get(axis.name, axis.default)
        if axis.ordered:
            place = axis.place(before) + rng.uniform(-reach, reach)
            if axis.choices:  # Places of choices are 0, 1/(n-1), ..., 1.
                values[axis.name] = axis.choices[
                    round(min(1, max(0, place)) * (len(axis.choices) - 1))
                ]
            else:
                values[axis.name] = axis.value(place)
        elif rng.random() < reach:
            values[axis.name] = axis.choices[int(rng.integers(len(axis.choices)))]
    return values


def _coordinates(axes: Sequence[Axis], values: Values) -> list[float]:
    """A place for each ordered axis, and for the others one for each choice."""
    found: list[float] = []
    for axis in axes:
        if axis.fixed or axis.role == "seed":
            continue
        value = values.get(axis.name, axis.default)
        if axis.ordered:
            found.append(axis.place(value))
        else:
            found += [0.5 * (value == choice) for choice in axis.choices]
    return found


def _predict(
    seen: np.ndarray, targets: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation at the points, with the likeliest of the grid."""
    best: tuple[float, Any] | None = None
    for length, noise, separate in product(LENGTHS, NOISES, SEPARATE):
        kernel = _kernel(length, separate)
        lower = np.linalg.cholesky(kernel(seen, seen) + noise * np.eye(len(seen)))
        half = np.linalg.solve(lower, targets)
        likelihood = -0.5 * half @ half - np.log(np.diag(lower)).sum()
        if best is None or likelihood > best[0]:
            best = likelihood, (kernel, lower, half)
    assert best is not None
    kernel, lower, half = best[1]
    across = np.linalg.solve(lower, kernel(seen, points))
    variance = 1.0 - (across**2).sum(axis=0)
    return across.T @ half, np.sqrt(np.maximum(variance, 1e-9))


def _kernel(length: float, separate: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        squares = (one[:, None, :] - other[None, :, :]) ** 2 / (2 * length**2)
        alone = np.exp(-squares).mean(axis=-1)
        joint = np.exp(-squares.sum(axis=-1) / sqrt(squares.shape[-1]))
        return separate * alone + (1 - separate) * joint

    return kernel
