"""Intervals against scipy, a slow reference by root finding, and a published table."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from keras_ext.diagnosis import ErrorEstimate, difference_interval
from keras_ext.diagnosis.intervals import MOST_EXAMPLES, least, newcombe, normal, wilson, z_score
from keras_ext.errors import ConfigError

COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CONFIDENCES = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])

# Newcombe (1998b), table II, method 10.
TABLE = [
    ((56, 70), (48, 80), 0.0524, 0.3339),
    ((9, 10), (3, 10), 0.1705, 0.8090),
    ((6, 7), (2, 7), 0.0582, 0.8062),
    ((5, 56), (0, 29), -0.0381, 0.1926),
    ((0, 10), (0, 20), -0.1611, 0.2775),
    ((0, 10), (0, 10), -0.2775, 0.2775),
    ((10, 10), (0, 20), 0.6791, 1.0000),
    ((10, 10), (0, 10), 0.6075, 1.0000),
]


def reference_wilson(errors: int, count: int, confidence: float) -> tuple[float, float]:
    """Both proportions whose own normal interval ends at the one that was seen."""
    seen, z = errors / count, stats.norm.ppf((1 + confidence) / 2)

    def distance(p: float) -> float:
        return abs(seen - p) - z * math.sqrt(p * (1 - p) / count)

    tiny = 1e-9  # the proportion itself is a root where no or every example was wrong
    low = optimize.brentq(distance, tiny, seen - tiny * (seen == 1), xtol=1e-14) if seen else 0.0
    high = (
        optimize.brentq(distance, seen + tiny * (seen == 0), 1 - tiny, xtol=1e-14)
        if seen < 1
        else 1.0
    )
    return low, high


@pytest.mark.parametrize(("first", "second", "low", "high"), TABLE)
def test_newcombe_gives_the_published_intervals(first, second, low, high):
    found = newcombe(first[0] / first[1], first[1], second[0] / second[1], second[1])
    assert [round(limit, 4) for limit in found] == [low, high]


@given(COUNTS, CONFIDENCES)
def test_wilson_is_scipys(sample, confidence):
    errors, count = sample
    expected = stats.binomtest(errors, count).proportion_ci(confidence, method="wilson")
    assert wilson(errors / count, count, confidence) == pytest.approx(tuple(expected), abs=1e-9)


@pytest.mark.parametrize(("errors", "count"), [(0, 5), (5, 5), (1, 3), (37, 500), (499, 500)])
def test_wilson_solves_the_score_equation(errors, count):
    expected = reference_wilson(errors, count, 0.95)
    assert wilson(errors / count, count, 0.95) == pytest.approx(expected, abs=1e-10)


@given(COUNTS, COUNTS, CONFIDENCES)
def test_newcombe_from_scipys_intervals(first, second, confidence):
    p, q = first[0] / first[1], second[0] / second[1]
    a = stats.binomtest(*first).proportion_ci(confidence, method="wilson")
    b = stats.binomtest(*second).proportion_ci(confidence, method="wilson")
    low = p - q - math.hypot(p - a.low, b.high - q)
    high = p - q + math.hypot(a.high - p, q - b.low)
    found = newcombe(p, first[1], q, second[1], confidence)
    assert found == pytest.approx((low, high), abs=1e-7)


@given(COUNTS, COUNTS)
def test_newcombe_turned_round_has_the_other_sign(first, second):
    a, b = (first[0] / first[1], first[1]), (second[0] / second[1], second[1])
    low, high = newcombe(*a, *b)
    assert newcombe(*b, *a) == pytest.approx((-high, -low), abs=1e-12)
    assert -1 <= low <= a[0] - b[0] <= high <= 1


@pytest.mark.parametrize("truth", [0.002, 0.01, 0.1, 0.5])
def test_wilson_covers_the_truth_about_as_often_as_it_says(truth):
    count = 1000
    seen = range(count + 1)
    covered = [low <= truth <= high for low, high in (wilson(k / count, count) for k in seen)]
    assert 0.93 < stats.binom.pmf(seen, count, truth)[covered].sum() < 0.98


def test_newcombe_covers_the_difference_about_as_often_as_it_says():
    (p, n), (q, m) = (0.03, 200), (0.05, 150)
    a, b = stats.binom.pmf(range(n + 1), n, p), stats.binom.pmf(range(m + 1), m, q)
    coverage = 0.0
    for i in range(40):
        for j in range(40):
            low, high = newcombe(i / n, n, j / m, m)
            coverage += a[i] * b[j] * (low <= p - q <= high)
    assert 0.94 < coverage < 0.98


@given(st.floats(-10, 10), st.floats(0, 5), CONFIDENCES)
def test_normal_is_scipys(value, spread, confidence):
    expected = stats.norm.interval(confidence, value, spread) if spread else (value, value)
    assert normal(value, spread, confidence) == pytest.approx(expected, abs=1e-9)


def test_a_difference_with_a_mean_is_normal():
    mean, share = ErrorEstimate(2.0, 50, 0.3), ErrorEstimate(0.5, 100, 0.05)
    assert share.proportion
    assert difference_interval(mean, share) == pytest.approx(
        stats.norm.interval(0.95, 1.5, math.hypot(0.3, 0.05))
    )
    assert difference_interval(share, share) == newcombe(0.5, 100, 0.5, 100)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, float("nan")])
def test_confidence_is_a_fraction(confidence):
    with pytest.raises(ConfigError, match=f"confidence={confidence}"):
        z_score(confidence)


@given(st.integers(1, 10**6))
def test_least_finds_the_first_that_holds(first):
    asked = []
    assert least(lambda n: asked.append(n) or n >= first) == first
    assert len(asked) < 50


def test_least_gives_up():
    assert least(lambda n: n > MOST_EXAMPLES * 2) is None
