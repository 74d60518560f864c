"""The interval of paired differences: by hand, by coverage, and against unpaired ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_ext.diagnosis import ErrorEstimate, difference_interval, paired_interval
from keras_ext.errors import ConfigError


def test_proportions_by_hand():
    first = [1] * 7 + [0] * 2 + [1] * 11 + [0] * 80
    second = [0] * 7 + [1] * 2 + [1] * 11 + [0] * 80
    # Bonett and Price: (7 + 1) and (2 + 1) changed examples of 100 + 2.
    more, fewer = 8 / 102, 3 / 102
    half = 1.959964 * math.sqrt((more + fewer - (more - fewer) ** 2) / 102)
    expected = (more - fewer - half, more - fewer + half)
    assert paired_interval(first, second) == pytest.approx(expected, abs=1e-6)


def test_numbers_as_scipy_does_for_many_examples(rng):
    first, second = rng.gamma(1.0, size=5000), rng.gamma(1.1, size=5000)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert paired_interval(first, second) == pytest.approx((expected.low, expected.high), abs=1e-4)


@pytest.mark.parametrize(("changed", "gone"), [(0.02, 0.01), (0.1, 0.1), (0.004, 0.002)])
def test_it_holds_the_true_difference_as_often_as_it_says(changed, gone, rng):
    inside = 0
    for _ in range(2000):
        kind = rng.choice(3, size=600, p=[changed, gone, 1 - changed - gone])
        low, high = paired_interval(kind == 0, kind == 1)
        inside += low <= changed - gone <= high
    assert inside / 2000 >= 0.94


def test_it_is_sharper_than_an_interval_for_different_examples(rng):
    before = (rng.random(2000) < 0.1).astype(float)
    now = np.where(rng.random(2000) < 0.01, 1.0, before)
    low, high = paired_interval(now, before)
    estimates = [ErrorEstimate.from_values(values) for values in (now, before)]
    wide = difference_interval(*estimates)
    assert high - low < 0.4 * (wide[1] - wide[0])
    assert low > 0 > wide[0]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 100))
def test_it_is_antisymmetric_and_holds_the_estimate(more, fewer, same):
    first = [1.0] * more + [0.0] * fewer + [0.0] * (same + 1)
    second = [0.0] * more + [1.0] * fewer + [0.0] * (same + 1)
    low, high = paired_interval(first, second)
    assert paired_interval(second, first) == pytest.approx((-high, -low))
    assert low <= (more - fewer) / len(first) <= high


@pytest.mark.parametrize(
    ("first", "second"), [([1, 0], [1, 0, 1]), ([1], [0]), ([[1, 0]], [[0, 1]]), ([], [])]
)
def test_shapes_that_are_no_pairs_are_refused(first, second):
    with pytest.raises(ConfigError, match="must both have shape"):
        paired_interval(first, second)
