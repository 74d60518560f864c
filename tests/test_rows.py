"""Rows that lie on disk are read when asked for, and are those of an array in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext import memory
from keras_ext.records import Arrays
from keras_ext.rows import Rows, chunks, in_order, is_mapped, lazy, read, streams, taken


class Watched:
    """Like a data set of h5py: it says which rows are read, and wants them in order and once."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.size, self.nbytes = array.size, array.nbytes
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: Any) -> np.ndarray:
        rows = np.atleast_1d(np.arange(len(self.array))[key])
        assert (np.diff(rows) > 0).all(), "not in increasing order"
        self.asked += rows.tolist()
        return self.array[key]

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise MemoryError("read as a whole")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine for which everything is too large."""
    monkeypatch.setattr(memory, "SHARE", 0.0)


@pytest.fixture
def mapped(rng: np.random.Generator, tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "x.npy", rng.integers(0, 256, (40, 3, 2), dtype=np.uint8))
    return np.asarray(np.load(tmp_path / "x.npy", mmap_mode="r"))


@pytest.mark.parametrize(
    "key", [3, -1, slice(2, 9), slice(None, None, -3), [5, 1, 5], np.arange(20) % 2 == 0, []]
)
def test_rows_index_as_an_array_in_memory_does(rng: np.random.Generator, key: Any) -> None:
    x = rng.normal(size=(40, 3))
    order = rng.permutation(40)[:20]
    for base in (x, Watched(x)):
        rows = Rows(base, order)
        assert np.array_equal(rows[key], x[order][key])
        if not isinstance(key, int):
            assert np.array_equal(np.asarray(rows.take(key)), x[order][key])


def test_what_rows_say_of_themselves(rng: np.random.Generator) -> None:
    x = rng.normal(size=(9, 2, 3)).astype("float32")
    rows = Rows(Watched(x), np.array([8, 0, 3, 3]))
    assert (rows.shape, rows.ndim, rows.size, rows.nbytes) == ((4, 2, 3), 3, 24, 96)
    assert (len(rows), repr(rows)) == (4, "Rows(shape=(4, 2, 3), dtype=float32)")
    assert [float(row[0, 0]) for row in rows] == x[[8, 0, 3, 3], 0, 0].tolist()
    assert np.array_equal(np.asarray(rows, "float64"), x[[8, 0, 3, 3]].astype("float64"))
    assert np.array_equal(np.asarray(in_order(rows)), x[[0, 3, 3, 8]])
    with pytest.raises(IndexError, match=r"np\.asarray reads all of them"):
        rows[:, 0]
    with pytest.raises(ValueError, match="without a copy"):
        rows.__array__(copy=False)


def test_only_what_is_asked_for_is_read(rng: np.random.Generator) -> None:
    watched = Watched(rng.normal(size=(50, 2)))
    rows = Rows(watched, rng.permutation(50))
    part = rows.take(slice(10, 30)).take(np.array([4, 2, 9]))
    assert watched.asked == []
    assert np.array_equal(part[1:], watched.array[part.rows[1:]])
    assert sorted(watched.asked) == sorted(part.rows[1:].tolist())


@pytest.mark.usefixtures("small")
def test_rows_of_what_is_mapped_stay_on_disk(mapped: np.ndarray) -> None:
    assert is_mapped(mapped)
    assert is_mapped(mapped[3:])
    order = np.array([7, 1, 30])
    part = taken(mapped, order)
    assert isinstance(part, Rows)
    assert streams(part)
    assert np.array_equal(part, mapped[order])
    assert np.array_equal(taken(part, slice(1, 3)), mapped[order[1:]])
    assert np.shares_memory(taken(mapped, slice(2, 9)), mapped)
    copied = np.array(mapped)
    assert type(taken(copied, order)) is np.ndarray
    assert lazy(copied) is copied


def test_what_fits_is_copied(mapped: np.ndarray) -> None:
    assert type(taken(mapped, np.array([7, 1]))) is np.ndarray
    watched = Watched(np.arange(20))
    assert taken(watched, np.array([7, 1, 7])).tolist() == [7, 1, 7]
    assert lazy(watched) is watched


@pytest.mark.usefixtures("small")
def test_arrays_of_another_kind_become_rows(rng: np.random.Generator) -> None:
    watched = Watched(rng.integers(0, 256, (30, 4), dtype=np.uint8))
    arrays = Arrays(watched, np.arange(30) % 3)  # type: ignore[arg-type]
    part = arrays.take(np.array([9, 2])).take(slice(0, 1))
    assert watched.asked == []
    assert isinstance(part.x, Rows)
    assert np.array_equal(part.x, watched.array[[9]])
    assert part.y.tolist() == [0]


def test_a_file_of_h5py(tmp_path: Path, rng: np.random.Generator) -> None:
    h5py = pytest.importorskip("h5py")
    x = rng.integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"], file["y"] = x, np.arange(30) % 3
        order = rng.permutation(30)
        assert np.array_equal(read(file["x"], order), x[order])
        arrays = Arrays(file["x"], file["y"])
        assert arrays.classes == ("0", "1", "2")
        assert arrays.take(order).y.tolist() == (order % 3).tolist()
        assert np.array_equal(np.concatenate(list(chunks(Rows(file["x"], order)))), x[order])
