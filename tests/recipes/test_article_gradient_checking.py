"""Gradient checking: the orders of both differences, and planted bugs."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext import data
from keras_ext.diagnosis.slopes import slope_interval
from recipes.article import differences, planted

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def digits():
    return data.sample(data.load("mnist").part("train"), 32, seed=0)


@pytest.mark.parametrize(("kind", "power"), [("one-sided", 1), ("two-sided", 2)])
def test_the_error_falls_with_the_power_of_epsilon(digits, kind, power) -> None:
    errors = differences.differences(digits, kind)[1:6]
    found = slope_interval(np.log10(differences.STEPS[1:6]), np.log10(errors))[0]
    assert found == pytest.approx(power, abs=0.1)


def test_no_epsilon_is_good_in_single_precision(digits) -> None:
    double, single = (differences.differences(digits, kind) for kind in ("two-sided", "single"))
    assert double.min() < 1e-9
    assert 1e-7 < differences.STEPS[double.argmin()] < 1e-3
    assert single.min() > 1e-7


def test_a_right_gradient_passes(digits) -> None:
    report = planted.checked(digits, 0, 0.1, planted=False)
    assert report.ok
    assert report.relative_error < 1e-7


@pytest.mark.parametrize("strength", [1e-3, 0.1])
def test_a_planted_bug_is_found_at_its_weight(digits, strength) -> None:
    report = planted.checked(digits, 0, strength, planted=True)
    assert planted.spot(report) == planted.place(0)
    assert report.relative_error > 1e-7
