"""Splits: disjoint, stratified, seeded, and blind to published test labels."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.data import Arrays, sample, split
from keras_ext.errors import ConfigError, DataError


def numbered(labels: np.ndarray, **fields: Any) -> Arrays:
    """Examples whose feature is their row."""
    return Arrays(np.arange(len(labels))[:, None], labels, **fields)


def rows(arrays: Arrays) -> list[int]:
    return [int(row) for row in arrays.x[:, 0]]


class Guarded:
    """Labels that raise when one from row ``limit`` on is looked at; slicing is no look."""

    ndim = 1

    def __init__(self, labels: np.ndarray, limit: int) -> None:
        self.labels, self.limit = labels, limit
        self.dtype, self.shape = labels.dtype, labels.shape

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return Guarded(self.labels[key], self.limit - key.indices(len(self))[0])
        rows = np.arange(len(self))[key]
        if np.max(rows) >= self.limit:
            raise AssertionError(f"label {np.max(rows)} was read")
        return self.labels[key]

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        if len(self) > self.limit:
            raise AssertionError("all labels were read")
        return self.labels


@given(
    st.lists(st.integers(8, 80), min_size=1, max_size=6),
    st.integers(0, 2**40),
    st.sampled_from([None, 0.15, 0.3]),
)
def test_law_disjoint_whole_and_stratified(
    counts: list[int], seed: int, validation: float | None
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    total = len(labels)
    held_out = max(len(counts), total // 5)
    parts = split(numbered(labels), seed=seed, validation=validation, test=held_out)
    by_part = [rows(part) for part in (parts.train, parts.validation, parts.test)]
    assert sorted(itertools.chain(*by_part)) == list(range(total))
    assert len(parts.test) == held_out
    assert len(parts.validation) == round((validation or 0.2) * total)
    for part in (parts.validation, parts.test):
        for label, count in enumerate(counts):
            quota = count * len(part) / total
            if min(counts) * len(part) >= total:
                assert abs(int(np.sum(part.y == label)) - quota) < 1
    for part in (parts.train, parts.validation, parts.test):
        assert np.array_equal(part.y, labels[rows(part)])


def test_the_seed_decides_on_every_machine() -> None:
    arrays = numbered(np.arange(40) % 2)
    assert rows(split(arrays, seed=3).test) == [0, 25, 5, 30]
    assert rows(split(arrays, seed=3).train) == rows(split(arrays, seed=3).train)
    assert rows(split(arrays, seed=3).train) != rows(split(arrays, seed=4).train)


def test_parts_are_in_random_order_even_when_the_data_are_sorted_by_class() -> None:
    parts = split(numbered(np.repeat([0, 1], 500)), seed=0)
    assert 150 < int(np.sum(parts.train.y[:350] == 0)) < 200


def test_the_published_test_set_stays_and_its_labels_are_not_read() -> None:
    labels: Any = Guarded(np.arange(2000) % 3, 1500)
    published = {"train": (0, 1500), "test": (1500, 2000)}
    parts = split(Arrays(np.arange(2000)[:, None], labels, "d", ("a", "b", "c"), published), seed=0)
    assert rows(parts.test) == list(range(1500, 2000))
    assert len(parts.validation) == round(0.2 * 2000)
    assert sorted(rows(parts.train) + rows(parts.validation)) == list(range(1500))
    assert isinstance(parts.test.y, Guarded)


@pytest.mark.parametrize(
    "look",
    [np.bincount, np.asarray, np.unique, lambda y: y[np.arange(1600)], lambda y: y[1500:][0]],
)
def test_the_guard_of_the_test_above_does_raise(look: Any) -> None:
    with pytest.raises(AssertionError, match="read"):
        look(Guarded(np.zeros(2000, int), 1500))


def test_published_validation_stays_unless_another_is_asked_for() -> None:
    published = {"train": (0, 60), "validation": (60, 90), "test": (90, 100), "extra": (100, 120)}
    arrays = numbered(np.arange(120) % 2, published=published)
    kept = split(arrays, seed=0)
    assert (rows(kept.train), rows(kept.validation)) == (list(range(60)), list(range(60, 90)))
    drawn = split(arrays, seed=0, validation=20)
    assert len(drawn.validation) == 20
    assert sorted(rows(drawn.train) + rows(drawn.validation)) == list(range(90))


def test_values_for_regression_are_divided_at_random() -> None:
    parts = split(numbered(np.linspace(0, 1, 100)), seed=0)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [70, 20, 10]
    assert rows(parts.test) != sorted(rows(parts.test))


@pytest.mark.parametrize("size", [0, 1.0, -0.1, -3, True, float("nan"), "0.1"])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match=r"validation must be a fraction in .* got validation="):
        split(numbered(np.arange(100) % 2), seed=0, validation=size)


def test_data_that_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="class '1' has 2 of the 3 examples"):
        split(numbered(np.array([0] * 98 + [1] * 2)), seed=0)
    with pytest.raises(DataError, match=r"too few for test"):
        split(numbered(np.array([0, 0, 0])), seed=0)
    with pytest.raises(DataError, match="60 held out leave none"):
        split(numbered(np.arange(60) % 2), seed=0, validation=50, test=10)
    with pytest.raises(DataError, match="of the 3 examples of a class would be held out"):
        split(numbered(np.array([0] * 97 + [1] * 3)), seed=0, validation=0.66, test=0.3)
    with pytest.raises(DataError, match="0 examples"):
        split(numbered(np.arange(0)), seed=0)


def test_classes_without_examples_and_labels_without_a_class() -> None:
    """More classes than labels, no matter where; labels below and above the classes."""
    labels, names = np.arange(100) % 2, ("a", "b", "c")
    with pytest.raises(DataError, match=r"has 0 of the 3 examples .* drop the class"):
        split(numbered(labels, classes=names), seed=0)
    with pytest.raises(DataError, match="class 'c' has 0 of the 1 examples"):
        sample(numbered(labels, classes=names), 10, seed=0)
    assert len(split(numbered(labels, classes=names), seed=0, stratify=False).train) == 70
    for label in (-1, 3):
        wrong = np.append(labels, label)
        with pytest.raises(DataError, match=f"arrays has label {label}, but 3 classes from 0 on"):
            split(numbered(wrong, classes=names), seed=0)


def test_requests_that_contradict_the_data() -> None:
    published = {"train": (0, 80), "test": (80, 100)}
    with pytest.raises(ConfigError, match=r"publishes a test split: leave test out, got test=0\.1"):
        split(numbered(np.arange(100) % 2, published=published), seed=0, test=0.1)
    with pytest.raises(DataError, match="no train split"):
        split(numbered(np.arange(100) % 2, published={"test": (0, 10)}), seed=0)
    with pytest.raises(ConfigError, match=r"whole-number labels .* got float64"):
        split(numbered(np.linspace(0, 1, 100)), seed=0, stratify=True)


def test_without_stratification_a_rare_class_is_no_hindrance() -> None:
    parts = split(numbered(np.array([0] * 98 + [1] * 2)), seed=0, stratify=False)
    assert len(parts.train) == 70


def test_a_sample_keeps_proportions() -> None:
    arrays = numbered(np.repeat([0, 1, 2], [600, 300, 100]))
    chosen = sample(arrays, 100, seed=1)
    assert np.bincount(chosen.y).tolist() == [60, 30, 10]
    assert len(set(rows(chosen))) == 100
    assert rows(chosen) == rows(sample(arrays, 100, seed=1))
    assert rows(chosen) != rows(sample(arrays, 100, seed=2))
    assert sample(arrays, 1000, seed=0) is arrays
    assert len(sample(numbered(np.linspace(0, 1, 50)), 7, seed=0)) == 7
    with pytest.raises(ConfigError, match="count=0"):
        sample(arrays, 0, seed=0)
    with pytest.raises(DataError, match="the sample of 2 examples has no room"):
        sample(arrays, 2, seed=0)
