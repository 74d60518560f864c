"""Samples of data sets too large to keep: fair, stratified, bounded."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.callbacks.examples import Examples
from keras_ext.callbacks.reservoir import SLACK, Reservoir
from keras_ext.errors import ConfigError


def filled(y: np.ndarray, limit: int, *, seed: int = 0, batch: int = 32) -> Reservoir:
    """After all examples, whose x is their place."""
    reservoir, x = Reservoir(limit, seed), np.arange(len(y))
    for start in range(0, len(y), batch):
        rows = slice(start, start + batch)
        reservoir.add(Examples(x[rows], y[rows]))
    return reservoir


@pytest.mark.parametrize("count", [1, 31, 32, 33, 50])
def test_few_examples_are_all_kept_in_their_order(count):
    found = filled(np.arange(count), 50).sample()
    np.testing.assert_array_equal(found.x, np.arange(count))
    np.testing.assert_array_equal(found.y, np.arange(count))


@pytest.mark.parametrize("limit", [300, 1000])
@pytest.mark.parametrize("shape", ["numbers", "column", "one-hot", "floats", "booleans"])
def test_a_sorted_stream_gives_each_label_its_share(limit, shape):
    sizes = [4000, 3000, 2000, 600, 400] if shape != "booleans" else [7000, 3000]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    y = {
        "numbers": labels,
        "column": labels[:, None],
        "one-hot": np.eye(5)[labels] if shape == "one-hot" else None,
        "floats": labels.astype("float32"),
        "booleans": labels.astype(bool),
    }[shape]
    found = filled(y, limit).sample()
    np.testing.assert_array_equal(found.y, y[found.x])
    assert len(set(found.x)) == limit
    counts = np.bincount(labels[found.x], minlength=len(sizes))
    assert np.all(np.abs(counts - np.array(sizes) / sum(sizes) * limit) <= 1)


@pytest.mark.parametrize("limit", [7, 12])
def test_every_example_is_as_likely_as_any_other(limit):
    y, hits, runs = np.repeat([0, 1, 2], [20, 10, 10]), np.zeros(40), 1500
    for seed in range(runs):
        hits[filled(y, limit, seed=seed, batch=9).sample().x] += 1
    # The standard deviation of a share is 0.012 at most.
    np.testing.assert_allclose(hits / runs, limit / 40, atol=0.05)


def test_without_classes_the_sample_is_uniform_over_the_stream():
    y = np.random.default_rng(0).integers(0, 2, size=(5000, 3))
    places = np.concatenate([filled(y, 50, seed=seed).sample().x for seed in range(40)])
    assert places.mean() == pytest.approx(2500, abs=4 * 5000 / np.sqrt(12 * len(places)))
    assert np.histogram(places, 10, (0, 5000))[0].min() > 140


def test_numbers_are_spread_over_their_range():
    y = np.sort(np.random.default_rng(0).normal(size=12_000))
    found = filled(y, 200).sample()
    assert len(found) == 200
    quantiles = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(np.quantile(found.y, quantiles), np.quantile(y, quantiles), atol=0.2)


def test_memory_is_bounded_and_what_came_in_is_not_written_to():
    x, y = np.zeros((64, 3)), np.arange(64) % 2
    x.flags.writeable = y.flags.writeable = False
    reservoir = Reservoir(10, 0)
    for _ in range(50):
        reservoir.add(Examples(x, y))
        held = reservoir._held
        kept = len(held) if held is not None else sum(map(len, reservoir._parts))
        assert kept <= SLACK * 10
    assert reservoir.seen == 3200
    assert len(reservoir.sample()) == 10


def test_structures_of_inputs_stay_together():
    reservoir = Reservoir(20, 0)
    for start in range(0, 1000, 50):
        rows = np.arange(start, start + 50)
        reservoir.add(Examples({"a": rows, "b": [2 * rows[:, None]]}, rows % 4))
    found = reservoir.sample()
    np.testing.assert_array_equal(found.x["b"][0][:, 0], 2 * found.x["a"])
    np.testing.assert_array_equal(found.y, found.x["a"] % 4)


def test_the_seed_decides():
    y = np.zeros(500, int)
    same, again, other = (filled(y, 10, seed=seed).sample().x for seed in (1, 1, 2))
    np.testing.assert_array_equal(same, again)
    assert not np.array_equal(same, other)


def test_a_rare_label_may_be_missed_but_the_size_is_kept():
    y = np.zeros(2000, int)
    y[5] = 1
    for seed in range(30):
        assert len(filled(y, 100, seed=seed).sample()) == 100


def test_nothing_is_refused():
    with pytest.raises(ConfigError, match="validation must have at least one example"):
        Reservoir(10, 0).sample("validation")
