"""The average of a noisy course against its weights, and when it is low enough."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.diagnosis import moving_average, steps_to


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(1.5, 50), st.booleans())
def test_against_its_weights(values: list[float], over: float, correct: bool) -> None:
    """The average at t has weights (1 - beta) beta^(t - i); corrected, they add up to one."""
    beta = 1 - 1 / over
    for t, average in enumerate(moving_average(values, over, bias_correction=correct)):
        weights = (1 - beta) * beta ** np.arange(t, -1, -1.0)
        expected = float(weights @ values[: t + 1] / (weights.sum() if correct else 1.0))
        assert average == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_passes_over_what_is_not_finite() -> None:
    smooth = moving_average([nan, 1.0, inf, 3.0], 2)
    assert np.isnan(smooth[0])
    assert smooth[1:3] == [1.0, 1.0]
    assert smooth[3] == pytest.approx(7 / 3)


@pytest.mark.parametrize("costs", [[2.0, 1.5, 1.2], [2.0, nan, 0.1, 0.1], [2.0, inf, 0.1, 0.1]])
def test_a_target_that_is_not_reached_has_no_step(costs: list[float]) -> None:
    assert steps_to(costs, target=1.0, over=1) is None


def test_one_lucky_mini_batch_does_not_reach_the_target() -> None:
    costs = [1.0] * 10 + [0.01] + [1.0] * 10
    assert steps_to(costs, target=0.8, over=5) is None or steps_to(costs, 0.8, 5) == 11
    assert steps_to(costs, target=0.5, over=5) is None
    assert steps_to(costs, target=0.5, over=1) == 11
