"""Points that fill a range more evenly than random ones."""

from __future__ import annotations

import numpy as np

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


def quasi_random(index: int, dimensions: int, seed: int) -> np.ndarray:
    """A point of the Halton sequence, shifted by the seed around the edges.

    Sources: Halton (1960), Numerische Mathematik 2, 84-90; the random shift: Cranley and Patterson
    (1976), SIAM J. Numer. Anal. 13, 904-914. Bousquet et al. (2017, arXiv 1706.03200) found such
    points better than random ones for hyperparameters.

    Args:
        index: from 0 on.
        dimensions: up to 20; further ones are random.
        seed: of the shift.

    Returns:
        float array of shape (dimensions,), each from 0 to below 1.

    >>> firsts = sorted(float(quasi_random(index, 1, seed=0)[0]) for index in range(4))
    >>> [round(after - before, 2) for before, after in zip(firsts, firsts[1:])]
    [0.25, 0.25, 0.25]
    """
    shift = np.random.default_rng([seed, 1]).random(max(dimensions, len(PRIMES)))
    point = np.random.default_rng([seed, 2, index]).random(dimensions)
    for axis, prime in enumerate(PRIMES[:dimensions]):
        point[axis] = _mirrored(index, prime)
    return (point + shift[:dimensions]) % 1.0


def _mirrored(number: int, base: int) -> float:
    """The digits of a number behind the point, in reverse.

    >>> _mirrored(6, 2)
    0.375
    """
    result, share = 0.0, 1.0
    while number:
        share /= base
        number, digit = divmod(number, base)
        result += share * digit
    return result
