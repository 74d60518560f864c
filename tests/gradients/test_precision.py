"""The precision of a cost is measured, not taken from a dtype."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.gradients.precision import precision_of, shortened


def _network(kind: str, rng: np.random.Generator, *, size: int = 30):
    """A two-layer network over a flat theta whose hidden activations are rounded to ``kind``."""
    x, y = rng.standard_normal((8, size)), rng.standard_normal((8, 1))

    def cost(theta: np.ndarray) -> float:
        first, second = theta[:-size].reshape(size, size), theta[-size:].reshape(size, 1)
        hidden = np.tanh(x @ first).astype(kind).astype("float64")
        return float(np.mean(np.square(hidden @ second - y)))

    return cost, rng.standard_normal(size * size + size) / np.sqrt(size)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("kind", "name"), [("float64", "double"), ("float32", "single")])
def test_tells_a_hidden_single_precision_operation(kind: str, name: str, seed: int) -> None:
    cost, theta = _network(kind, np.random.default_rng(seed))
    assert precision_of(cost, theta, slice(0, len(theta)), seed=seed).name == name


def test_weights_behind_the_rounding_are_double(rng: np.random.Generator) -> None:
    cost, theta = _network("float32", rng)
    assert precision_of(cost, theta, slice(0, 900), seed=0).name == "single"
    assert precision_of(cost, theta, slice(900, 930), seed=0).name == "double"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_noise_is_that_of_the_cost(scale: float) -> None:
    """Independent reference: noise of a known standard deviation, added to a smooth cost."""
    noises = iter(np.random.default_rng(1).standard_normal(10_000) * 1e-5 * scale)

    def cost(theta: np.ndarray) -> float:
        return scale * float(theta @ theta) + next(noises)

    found = precision_of(cost, np.ones(4), slice(0, 4), seed=0).noise
    assert 0.4e-5 * scale < found < 2.5e-5 * scale


def test_a_flat_cost_is_double_and_has_a_noise_floor() -> None:
    found = precision_of(lambda theta: 2.0, np.ones(4), slice(0, 4), seed=0)
    assert found.name == "double"
    assert found.noise == pytest.approx(2.0 * 2**-53)


def test_a_cost_of_zero_is_no_division_by_zero() -> None:
    assert precision_of(lambda theta: 0.0, np.ones(2), slice(0, 2), seed=0).step > 0


def test_a_coarse_cost_is_measured_where_its_values_differ() -> None:
    """A cost of 1e5 in single precision doesn't move at all along the smallest spacing."""
    theta = np.random.default_rng(0).standard_normal(100_000)
    found = precision_of(
        lambda theta: float(np.float32(theta @ theta)), theta, slice(0, len(theta)), seed=0
    )
    assert found.name == "single"


def test_steps_along_many_weights_are_shorter() -> None:
    assert shortened(1) == 1.0
    assert shortened(10_000) == pytest.approx(0.05)
