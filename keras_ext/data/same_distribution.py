"""Do validation and test come from one distribution? Then an error on one says what to expect."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_ext.data._accept import arrays_of
from keras_ext.data._describe import describe
from keras_ext.data._domains import chi_square_tail, tell_apart
from keras_ext.data._seeding import Stream, check_seed, permutation
from keras_ext.data.distribution_report import DistributionReport, DistributionTest, FeatureShift
from keras_ext.errors import ConfigError, DataError
from keras_ext.records import Arrays
from keras_ext.rows import taken

FEWEST, MOST = 20, 2_000
"""Examples of each part that are looked at; all labels are."""
SHOWN = 5
LARGE = 0.2
"""Brightness, contrast and sharpness come before cells of the image when they shift so much."""


def same_distribution(
    first: Arrays | tuple[Any, Any],
    second: Arrays | tuple[Any, Any],
    *,
    significance: float = 0.05,
    smallest_effect: float = 0.05,
    seed: int = 0,
) -> DistributionReport:
    """Compare the labels and the examples of two parts, usually validation and test.

    Labels: a chi-square test of their counts; its effect is the total variation distance between
    both shares. Values for regression are counted by tenths of all values.

    Examples: can a classifier tell which part an example is from? Ridge regression on the values
    and their squares (of images: brightness, contrast, sharpness and the means of 14 by 14 cells),
    cross-validated on as many examples of either part, 2,000 at the most; its accuracy against that
    under 199 random assignments. The effect is 2 accuracy - 1, which no two distributions closer
    than that allow.

    Each test gets half of ``significance``, so that both together cry wolf no more often. A
    difference counts if it is significant and above ``smallest_effect``, whatever the size of the
    data. Every test label is counted, no model sees one.

    Sources: Lopez-Paz and Oquab (2017), Revisiting Classifier Two-Sample Tests, arXiv:1610.06545;
    Phipson and Smyth (2010), Permutation p-values should never be zero, arXiv:1603.05766.

    Args:
        first, second: the parts, x of one shape; tuples (x, y) will do.
        significance: how often a difference may be claimed where there is none.
        smallest_effect: what is too small to matter, as a share of the examples.
        seed: decides which examples are looked at, and the assignments.

    Raises:
        ConfigError: for a level or an effect that is no share.
        DataError: when a part has fewer than 20 examples, or they don't have one shape.

    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> same_distribution(Arrays(x[:200], x[:200, 0]), Arrays(x[200:], x[200:, 0])).same
    True
    """
    for name, value in (("significance", significance), ("smallest_effect", smallest_effect)):
        if not 0 <= value < 1:
            raise ConfigError(f"{name} must be a share in [0, 1), got {name}={value!r}")
    check_seed(seed)
    first, second = arrays_of(first, "first"), arrays_of(second, "second")
    _check_parts(first, second)
    labelled = first.y.ndim == second.y.ndim == 1
    limits = (significance / 2 if labelled else significance, smallest_effect)
    rows = [permutation(len(part), Stream.COMPARISON, seed) for part in (first, second)]
    size = min(len(first), len(second), MOST)
    looked_at = [taken(part.x, row[:size]) for part, row in zip((first, second), rows, strict=True)]
    columns, names = describe(*looked_at)
    accuracy, p_value, scores = tell_apart(columns, seed=seed)
    detail = f"a classifier tells them apart in {accuracy:.1%} of cases (half by guessing)"
    examples = _judged("examples", p_value, max(0.0, 2 * accuracy - 1), detail, limits)
    tests = (_compare_labels(first.y, second.y, limits), examples) if labelled else (examples,)
    strange = np.argsort(-scores[size:], kind="stable")[:SHOWN]
    return DistributionReport(
        same=not any(test.differs for test in tests),
        tests=tests,
        features=_shifts(columns, names),
        rows=tuple(int(row) for row in rows[1][strange]),
    )


def _check_parts(first: Arrays, second: Arrays) -> None:
    if first.x.shape[1:] != second.x.shape[1:]:
        raise DataError(
            f"examples of shape {first.x.shape[1:]} can't be compared with {second.x.shape[1:]}"
        )
    fewest = min(len(first), len(second))
    if fewest < FEWEST:
        raise DataError(f"a comparison takes {FEWEST} examples of each part, got {fewest}")


def _compare_labels(
    first: np.ndarray, second: np.ndarray, limits: tuple[float, float]
) -> DistributionTest:
    """Counts of both, classes that are expected fewer than five times taken together."""
    both = np.concatenate([first, second])
    if both.dtype.kind == "f":
        both = np.searchsorted(np.quantile(both, np.arange(0.1, 1, 0.1)), both)
    classes, codes = np.unique(both, return_inverse=True)
    sides = np.arange(len(both)) >= len(first)
    counts = np.zeros((2, len(classes)))
    np.add.at(counts, (sides.astype(int), codes), 1)
    rare = counts.sum(axis=0) * min(len(first), len(second)) / len(both) < 5
    cells = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    cells = cells[:, cells.any(axis=0)]
    expected = cells.sum(axis=1, keepdims=True) * cells.sum(axis=0) / len(both)
    p_value = chi_square_tail(float(((cells - expected) ** 2 / expected).sum()), cells.shape[1] - 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    most = int(np.argmax(np.abs(shares[0] - shares[1])))
    name = f"label {classes[most]}" if first.dtype.kind != "f" else f"tenth {classes[most] + 1}"
    detail = (
        f"the shares are {distance:.1%} apart, most {name}: {shares[0, most]:.1%} and "
        f"{shares[1, most]:.1%}"
    )
    return _judged("labels", p_value, distance, detail, limits)


def _shifts(columns: np.ndarray, names: list[str]) -> tuple[FeatureShift, ...]:
    size = len(columns) // 2
    first, second = columns[:size].mean(axis=0), columns[size:].mean(axis=0)
    spread = columns.std(axis=0)
    effects = (second - first) / np.where(spread > 0, spread, 1)
    of_the_whole = np.array([not name.startswith("rows") for name in names])
    rank = np.abs(effects) + 10 * (of_the_whole & (np.abs(effects) >= LARGE))
    most = np.argsort(-rank, kind="stable")[:SHOWN]
    return tuple(
        FeatureShift(names[k], float(first[k]), float(second[k]), float(effects[k])) for k in most
    )


def _judged(
    name: str, p_value: float, effect: float, detail: str, limits: tuple[float, float]
) -> DistributionTest:
    significant, large = p_value <= limits[0], effect > limits[1]
    verdict = "differ" if significant and large else "do not differ"
    why = "too little to matter" if significant and not large else f"p = {p_value:.2g}"
    message = f"{name} {verdict} ({why}): {detail}"
    return DistributionTest(name, p_value, effect, significant and large, message)
