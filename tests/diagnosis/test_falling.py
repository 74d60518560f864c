"""Costs that fall, and costs that don't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.diagnosis import falling

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("costs", "noise", "passed", "rises"),
    [
        ([2.0, 1.0, 0.5], 0.0, True, ()),
        ([2.0, 1.0, 1.0001], 0.0, False, (2,)),
        ([2.0, 1.0, 1.09], 0.05, True, ()),
        ([2.0, 1.0, 1.11], 0.05, False, (2,)),
        ([2.0, 2.05], 0.05, False, ()),
        ([2.0, 2.0], 0.0, False, ()),
        ([-1.0, -2.0, -1.96], 0.05, True, ()),
        ([2.0, NAN], 0.05, False, (1,)),
        ([NAN, 1.0], 0.05, False, (1,)),
        ([2.0, 1.0, INF], 0.05, False, (2,)),
        ([2.0], 0.05, None, ()),
        ([], 0.05, None, ()),
    ],
)
def test_known_cases(costs, noise, passed, rises):
    found = falling(costs, noise=noise)
    assert (found.passed, found.rises) == (passed, rises)
    if len(costs) > 1 and costs[0] == costs[0]:
        assert found.first == costs[0]


@given(st.lists(st.floats(0.001, 100), min_size=2, max_size=20), st.sampled_from([0.25, 2.0, 64.0]))
def test_the_unit_of_the_cost_does_not_matter(costs, scale):
    one, other = falling(costs), falling([scale * cost for cost in costs])
    assert (one.passed, one.rises) == (other.passed, other.rises)


@given(st.lists(st.floats(0.001, 100), min_size=2, max_size=20, unique=True))
def test_sorted_costs_fall_and_their_reverse_does_not(costs):
    down = sorted(costs, reverse=True)
    assert falling(down, noise=0).passed
    assert not falling(down[::-1], noise=0).passed
