"""Estimates from values: what they say, and what they refuse."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_ext.diagnosis import ErrorEstimate
from keras_ext.errors import ConfigError


def test_right_or_wrong_makes_a_proportion():
    estimate = ErrorEstimate.from_values(np.array([False, True, False, False], dtype=bool))
    assert (estimate.error, estimate.count, estimate.proportion) == (0.25, 4, True)
    expected = stats.binomtest(1, 4).proportion_ci(0.9, method="wilson")
    assert estimate.interval(0.9) == pytest.approx(tuple(expected))


def test_other_values_make_a_mean():
    values = np.random.default_rng(0).gamma(2.0, size=400).astype("float32")
    estimate = ErrorEstimate.from_values(values)
    assert not estimate.proportion
    assert estimate.error == pytest.approx(float(values.mean()))
    assert estimate.standard_error == pytest.approx(stats.sem(values.astype(float)))
    expected = stats.norm.interval(0.95, estimate.error, estimate.standard_error)
    assert estimate.interval() == pytest.approx(expected)


def test_no_error_seen_is_not_certainty():
    low, high = ErrorEstimate(0.0, 100, 0.0).interval()
    assert low == 0 < 0.03 < high < 0.04


@given(st.integers(30, 20_000), st.data())
def test_the_standard_error_tells_a_proportion(count, data):
    errors = data.draw(st.integers(0, count))
    p = errors / count
    assert ErrorEstimate(p, count, (p * (1 - p) / count) ** 0.5).proportion
    assert ErrorEstimate(p, count, (p * (1 - p) / (count - 1)) ** 0.5).proportion


def test_a_narrow_mean_within_0_and_1_is_not_a_proportion():
    assert ErrorEstimate(0.5, 100, 0.001).proportion is False
    assert ErrorEstimate(0.5, 100, 0.05, proportion=False).proportion is False


def test_fields_are_plain_values():
    estimate = ErrorEstimate(np.float32(0.5), np.int64(4), np.float32(0.25))
    fields = dataclasses.asdict(estimate)
    assert [type(value) for value in fields.values()] == [float, int, float, bool]
    assert ErrorEstimate(**json.loads(json.dumps(fields))) == estimate


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"shape \(examples,\), got shape \(0,\)"),
        (0.5, r"got shape \(\)"),
        ([[0, 1], [1, 0]], r"got shape \(2, 2\)"),
        ([0.0, np.nan, 1.0, np.inf], r"finite, got nan at row 1 \(2 of 4 rows\)"),
        ([0.3], "at least 2 values"),
    ],
)
def test_values_that_cannot_be_used(values, message):
    with pytest.raises(ConfigError, match=message):
        ErrorEstimate.from_values(values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.nan, 5, 0.1), "error=nan"),
        ((0.1, 5, np.inf), "standard_error=inf"),
        ((0.1, 5, -0.1), "standard_error must be at least 0"),
        ((0.1, 0, 0.1), "count=0"),
        ((1.5, 5, 0.1, True), "error=1.5"),
    ],
)
def test_numbers_that_cannot_be_used(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ErrorEstimate(*arguments)


def test_more_examples_narrow_the_interval_by_the_root():
    estimate = ErrorEstimate(3.0, 100, 0.4).grown(300)
    assert (estimate.error, estimate.count, estimate.standard_error) == (3.0, 400, 0.2)
    assert ErrorEstimate.from_values([0, 1]).grown(8) == ErrorEstimate.from_values([0, 1] * 5)


@given(st.integers(0, 400), st.sampled_from([0.003, 0.01, 0.05]), st.sampled_from([0.9, 0.95]))
def test_examples_for_a_precision_are_just_enough(wrong, precision, confidence):
    estimate = ErrorEstimate.from_values([1] * wrong + [0] * (400 - wrong))
    count = estimate.examples_for(precision, confidence)
    width = {}
    for n in (count - 1, count):
        ci = estimate.grown(n - 400).interval(confidence)
        width[n] = (ci[1] - ci[0]) / 2
    assert width[count] <= precision < width[count - 1]
    p, z = wrong / 400, stats.norm.ppf((1 + confidence) / 2)
    assert count <= z**2 * max(p * (1 - p), 0.01) / precision**2 * 1.1 + z**2 / precision


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_examples_for_the_precision_of_a_mean(spread):
    estimate = ErrorEstimate(2.0, 100, spread / 10, proportion=False)
    count = estimate.examples_for(0.1)
    assert count == np.ceil((stats.norm.ppf(0.975) * spread / 0.1) ** 2)
    assert ErrorEstimate(2.0, 100, 0.0, proportion=False).examples_for(0.1) == 1
    assert estimate.examples_for(1e-9) is None


@pytest.mark.parametrize("precision", [0.0, -0.1, float("nan"), float("inf")])
def test_precision_is_a_number_above_0(precision):
    with pytest.raises(ConfigError, match=f"precision={precision}"):
        ErrorEstimate(0.1, 100, 0.01).examples_for(precision)
