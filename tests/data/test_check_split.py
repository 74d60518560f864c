"""What a split must show before it is trusted; each fault is planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keras_ext.data import Arrays, Splits, check_split, split
from keras_ext.errors import DataError


@pytest.fixture
def splits(rng: np.random.Generator) -> Splits:
    x = rng.integers(0, 256, (2000, 6, 6, 1), dtype=np.uint8)
    return split(Arrays(x, np.arange(2000) % 4, "d", ("a", "b", "c", "d")), seed=0)


def test_a_good_split_passes(splits: Splits) -> None:
    check = check_split(splits)
    assert check.passed
    assert check.message == (
        "1,400 / 400 / 200 examples; class shares of train and validation differ by 0.00% at most; "
        "0 of validation and 0 of test are copies of train"
    )
    assert check.value == 0
    assert check.expected == pytest.approx(0.075)


def test_a_class_that_is_missing_from_validation(splits: Splits) -> None:
    rows = np.flatnonzero(splits.validation.y != 2)
    check = check_split(replace(splits, validation=splits.validation.take(rows)))
    assert not check.passed
    assert "classes not in both train and validation: c;" in check.message


def test_a_class_that_nobody_has(splits: Splits) -> None:
    more = ("a", "b", "c", "d", "e")
    parts = [replace(part, classes=more) for part in (splits.train, splits.validation)]
    assert not check_split(Splits(*parts, splits.test)).passed


def test_shares_that_differ(splits: Splits) -> None:
    rows = np.flatnonzero((splits.validation.y != 2) | (np.arange(400) % 10 == 0))
    check = check_split(replace(splits, validation=splits.validation.take(rows)))
    assert not check.passed
    assert check.value is not None
    assert check.value > 0.2


@pytest.mark.parametrize(("part", "allowed"), [("validation", 2), ("test", 1)])
def test_copies_of_training_images(splits: Splits, part: str, allowed: int) -> None:
    for copies in (allowed, allowed + 1):
        old = getattr(splits, part)
        x = old.x.copy()
        x[:copies] = splits.train.x[5 : 5 + copies]
        check = check_split(replace(splits, **{part: replace(old, x=x)}))
        assert f"{copies} of {part}" in check.message
        assert check.passed is (copies <= allowed)


def test_test_labels_are_not_read(splits: Splits) -> None:
    class Unread:
        dtype, shape, ndim = np.dtype("int64"), (200,), 1

        def __len__(self) -> int:
            return 200

    test = replace(splits.test, y=Unread())  # type: ignore[arg-type]
    assert check_split(replace(splits, test=test)) == check_split(splits)


def test_values_for_regression_have_no_classes(splits: Splits) -> None:
    parts = [
        replace(part, y=part.y / 3, classes=())
        for part in (splits.train, splits.validation, splits.test)
    ]
    check = check_split(Splits(*parts))
    assert check.passed
    assert check.value is None


def test_an_empty_part(splits: Splits) -> None:
    with pytest.raises(DataError, match="validation part of d is empty"):
        check_split(replace(splits, validation=splits.validation.take(slice(0, 0))))
