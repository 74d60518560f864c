"""How far the importance of a hyperparameter may be chance."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.diagnosis.search import importance, importances
from keras_ext.errors import ConfigError


def trials(count: int, seed: int, strength: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    places = {name: rng.uniform(size=count) for name in ("matters", "doesn't")}
    return places, np.exp(strength * places["matters"] + rng.normal(size=count))


def test_intervals_cover_the_importance_in_very_many_trials() -> None:
    places, errors = trials(50_000, 0, 1.6)
    truth = {name: importance(column, errors) for name, column in places.items()}
    covered = dict.fromkeys(places, 0)
    for seed in range(40):
        drawn, some = trials(48, 100 + seed, 1.6)
        found = importances(drawn, some, resamples=100, seed=seed)
        for name in covered:
            low, high = found.interval(name)
            covered[name] += low <= truth[name] <= high
    assert truth["matters"] == pytest.approx(0.165, abs=0.02)
    # 40 draws of a probability of 0.95 are below 33 once in a thousand times.
    assert min(covered.values()) >= 33


def test_differences_are_of_the_same_trials() -> None:
    places, errors = trials(60, 1, 4.0)
    found = importances(places, errors)
    assert found.values == {name: importance(column, errors) for name, column in places.items()}
    value, low, high = found.difference(["matters"], ["doesn't"])
    assert value == found.values["matters"] - found.values["doesn't"]
    assert 0 < low < value < high
    assert found.difference(["matters"], ["matters"]) == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_intervals() -> None:
    places, errors = trials(30, 2, 1.0)
    one, other = (importances(places, errors, seed=3).interval("matters") for _ in range(2))
    assert one == other
    assert one != importances(places, errors, seed=4).interval("matters")


def test_a_confidence_that_is_none_is_refused() -> None:
    places, errors = trials(30, 2, 1.0)
    with pytest.raises(ConfigError, match="confidence"):
        importances(places, errors, resamples=20).interval("matters", confidence=95)
