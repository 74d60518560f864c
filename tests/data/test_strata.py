"""Classes as groups of rows, and places divided among them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.data._strata import allocate, class_rows
from keras_ext.errors import DataError
from keras_ext.records import Arrays

sizes_and_total = st.lists(st.integers(1, 500), min_size=1, max_size=12).flatmap(
    lambda sizes: st.tuples(st.just(sizes), st.integers(len(sizes), max(len(sizes), sum(sizes))))
)


@given(sizes_and_total)
def test_law_places_add_up_and_follow_the_sizes(drawn: tuple[list[int], int]) -> None:
    sizes, total = drawn
    counts = allocate(sizes, total, "it")
    assert sum(counts) == total
    assert min(counts) >= 1
    quotas = [Fraction(size * total, sum(sizes)) for size in sizes]
    if min(quotas) >= 1:
        assert all(abs(n - quota) < 1 for n, quota in zip(counts, quotas, strict=True))


def test_a_class_too_small_for_a_place_gets_one_from_the_largest() -> None:
    assert allocate([1000, 500, 1], 15, "it") == [9, 5, 1]


def test_no_room() -> None:
    with pytest.raises(DataError, match="it of 2 examples has no room for each of 3 classes"):
        allocate([5, 5, 5], 2, "it")


def test_rows_are_grouped_in_the_order_given() -> None:
    arrays = Arrays(np.zeros(6), np.array([2, 0, 1, 0, 2, 1]))
    groups = class_rows(arrays, np.array([5, 4, 3, 2, 1, 0]), at_least=1)
    assert [group.tolist() for group in groups] == [[3, 1], [5, 2], [4, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 1, 1, 3], "label 3, but 3 classes"),
        ([0, 0, 1, 1, -1], "label -1, but 3 classes"),
        ([0, 0, 1, 1, 1], "class 'c' has 0 of the 2 examples"),
        ([0, 0, 1, 2, 2], "class 'b' has 1 of the 2 examples"),
    ],
)
def test_labels_that_do_not_fit_the_classes(labels: list[int], message: str) -> None:
    arrays = Arrays(np.zeros(5), np.array(labels), "d", ("a", "b", "c"))
    with pytest.raises(DataError, match=message):
        class_rows(arrays, np.arange(5), at_least=2)
