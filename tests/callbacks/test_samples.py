"""How many examples are measured, and that data is read once."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from keras_ext.callbacks.outputs import ONLY
from keras_ext.callbacks.samples import PILOT_EXAMPLES, Samples
from keras_ext.diagnosis import ErrorEstimate
from keras_ext.errors import ConfigError, DivergedError

Z = 1.959964


def arrays(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(count), np.arange(count) % 10


class Batches(list):
    """Counts how often it is read."""

    read = 0

    def __iter__(self):
        self.read += 1
        return super().__iter__()


def wrong(share: float):
    """A model that is wrong on this share of any examples."""

    def estimate(examples):
        count = len(examples)
        return ErrorEstimate.from_values(np.arange(count) < round(share * count))

    return estimate


def drawn(train: int, validation: int, most: int, precision: float | None = None) -> Samples:
    data = {"train": arrays(train), "validation": arrays(validation), "train_validation": None}
    samples = Samples(data, most, precision)
    samples.draw(ONLY)
    return samples


@pytest.mark.parametrize(
    ("train", "validation", "most", "sizes"),
    [
        (9000, 700, 10_000, (5000, 700)),
        (9000, 7000, 10_000, (7000, 7000)),
        (9000, 7000, 2000, (2000, 2000)),
        (300, 7000, 10_000, (300, 7000)),
    ],
)
def test_sizes_without_a_precision(train, validation, most, sizes):
    samples = drawn(train, validation, most)
    assert samples.sizes() == dict(zip(("train", "validation"), sizes, strict=True))
    assert samples.sized(wrong(0.1)) is samples.chosen


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5])
def test_the_first_measurement_sets_the_size(share):
    samples = drawn(30_000, 20_000, 15_000, precision=0.01)
    assert samples.sizes() == {}
    found = samples.sized(wrong(share))
    expected = max(PILOT_EXAMPLES, Z**2 * share * (1 - share) / 0.01**2)
    for part in found.values():
        assert len(part) == pytest.approx(expected, rel=0.03)
        low, high = wrong(share)(part).interval()
        assert (high - low) / 2 <= 0.0101
    assert samples.sized(wrong(0.5)) is found


def test_an_error_above_a_half_needs_as_many_as_a_half():
    sizes = []
    for share in (0.9, 0.5):
        samples = drawn(20_000, 20_000, 20_000, precision=0.01)
        samples.sized(wrong(share))
        sizes.append(samples.sizes())
    assert sizes[0] == sizes[1]


def test_a_mean_is_sized_by_its_spread():
    spread = np.random.default_rng(0).normal(5.0, 2.0, size=50_000)

    def estimate(examples):
        return ErrorEstimate.from_values(spread[examples.x])

    samples = drawn(50_000, 50_000, 50_000, precision=0.04)
    for part in samples.sized(estimate).values():
        assert len(part) == pytest.approx((Z * 2.0 / 0.04) ** 2, rel=0.1)
        assert Z * estimate(part).standard_error == pytest.approx(0.04, rel=0.05)


def test_the_limit_stands_above_the_precision():
    samples = drawn(9000, 800, 3000, precision=1e-12)
    samples.sized(wrong(0.3))
    assert samples.sizes() == {"train": 3000, "validation": 800}


def test_a_size_always_means_the_same_examples():
    first, again = drawn(9000, 800, 3000, 0.01), drawn(9000, 800, 3000, 0.01)
    first.sized(wrong(0.02))
    again.resize(first.sizes())
    for name, part in first.chosen.items():
        np.testing.assert_array_equal(part.x, again.chosen[name].x)


def test_a_data_set_is_read_once_also_by_copies():
    train = Batches([(np.full(100, label), np.full(100, label)) for label in range(10)])
    samples = Samples({"train": train, "validation": arrays(50)}, 200, None)
    memo = {id(item): item for item in samples.shared()}
    twin = copy.deepcopy(samples, memo)
    for part in (samples, twin, samples):
        part.forget()
        part.draw(ONLY)
    assert train.read == 1
    assert twin.chosen["train"] is samples.chosen["train"]
    # A sorted data set, of which each label gets its share all the same.
    np.testing.assert_array_equal(np.bincount(samples.chosen["train"].y), [20] * 10)


def test_a_long_way_to_the_end_is_told_once():
    train = Batches([(np.full(100, label), np.full(100, label)) for label in range(30)])
    samples = Samples({"train": train, "validation": arrays(50)}, 100, None)
    with pytest.warns(UserWarning, match="1,000 examples of train are read, and more come") as told:
        samples.draw(ONLY)
    assert len(told) == 1


def test_what_does_not_fit_is_named():
    samples = drawn(100, 50, 1000)

    def refuse(examples):
        raise ValueError("first line\nsecond line") if len(examples) == 20 else AssertionError

    with pytest.raises(ConfigError, match=r"^train does not fit the model: first line$"):
        samples.try_first(20, refuse)

    def of_keras(examples):
        raise ValueError("Exception encountered when calling A.call().\n\n\x1b[1mrank 3\x1b[0m\n")

    with pytest.raises(ConfigError, match=r"^train does not fit the model: rank 3$"):
        samples.try_first(20, of_keras)

    def unknown(examples):
        raise ConfigError("error must be something else")

    with pytest.raises(ConfigError, match=r"^train can't be measured: error must be something"):
        samples.try_first(20, unknown)

    def diverged(examples):
        raise DivergedError("not finite")

    samples.try_first(20, diverged)
