"""One slope, measured by central differences with a statement of how uncertain it is."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.gradients.precision import Precision, precision_of
from keras_ext.gradients.slope import Point, Slope, measure

DOUBLE = Precision("double", noise=2e-16, step=6e-6, ok=1e-6, wrong=1e-4)


def _slope(cost, gradient, theta: float, precision: Precision = DOUBLE) -> Slope:
    at = np.array([theta])

    def value(where: np.ndarray) -> float:
        return float(cost(where[0]))

    point = Point(value, at, np.array([float(gradient(theta))]), value(at))
    return measure(point, slice(0, 1), np.ones(1), precision)


@pytest.mark.parametrize("theta", [-1.5, 0.3, 40.0])
@pytest.mark.parametrize(
    ("cost", "gradient"),
    [
        (lambda t: 3 * t + 1, lambda t: 3.0),
        (lambda t: t**2 + 1, lambda t: 2 * t),
        (lambda t: np.sin(t) + 2, np.cos),
        (lambda t: np.exp(t / 10), lambda t: np.exp(t / 10) / 10),
    ],
)
def test_a_right_gradient_of_a_smooth_cost_agrees(cost, gradient, theta: float) -> None:
    found = _slope(cost, gradient, theta)
    assert found.verdict == "agrees"
    assert found.relative_error < 1e-8


@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.5, 1.001, 2.0])
def test_a_wrong_gradient_differs(factor: float) -> None:
    found = _slope(lambda t: t**2 + 1, lambda t: 2 * t * factor, 0.7)
    assert found.verdict == "differs"
    assert found.numeric == pytest.approx(1.4, rel=1e-8)


def test_a_straight_through_gradient_differs_from_a_flat_cost() -> None:
    assert _slope(np.round, lambda t: 1.0, 0.7).verdict == "differs"


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_a_corner_at_theta_is_a_kink(side: float) -> None:
    """Both estimates of the central difference agree on 0.5 there, and both are no slope."""
    assert _slope(lambda t: max(t, 0.0) + 1, lambda t: side, 0.0).verdict == "kink"


@pytest.mark.parametrize("share", [0.01, 0.05, 1 / 6, 0.25, 1 / 3, 0.4, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_corner_within_the_step_is_no_difference(share: float, side: float) -> None:
    """Wherever it lies: a smaller step passes it by."""
    corner = side * share * DOUBLE.step
    gradient = 0.0 if corner > 0 else 1.0
    found = _slope(lambda t: max(t - corner, 0.0) + 1, lambda t: gradient, 0.0)
    assert found.verdict in ("agrees", "zero", "kink")


def test_a_corner_far_away_hides_nothing() -> None:
    assert _slope(lambda t: max(t, 0.0) + 1, lambda t: 1.5, 0.1).verdict == "differs"


@pytest.mark.parametrize("seed", range(20))
def test_many_corners_are_no_difference(seed: int) -> None:
    """A sum of ReLUs at random places within reach, with its right gradient at theta."""
    places = np.random.default_rng(seed).uniform(-1, 1, 12) * DOUBLE.step

    def cost(t: float) -> float:
        return float(np.maximum(t - places, 0).sum() + t + 1)

    found = _slope(cost, lambda t: float((t > places).sum()) + 1, 0.0)
    assert found.verdict in ("agrees", "kink")


def test_zero_against_zero_is_neither_right_nor_wrong() -> None:
    assert _slope(lambda t: 3.0, lambda t: 0.0, 1.0).verdict == "zero"


def test_a_slope_below_the_noise_is_not_judged() -> None:
    assert _slope(lambda t: 1 + 1e-14 * t, lambda t: 5e-14, 1.0).verdict in ("zero", "noise")


def test_noise_is_no_difference() -> None:
    noises = iter(np.random.default_rng(0).standard_normal(1000) * 1e-6)
    loud = Precision("single", noise=1e-6, step=1e-2, ok=1e-3, wrong=1e-2)
    found = _slope(lambda t: t**2 / 100 + 1 + next(noises), lambda t: t / 50, 0.7, loud)
    assert found.verdict in ("agrees", "noise", "kink")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cost_that_is_not_finite_says_so(bad: float) -> None:
    assert _slope(lambda t: 1.0 if t == 0.7 else bad, lambda t: 1.0, 0.7).verdict == "not finite"
    assert _slope(lambda t: t, lambda t: bad, 0.7).verdict == "not finite"


def test_a_right_gradient_costs_two_evaluations() -> None:
    calls = []

    def cost(theta: np.ndarray) -> float:
        calls.append(theta)
        return float(theta @ theta)

    theta = np.arange(5.0)
    measure(Point(cost, theta, 2 * theta, 30.0), slice(0, 5), np.ones(5), DOUBLE)
    assert len(calls) == 2


def test_theta_is_not_written_to() -> None:
    theta = np.arange(5.0)
    point = Point(lambda theta: float(theta @ theta), theta, np.zeros(5), 30.0)
    measure(point, slice(1, 3), np.ones(2), DOUBLE)
    assert theta.tolist() == [0, 1, 2, 3, 4]


def test_a_single_precision_cost_is_measured_with_its_own_step() -> None:
    def cost(t: float) -> float:
        return float(np.float32(np.sin(np.float32(t))) + np.float32(2))

    theta = np.array([0.3])
    precision = precision_of(lambda where: cost(where[0]), theta, slice(0, 1), seed=0)
    assert precision.name == "single"
    assert _slope(cost, np.cos, 0.3, precision).verdict == "agrees"
    assert _slope(cost, lambda t: 1.2 * np.cos(t), 0.3, precision).verdict == "differs"
