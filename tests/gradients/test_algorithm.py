"""The pure algorithm, on costs whose gradient is known in closed form."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ext.errors import ConfigError
from keras_ext.gradients import algorithm
from keras_ext.gradients.algorithm import check
from keras_ext.gradients.finding import norm_error
from keras_ext.gradients.slope import Slope

SEGMENTS = (slice(0, 60), slice(60, 66), slice(66, 67))


def _quartic(seed: int):
    """sum(c t^4 + a t^2 + b t) + 1 over 67 weights, and its gradient."""
    a, b, c = np.random.default_rng(seed).standard_normal((3, 67))

    def cost(theta: np.ndarray) -> float:
        return float(np.sum(c * theta**4 + a * theta**2 + b * theta)) + 1

    def gradient(theta: np.ndarray) -> np.ndarray:
        return 4 * c * theta**3 + 2 * a * theta + b

    return cost, gradient, np.random.default_rng(seed + 1).standard_normal(67)


@given(seed=st.integers(0, 10_000), method=st.sampled_from(["projection", "exhaustive"]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_right_gradient_is_ok(seed: int, method: str) -> None:
    cost, gradient, theta = _quartic(seed)
    found = check(cost, gradient, theta, SEGMENTS, method=method, seed=seed)
    assert [finding.status for finding in found] == ["ok"] * 3
    assert norm_error([slope for finding in found for slope in finding.slopes]) < 1e-7


@given(
    seed=st.integers(0, 10_000),
    element=st.integers(0, 66),
    factor=st.sampled_from([-1.0, 0.0, 0.5, 1.01, 2.0]),
    method=st.sampled_from(["projection", "exhaustive"]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_one_wrong_element_is_found_and_named(
    seed: int, element: int, factor: float, method: str
) -> None:
    cost, gradient, theta = _quartic(seed)

    def wrong(theta: np.ndarray) -> np.ndarray:
        found = gradient(theta)
        found[element] *= factor
        return found

    number = next(n for n, where in enumerate(SEGMENTS) if element < where.stop)
    found = check(cost, wrong, theta, SEGMENTS, method=method, seed=seed)
    right = gradient(theta)[element]
    assert [finding.status for finding in found] == [
        "wrong" if index == number else "ok" for index in range(3)
    ]
    assert found[number].index == element - SEGMENTS[number].start
    assert found[number].analytic == pytest.approx(factor * right, rel=1e-6)
    assert found[number].numeric == pytest.approx(right, rel=1e-6)


def _relu_network(seed: int, sizes: tuple[int, int, int] = (50, 40, 5), examples: int = 16):
    """A ReLU network with softmax cross-entropy in numpy, and its gradient by hand."""
    rng = np.random.default_rng(seed)
    inputs, hidden, outputs = sizes
    x, y = rng.standard_normal((examples, inputs)), rng.integers(0, outputs, examples)
    ends = np.cumsum([0, inputs * hidden, hidden, hidden * outputs])
    where = [slice(int(a), int(b)) for a, b in pairwise(ends)]
    theta = rng.standard_normal(ends[-1]) * np.sqrt(2 / inputs)

    def forward(theta: np.ndarray):
        first, bias = theta[where[0]].reshape(inputs, hidden), theta[where[1]]
        second = theta[where[2]].reshape(hidden, outputs)
        before = x @ first + bias
        logits = np.maximum(before, 0) @ second
        chances = np.exp(logits - logits.max(1, keepdims=True))
        return before, second, chances / chances.sum(1, keepdims=True)

    def cost(theta: np.ndarray) -> float:
        return float(-np.mean(np.log(forward(theta)[2][np.arange(examples), y])))

    def gradient(theta: np.ndarray) -> np.ndarray:
        before, second, chances = forward(theta)
        back = (chances - np.eye(outputs)[y]) / examples
        down = (back @ second.T) * (before > 0)
        after = np.maximum(before, 0)
        return np.concatenate([(x.T @ down).ravel(), down.sum(0), (after.T @ back).ravel()])

    return cost, gradient, theta, where


@pytest.mark.parametrize("seed", range(10))
def test_a_relu_network_is_never_called_wrong(seed: int) -> None:
    cost, gradient, theta, where = _relu_network(seed)
    found = check(cost, gradient, theta, where, seed=seed)
    assert {finding.status for finding in found} <= {"ok", "kink"}
    assert found[2].status == "ok"


@pytest.mark.parametrize("seed", range(5))
def test_one_wrong_element_among_2000_of_a_relu_network(seed: int) -> None:
    cost, gradient, theta, where = _relu_network(seed)
    element = int(np.argmax(np.abs(gradient(theta)[:2000]) > 1e-3))

    def wrong(theta: np.ndarray) -> np.ndarray:
        found = gradient(theta)
        found[element] *= 2
        return found

    found = check(cost, wrong, theta, where, seed=seed)
    assert (found[0].status, found[0].index) == ("wrong", element)


@pytest.mark.parametrize("scale", [1e-3, 1e-1])
@pytest.mark.parametrize("seed", range(4))
def test_a_single_precision_penalty_is_no_wrong_gradient(seed: int, scale: float) -> None:
    """A staircase: small steps miss the slope of the penalty, and miss it consistently."""
    cost, gradient, theta, where = _relu_network(seed, (20, 10, 5))

    def mixed(theta: np.ndarray) -> float:
        return cost(theta) + float(np.float32(scale) * np.sum(theta.astype("float32") ** 2))

    found = check(mixed, lambda theta: gradient(theta) + 2 * scale * theta, theta, where, seed=seed)
    assert {finding.status for finding in found} <= {"ok", "kink"}
    assert "single" in {finding.precision.name for finding in found}


def test_a_large_kernel_does_not_hide_a_wrong_bias() -> None:
    """One norm over all would: the bias has a millionth of the gradient."""
    weight = np.concatenate([np.full(10_000, 10.0), [1e-3]])

    def gradient(theta: np.ndarray) -> np.ndarray:
        return weight * np.where(np.arange(10_001) == 10_000, -1.0, 1.0)

    found = check(
        lambda theta: float(weight @ theta),
        gradient,
        np.full(10_001, 1e-3),
        [slice(0, 10_000), slice(10_000, 10_001)],
    )
    assert [finding.status for finding in found] == ["ok", "wrong"]
    assert norm_error([slope for finding in found for slope in finding.slopes]) < 1e-3


def test_a_small_constant_error_everywhere_is_suspect() -> None:
    cost, gradient, theta = _quartic(3)
    found = check(cost, lambda theta: gradient(theta) * (1 + 2e-5), theta, SEGMENTS)
    assert {finding.status for finding in found} == {"suspect"}


def test_a_gradient_of_zero_where_the_cost_changes_is_wrong() -> None:
    cost, _, theta = _quartic(0)
    found = check(cost, np.zeros_like, theta, SEGMENTS)
    assert [finding.status for finding in found] == ["wrong"] * 3
    assert [finding.analytic for finding in found] == [0, 0, 0]


def test_weights_without_effect_are_untested() -> None:
    found = check(
        lambda theta: float(theta[:5] @ theta[:5]),
        lambda theta: np.where(np.arange(20) < 5, 2 * theta, 0.0),
        np.ones(20),
        [slice(0, 5), slice(5, 20)],
    )
    assert [finding.status for finding in found] == ["ok", "untested"]
    assert math.isnan(found[1].relative_error)


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_a_corner_at_theta_is_judged_nearby(factor: float) -> None:
    """The sum of ReLUs at 0: as for zero biases under black images."""
    weight = np.linspace(-1, 2, 9)

    def cost(theta: np.ndarray) -> float:
        return float(weight @ np.maximum(theta, 0)) + 1

    found = check(cost, lambda theta: factor * weight * (theta > 0), np.zeros(9), [slice(0, 9)])
    assert found[0].status == ("ok" if factor == 1 else "wrong")


def _relus(theta: np.ndarray) -> float:
    return float(np.linspace(-1, 2, 64) @ np.maximum(theta, 0)) + 1


def test_a_corner_costs_few_evaluations() -> None:
    """Neither are all directions measured at a corner, nor is it searched for the element."""
    calls = []

    def cost(theta: np.ndarray) -> float:
        calls.append(theta)
        return _relus(theta)

    found = check(cost, lambda t: np.linspace(-1, 2, 64) * (t > 0), np.zeros(64), [slice(0, 64)])
    assert found[0].status == "ok"
    assert len(calls) < 50


@pytest.mark.parametrize("method", ["projection", "exhaustive"])
@pytest.mark.parametrize("element", [0, 17, 63])
def test_one_wrong_element_on_a_corner_is_named(element: int, method: str) -> None:
    """Away from the corner, where the others are seen to be right."""
    factors = np.where(np.arange(64) == element, 1.1, 1.0)
    slopes = np.linspace(-1, 2, 64)

    def leaky(theta: np.ndarray) -> float:
        return float(slopes @ (np.maximum(theta, 0) + 0.1 * theta)) + 1

    def gradient(theta: np.ndarray) -> np.ndarray:
        return factors * slopes * ((theta > 0) + 0.1)

    found = check(leaky, gradient, np.zeros(64), [slice(0, 64)], method=method)
    assert (found[0].status, found[0].index) == ("wrong", element)


def test_a_difference_on_no_corner_is_reported_from_where_it_is() -> None:
    """Although a later element stands on a corner, and the gradient is right nearby."""

    def cost(theta: np.ndarray) -> float:
        return float(np.sum(np.sin(theta[:4])) + np.sum(np.maximum(theta[4:], 0))) + 1

    def gradient(theta: np.ndarray) -> np.ndarray:
        found = np.concatenate([np.cos(theta[:4]), theta[4:] > 0])
        found[2] = 0.0 if theta[2] == 0 else found[2]
        return found

    found = check(cost, gradient, np.zeros(8), [slice(0, 8)], method="exhaustive")
    assert (found[0].status, found[0].index) == ("wrong", 2)
    assert found[0].numeric == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("side", [0.0, 1.0])
def test_a_corner_that_cannot_be_left_is_a_kink(
    side: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(algorithm, "NUDGE", 0.0)

    def cost(theta: np.ndarray) -> float:
        return float(np.linspace(-1, 2, 9) @ np.maximum(theta, 0)) + 1

    def gradient(theta: np.ndarray) -> np.ndarray:
        return side * np.linspace(-1, 2, 9)

    found = check(cost, gradient, np.zeros(9), [slice(0, 9)])
    assert found[0].status == "kink"


def test_bad_numbers_are_named() -> None:
    def gradient(theta: np.ndarray) -> np.ndarray:
        return np.where(np.arange(9) == 4, np.nan, 2 * theta)

    def cost(theta: np.ndarray) -> float:
        return float(theta @ theta)

    found = check(cost, gradient, np.ones(9), [slice(0, 3), slice(3, 9)])
    assert [finding.status for finding in found] == ["ok", "not finite"]
    assert found[1].index == 1
    every = check(lambda theta: math.nan, gradient, np.ones(9), [slice(0, 3), slice(3, 9)])
    assert [finding.status for finding in every] == ["not finite"] * 2


def test_a_random_cost_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="must be deterministic, got"):
        check(lambda theta: float(rng.random()), np.zeros_like, np.ones(3), [slice(0, 3)])


def test_exhaustive_draws_as_many_elements_as_asked() -> None:
    cost, gradient, theta = _quartic(0)
    found = check(cost, gradient, theta, SEGMENTS, method="exhaustive", max_elements=7)
    assert [len(finding.slopes) for finding in found] == [7, 6, 1]
    again = check(cost, gradient, theta, SEGMENTS, method="exhaustive", max_elements=7)
    assert found == again


def test_the_same_seed_gives_the_same_findings() -> None:
    cost, gradient, theta = _quartic(0)
    assert check(cost, gradient, theta, SEGMENTS) == check(cost, gradient, theta, SEGMENTS)
    assert check(cost, gradient, theta, SEGMENTS) != check(cost, gradient, theta, SEGMENTS, seed=1)


def test_the_global_figure_is_that_of_the_course() -> None:
    slopes = [Slope("agrees", 3.0, 4.0, 4.0), Slope("differs", 4.0, 3.0, 4.0)]
    assert norm_error(slopes) == pytest.approx(math.sqrt(2) / 10)
    assert norm_error([*slopes, Slope("kink", 9.0, 0.0, 9.0)]) == pytest.approx(math.sqrt(2) / 10)
    assert math.isnan(norm_error([Slope("zero", 0.0, 0.0, 0.0)]))
