"""Two samples: can their counts, or a classifier, tell them apart?"""

from __future__ import annotations

import math

import numpy as np

from keras_ext.data._seeding import Stream, permutation, uniforms

PERMUTATIONS = 199
FOLDS = 5
PENALTY = 0.1
"""Of the ridge regression, in units of the variance of a column."""
MOST_COLUMNS = 1_000
"""Wider samples are looked at in half as many random sums of their columns."""


def chi_square_tail(statistic: float, freedom: int) -> float:
    """How often chi-square with so many degrees of freedom is above the statistic.

    The finite sums of Abramowitz and Stegun (1964), 26.4.4 and 26.4.5, term by term in logarithms.

    >>> round(chi_square_tail(16.919, 9), 4)
    0.05
    """
    if statistic <= 0 or freedom < 1:
        return 1.0
    half, start = statistic / 2, (freedom % 2) / 2
    terms = (
        math.exp(k * math.log(half) - half - math.lgamma(k + 1))
        for k in (start + n for n in range(freedom // 2))
    )
    return min(1.0, math.fsum(terms) + (math.erfc(math.sqrt(half)) if start else 0.0))


def tell_apart(columns: np.ndarray, *, seed: int) -> tuple[float, float, np.ndarray]:
    """Cross-validated ridge regression of the side on the columns and their squares.

    The folds and everything else that is fitted before don't depend on the sides, so that sides
    assigned at random are a fair comparison.

    Args:
        columns: of shape (2 n, columns): n rows of one side, then n of the other.
        seed: decides folds and assignments.

    Returns:
        The accuracy, its p-value among 199 random assignments, and of each row the score by which
        it was taken for one of the other side (above 0).
    """
    size = len(columns) // 2
    z = _standard(columns)
    if z.shape[1] > MOST_COLUMNS:
        draws = uniforms((z.shape[1], MOST_COLUMNS // 2), Stream.COMPARISON, seed)
        z = _standard(z @ np.where(draws < 0.5, np.float32(-1), np.float32(1)))
    z = np.concatenate([z, _standard(z**2)], axis=1)
    sides = np.repeat(np.array([-1, 1], np.float32), size)
    orders = [permutation(2 * size, Stream.COMPARISON, seed, n + 1) for n in range(PERMUTATIONS)]
    targets = np.stack([sides, *(sides[order] for order in orders)], axis=1)
    fold = permutation(2 * size, Stream.COMPARISON, seed, PERMUTATIONS + 1) % FOLDS
    scores = _cross_validated(z, targets, fold)
    correct = ((scores > 0) == (targets > 0)).sum(axis=0)
    as_good = int((correct[1:] >= correct[0]).sum())
    return float(correct[0] / (2 * size)), (1 + as_good) / (1 + PERMUTATIONS), scores[:, 0]


def _cross_validated(z: np.ndarray, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Ridge regression of every column of targets, each row predicted by the other folds."""
    gram, moments = z.T @ z, z.T @ targets
    ridge = PENALTY * len(z) * np.eye(z.shape[1], dtype=z.dtype)
    scores = np.empty_like(targets)
    for number in range(FOLDS):
        held = z[fold == number]
        weights = np.linalg.solve(
            gram - held.T @ held + ridge, moments - held.T @ targets[fold == number]
        )
        scores[fold == number] = held @ weights
    return scores


def _standard(columns: np.ndarray) -> np.ndarray:
    """The columns that vary, with mean 0 and variance 1."""
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    varies = spread > 1e-6 * np.abs(columns).max(axis=0, initial=0)
    z = (columns[:, varies] - mean[varies]) / spread[varies]
    return np.asarray(z, np.float32)
