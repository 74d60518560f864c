"""Verdicts and the number of examples that would settle one."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keras_ext.diagnosis import ErrorEstimate
from keras_ext.diagnosis.gap import above_optimal, between


def share(errors: int, count: int) -> ErrorEstimate:
    return ErrorEstimate.from_values([1] * errors + [0] * (count - errors))


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (ErrorEstimate(1.0, 9, 0.1), "present"),
        (ErrorEstimate(0.6, 9, 0.1), "inconclusive"),
        (ErrorEstimate(0.2, 9, 0.1, proportion=False), "absent"),
    ],
)
def test_the_whole_interval_must_be_beyond_the_tolerance(estimate, verdict):
    gap = above_optimal(estimate, 0.0, 0.5, 0.95)
    assert gap.verdict == verdict
    assert (gap.examples_needed is None) == (verdict != "inconclusive")


def test_the_optimal_error_moves_the_interval():
    estimate = share(30, 1000)
    low, high = estimate.interval()
    gap = above_optimal(estimate, 0.02, 0.005, 0.95)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.01, low - 0.02, high - 0.02))


@settings(max_examples=60)
@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.0, 0.005, 0.02]))
def test_examples_needed_are_just_enough(upper, lower, tolerance):
    a, b = share(upper, 1000), share(lower, 800)
    gap = between(a, b, tolerance, 0.95)
    assume(gap.verdict == "inconclusive" and gap.examples_needed is not None)
    needed = gap.examples_needed
    settled = between(a.grown(needed), b.grown(needed), tolerance, 0.95)
    assert settled.verdict == ("present" if gap.value > tolerance else "absent")
    before = between(a.grown(needed - 1), b.grown(needed - 1), tolerance, 0.95)
    assert before.verdict == "inconclusive"


def test_examples_needed_by_counting():
    estimate = share(8, 1000)
    needed = next(
        n for n in range(5000) if above_optimal(estimate.grown(n), 0.0, 0.005, 0.95).low > 0.005
    )
    assert above_optimal(estimate, 0.0, 0.005, 0.95).examples_needed == needed


def test_a_gap_as_large_as_the_tolerance_is_never_settled():
    estimate = share(10, 1000)
    gap = between(estimate, estimate, 0.0, 0.95)
    assert (gap.value, gap.verdict, gap.examples_needed) == (0.0, "inconclusive", None)


@given(st.integers(0, 50), st.integers(0, 50))
def test_no_tolerance_is_significance_alone(upper, lower):
    gap = between(share(upper, 100), share(lower, 100), 0.0, 0.95)
    assert (gap.verdict == "present") == (gap.low > 0)
    assert (gap.verdict == "absent") == (gap.high < 0)


@settings(max_examples=40)
@given(st.integers(0, 25), st.integers(0, 25), st.integers(1, 4), st.sampled_from([0.0, 0.02]))
def test_examples_needed_by_counting_one_by_one(upper, lower, half, tolerance):
    """Both samples grow; none of the smaller numbers settles it, and no larger one unsettles it."""
    a, b = share(upper, 100), share(lower, 50 * half)
    gap = between(a, b, tolerance, 0.95)
    assume(gap.verdict == "inconclusive")

    def verdict(more: int) -> str:
        return between(a.grown(more), b.grown(more), tolerance, 0.95).verdict

    if gap.examples_needed is None:
        assert abs(gap.value - tolerance) < 1e-4
        return
    needed = gap.examples_needed
    earlier = range(1, needed, max(1, needed // 300))
    assert {verdict(more) for more in earlier} <= {"inconclusive"}
    expected = "present" if gap.value > tolerance else "absent"
    assert {verdict(needed * times) for times in (1, 2, 3, 10, 100)} == {expected}


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 15))
def test_a_gap_farther_from_the_tolerance_needs_fewer_examples(lower, excess, more):
    """Of two upper errors with the same spread; a proportion's own spread grows with it."""

    def gap(value: float):
        return between(ErrorEstimate(value, 100, 0.05, False), share(lower, 100), 0.0, 0.95)

    near, far = (gap((lower + extra) / 100) for extra in (excess, excess + more))
    if far.verdict == "inconclusive":
        assert far.examples_needed <= near.examples_needed
    else:
        assert far.verdict == "present"


def test_to_be_surer_takes_more_examples():
    needed = [between(share(30, 500), share(20, 500), 0.0, c).examples_needed for c in (0.9, 0.99)]
    assert needed[0] < needed[1]
