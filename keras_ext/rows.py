"""Rows of arrays that are too large for the memory: named at once, read when they are asked for."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_ext.memory import too_large

CHUNK_VALUES = 1 << 18
"""Values looked at together: few enough to stay in a processor's cache as float64."""


class Rows:
    """Some rows of an array on disk, in an order of their own; nothing is read to make it.

    Indexing by a number, a slice, row numbers or a mask reads these rows alone, in the order in
    which they lie, into an array in memory. ``np.asarray`` reads all of them.

    Args:
        base: an array of shape (examples, ...): memory-mapped, or like one of h5py.
        rows: row numbers of shape (rows,), in the order wanted.

    >>> rows = Rows(np.arange(10) * 10, np.array([7, 0, 3]))
    >>> len(rows), rows.shape, rows[:2].tolist(), int(rows[-1])
    (3, (3,), [70, 0], 30)
    """

    def __init__(self, base: Any, rows: np.ndarray) -> None:
        self.base = base
        self.rows = rows
        self.dtype = np.dtype(base.dtype)
        self.shape = (len(rows), *base.shape[1:])
        self.ndim = len(self.shape)
        self.size = math.prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, tuple) or key is None or key is Ellipsis:
            raise IndexError(
                "rows that lie on disk are read by number, slice, row numbers or mask, got "
                f"[{key!r}]: np.asarray reads all of them"
            )
        chosen = self.rows[key]
        return np.asarray(self.base[int(chosen)]) if chosen.ndim == 0 else read(self.base, chosen)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (np.asarray(self.base[int(row)]) for row in self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("rows that lie on disk can't be an array without a copy")
        found = np.empty(self.shape, self.dtype if dtype is None else dtype)
        order = np.argsort(self.rows, kind="stable")
        step = chunk_size(self)
        for first in range(0, len(order), step):
            places = order[first : first + step]
            found[places] = self[places]
        return found

    def __repr__(self) -> str:
        return f"Rows(shape={self.shape}, dtype={self.dtype})"

    def take(self, key: Any) -> Rows:
        """Some of the rows, still unread."""
        return Rows(self.base, self.rows[key])


def taken(array: Any, rows: Any) -> Any:
    """``array[rows]``, but unread if it is of an array that is mapped and too large for a copy.

    Args:
        array: of shape (examples, ...), whatever numpy or h5py makes, or ``Rows``.
        rows: a slice, row numbers or a mask.
    """
    if isinstance(array, Rows):
        return array.take(rows)
    if isinstance(rows, slice):
        return array[rows]
    if isinstance(array, np.ndarray):
        large = is_mapped(array) and too_large(array)
        return Rows(array, np.arange(len(array))[rows]) if large else array[rows]
    return read(array, np.arange(len(array))[rows])


def lazy(array: Any) -> Any:
    """An array of another kind than numpy's that is too large for a copy, as ``Rows``.

    All others are given back as they are.
    """
    if isinstance(array, (np.ndarray, Rows)) or not too_large(array):
        return array
    return Rows(array, np.arange(len(array)))


def streams(array: Any) -> bool:
    """Whether an array is read a few examples at a time, and never copied into memory."""
    return isinstance(array, Rows) or too_large(array)


def read(array: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of an array in the order asked for, read once each in the order in which they lie.

    >>> read(np.arange(10) * 10, np.array([7, 0, 7])).tolist()
    [70, 0, 70]
    """
    if isinstance(array, Rows):
        return array[rows]
    wanted, places = np.unique(rows, return_inverse=True)
    together = not len(wanted) or wanted[-1] - wanted[0] + 1 == len(wanted)
    first = int(wanted[0]) if len(wanted) else 0
    found = array[first : first + len(wanted)] if together else array[wanted]
    return np.asarray(np.asarray(found)[places])


def in_order(array: Any) -> Any:
    """``Rows`` in the order in which they lie, where theirs doesn't matter; others as they are."""
    return Rows(array.base, np.sort(array.rows)) if isinstance(array, Rows) else array


def chunks(array: Any) -> Iterator[np.ndarray]:
    """All examples, a few at a time.

    >>> [len(chunk) for chunk in chunks(np.zeros((5, CHUNK_VALUES // 2)))]
    [2, 2, 1]
    """
    step = chunk_size(array)
    for first in range(0, len(array), step):
        yield np.asarray(array[first : first + step])


def chunk_size(array: Any) -> int:
    """How many examples have so few values that all of them stay in a processor's cache."""
    return max(1, CHUNK_VALUES // max(1, math.prod(array.shape[1:])))


def is_array(value: Any) -> bool:
    """Whether it has a shape and a dtype of numpy: an array of numpy or h5py, ``Rows``."""
    return isinstance(getattr(value, "dtype", None), np.dtype) and hasattr(value, "shape")


def is_mapped(array: Any) -> bool:
    """Whether the numbers lie in a file that is mapped into memory.

    >>> is_mapped(np.zeros(3))
    False
    """
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, (np.memmap, mmap.mmap))
