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


def test_labels_without_a_class(splits: Splits) -> None:
    wrong = splits.train.y.copy()
    wrong[3] = 7
    check = check_split(replace(splits, train=replace(splits.train, y=wrong)))
    assert not check.passed
    assert "label 7 is outside the 4 classes from 0 on" in check.message


def test_parts_that_were_scaled_differently(splits: Splits) -> None:
    scaled = replace(splits.validation, x=(splits.validation.x / 255).astype("float32"))
    check = check_split(replace(splits, validation=scaled))
    assert not check.passed
    assert "train is uint8 but validation is float32" in check.message
    assert "go up to 255 in train but to 1 in validation: divided by 255 on one" in check.message
    every = [
        replace(part, x=(part.x / 255).astype("float32"))
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert check_split(Splits(*every)).passed
    lost = [replace(part, x=part.x.astype("uint8")) for part in every]
    assert "hold 0 and 1 alone: cast from 0..1" in check_split(Splits(*lost)).message


def test_float_images_up_to_255_are_mentioned(splits: Splits) -> None:
    parts = [
        replace(part, x=part.x.astype("float32"))
        for part in (splits.train, splits.validation, splits.test)
    ]
    check = check_split(Splits(*parts))
    assert check.passed
    assert "float32 images go up to 255: divide by 255 unless the model normalises" in check.message
    divided = [replace(part, x=part.x / 255) for part in parts]
    assert "divide by 255" not in check_split(Splits(*divided)).message


def test_a_train_validation_part_is_looked_at_too(splits: Splits) -> None:
    check = check_split(replace(splits, train_validation=splits.train.take(slice(0, 9))))
    assert not check.passed
    assert "9 of train_validation are copies of train" in check.message


def test_images_of_different_sizes_are_named() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros((4, 4, 1)), np.zeros((5, 4, 1))]
    with pytest.raises(DataError, match=r"got object \(\(4, 4, 1\) and \(5, 4, 1\): resize to one"):
        Arrays(ragged, np.array([0, 1]), "d")
    with pytest.raises(DataError, match="x must be numbers of one shape an example, got <U1"):
        Arrays(np.array(["a", "b"]), np.array([0, 1]), "d")
