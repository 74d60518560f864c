"""The smooth model finds a dip between the points, and says what it doesn't know."""

from __future__ import annotations

import numpy as np

from keras_ext.tuning.axes import Axis
from keras_ext.tuning.proposal import Trials, Tried
from keras_ext.tuning.smooth_model import _gain, _predict, promising

AXES = (Axis("a", 0.1), Axis("b", 0.9), Axis("kind", "x", choices=("x", "y"), ordered=False))


def error(values: dict[str, float]) -> float:
    return 0.05 + (values["a"] - 0.6) ** 2 + (values["b"] - 0.4) ** 2


def trials(rng: np.random.Generator, count: int = 14) -> Trials:
    points = [{"a": float(a), "b": float(b), "kind": "x"} for a, b in rng.random((count, 2))]
    return Trials(AXES, [Tried(point, error(point)) for point in points])


def test_it_improves_on_the_best_of_the_points() -> None:
    """On average over ten sets of points."""
    before, after = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        known = trials(rng)
        best = known.best()
        assert best is not None
        found = promising(known, best.values, 0.3, rng, AXES[:2])
        assert found is not None
        assert found["kind"] == "x"
        before.append(error(best.values))
        after.append(error(found))
    assert np.mean(after) < np.mean(before)


def test_a_space_that_is_used_up_gives_nothing(rng: np.random.Generator) -> None:
    axes = (Axis("on", 1, choices=(1, 2)),)
    known = Trials(axes, [Tried({"on": 1}, 0.1), Tried({"on": 2}, 0.2)])
    assert promising(known, {"on": 1}, 1.0, rng, axes) is None


def test_an_error_of_zero_is_a_point_like_any_other(rng: np.random.Generator) -> None:
    known = Trials(AXES, [Tried({"a": a, "b": 0.5, "kind": "x"}, error) for a, error in (
        (0.1, 0.2), (0.5, 0.0), (0.9, 0.2))])  # fmt: skip
    found = promising(known, {"a": 0.5, "b": 0.5, "kind": "x"}, 0.5, rng, AXES[:1])
    assert found is not None
    assert 0.2 < found["a"] < 0.8


def test_the_prediction_is_that_of_the_textbook(rng: np.random.Generator) -> None:
    """Rasmussen and Williams, equations 2.25 and 2.26, with an inverse in place of Cholesky."""
    seen, targets = rng.random((6, 2)), rng.normal(size=6)
    points = rng.random((4, 2))
    mean, deviation = _predict(seen, targets, points)
    from keras_ext.tuning.smooth_model import LENGTHS, NOISES, SEPARATE, _kernel

    closest = np.inf
    for length in LENGTHS:
        for noise in NOISES:
            for separate in SEPARATE:
                kernel = _kernel(length, separate)
                inverse = np.linalg.inv(kernel(seen, seen) + noise * np.eye(6))
                across = kernel(seen, points)
                expected = across.T @ inverse @ targets
                variance = 1 - np.einsum("ij,ik,kj->j", across, inverse, across)
                apart = abs(mean - expected).max() + abs(deviation**2 - variance).max()
                closest = min(closest, float(apart))
    assert closest < 1e-9


def test_expected_improvement_against_a_sum_over_draws(rng: np.random.Generator) -> None:
    draws = np.maximum(0, 0.3 + 0.5 * rng.normal(size=200_000))
    assert abs(_gain(0.3, 0.5) - draws.mean()) < 0.005
