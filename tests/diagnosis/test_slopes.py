"""Slopes against scipy's, and the scatter against noise of a known size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from keras_ext.diagnosis.slopes import scatter, slope_interval


@pytest.mark.parametrize("count", [2, 5, 6, 11, 40])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_slope_and_limits_are_those_of_scipy(count, confidence, rng):
    x, y = np.sort(rng.normal(size=count)), rng.normal(size=count)
    expected = stats.theilslopes(y, x, alpha=confidence)
    found = slope_interval(x, y, confidence)
    assert found[0] == pytest.approx(expected.slope)
    assert found[1:] == pytest.approx((expected.low_slope, expected.high_slope))


def test_a_few_outliers_do_not_move_it(rng):
    x = np.arange(20.0)
    y = 3 * x + 1
    y[[2, 9, 15]] = [1e6, -1e6, 1e9]
    assert slope_interval(x, y)[0] == pytest.approx(3)


def test_pairs_at_the_same_place_are_left_out():
    assert slope_interval([0, 0, 1, 1], [5, 7, 8, 6])[0] == pytest.approx(1)
    assert np.isnan(slope_interval([2, 2, 2], [1, 2, 3])).all()


def test_the_limits_hold_the_true_slope_about_as_often_as_they_say(rng):
    x, inside = np.arange(12.0), 0
    for _ in range(1000):
        _, low, high = slope_interval(x, 0.5 * x + rng.normal(size=12), 0.9)
        inside += low <= 0.5 <= high
    assert 0.87 <= inside / 1000 <= 0.94


def test_scatter_finds_the_noise_around_a_trend(rng):
    x = np.arange(3000)
    assert scatter(0.3 * x + rng.normal(scale=2.0, size=3000)) == pytest.approx(2.0, rel=0.06)
    kink = np.where(x < 1500, 0.0, 5.0 * (x - 1500))
    assert scatter(kink + rng.normal(scale=2.0, size=3000)) == pytest.approx(2.0, rel=0.06)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 9.0]])
def test_too_few_points_have_no_scatter(values):
    assert scatter(values) == 0
