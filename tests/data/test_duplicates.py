"""Copies and near copies, planted in real images; none where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from keras_ext.data import duplicates, load
from keras_ext.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return np.asarray(load("mnist").x[:3000])


def noisy(image: np.ndarray) -> np.ndarray:
    return image + np.random.default_rng(0).normal(0, 6, image.shape)


def brighter(image: np.ndarray) -> np.ndarray:
    return 1.1 * image + 12


def paler(image: np.ndarray) -> np.ndarray:
    return 0.6 * image


@pytest.mark.parametrize("change", [noisy, brighter, paler])
def test_near_copies_are_found(
    digits: np.ndarray, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    train, held_out = digits[:2000], digits[2000:].astype(float)
    for place, row in enumerate(range(0, 500, 10)):
        held_out[7 * place] = change(train[row].astype(float))
    found = duplicates(train, np.clip(held_out, 0, 255).astype(np.uint8))
    assert found.exact == ()
    assert found.near == tuple((row, 7 * place) for place, row in enumerate(range(0, 500, 10)))


def test_copies_are_found_and_told_from_near_ones(digits: np.ndarray) -> None:
    held_out = digits[2000:2100].copy()
    held_out[3], held_out[50] = digits[11], digits[12]
    held_out[50, 14, 14] ^= 8
    train = np.concatenate([digits[:100], digits[11:12]])
    found = duplicates(train, held_out)
    assert found.exact == ((11, 3),)
    assert found.near == ((12, 50),)
    assert duplicates(train, held_out, similarity=None).near == ()


def test_different_digits_are_no_copies(digits: np.ndarray) -> None:
    found = duplicates(digits[:2000], digits[2000:])
    assert (found.exact, found.near) == ((), ())


def test_one_colour_is_like_nothing() -> None:
    plain = np.stack([np.full((9, 9, 1), value, np.uint8) for value in (0, 10, 20)])
    assert duplicates(plain, plain[1:2] + 1).near == ()
    assert duplicates(plain, plain[1:2]).exact == ((1, 0),)


def test_rows_of_a_table_have_exact_copies_alone(rng: np.random.Generator) -> None:
    x = rng.normal(size=(100, 4))
    found = duplicates(x[:80], np.concatenate([x[70:], x[:1] + 1e-9]))
    assert found.exact == tuple((70 + row, row) for row in range(10))
    assert found.near == ()
    assert duplicates(x[:0], x).exact == ()


def test_what_has_no_copies(digits: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"\(28, 28, 1\) have no copies of \(14, 28, 1\)"):
        duplicates(digits, digits[:, :14])
    with pytest.raises(ConfigError, match="similarity=0"):
        duplicates(digits, digits, similarity=0)


@pytest.mark.slow
def test_the_real_cifar10_has_some(tfds_directory: Path) -> None:
    """Test images that are training images saved once more, as Barz and Denzler (2020) report."""
    arrays = load("cifar10", data_dir=tfds_directory)
    train, test = arrays.part("train").x, arrays.part("test").x
    found = duplicates(train, test)
    assert found.exact == ()
    assert 1 <= len(found.near) <= 20
    for copied, row in found.near:
        pixels = np.stack([train[copied], test[row]]).reshape(2, -1).astype(float)
        assert np.corrcoef(pixels)[0, 1] >= 0.989
