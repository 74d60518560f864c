"""Intervals over seeds, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from keras_ext.diagnosis import over_seeds
from keras_ext.diagnosis.intervals import t_quantile
from keras_ext.errors import ConfigError


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 10, 99])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_the_quantile_is_scipys(freedom, confidence):
    expected = stats.t.ppf((1 + confidence) / 2, freedom)
    assert t_quantile(confidence, freedom) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("confidence", "freedom"), [(0, 3), (1, 3), (0.95, 0)])
def test_other_levels_are_refused(confidence, freedom):
    with pytest.raises(ConfigError, match="must be"):
        t_quantile(confidence, freedom)


def test_the_interval_is_scipys(rng):
    values = rng.normal(size=6)
    low, high = stats.t.interval(0.9, 5, values.mean(), stats.sem(values))
    found = over_seeds(values, 0.9)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.value, found.seeds) == (pytest.approx(values.mean()), 6)


def test_a_limit_is_passed_by_the_whole_interval_alone():
    found = over_seeds([0.9, 1.0, 1.1])
    assert found.above(0)
    assert not found.above(0.9)
    assert found.below(2)
    assert not found.below(1.1)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_other_values_are_refused(values):
    with pytest.raises(ConfigError, match="at least 2 seeds"):
        over_seeds(values)


def test_a_geometric_mean_treats_a_half_and_a_double_alike() -> None:
    ratios = np.array([0.5, 0.8, 0.4])
    found, turned = (over_seeds(values, geometric=True) for values in (ratios, 1 / ratios))
    assert found.value == pytest.approx(np.prod(ratios) ** (1 / 3))
    assert (found.low, found.high) == pytest.approx((1 / turned.high, 1 / turned.low))


@pytest.mark.parametrize("values", [[0.5, 0.0], [0.5, -1.0], [0.5, np.nan]])
def test_a_geometric_mean_needs_ratios_above_0(values) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        over_seeds(values, geometric=True)
