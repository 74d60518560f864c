"""Ways to divide rows into parts: at random, group by group, by time and by hash.

Each gives the rows of every held-out part in the order of ``sizes``, then those of the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from keras_ext.data._seeding import Stream, permutation
from keras_ext.data._strata import allocate, class_rows
from keras_ext.errors import DataError
from keras_ext.records import Arrays


def at_random(
    arrays: Arrays, rows: np.ndarray, sizes: Sequence[int], *, seed: int, draw: int, stratify: bool
) -> list[np.ndarray]:
    """Each part in random order; with ``stratify`` each class in proportion everywhere.

    Args:
        arrays: of which labels are read if ``stratify``, and of the given rows alone.
        rows: what to divide.
        sizes: of the held-out parts.
        seed, draw: decide which rows go where; another ``draw`` is independent.
        stratify: by largest remainder.

    Raises:
        DataError: when a class has too few rows, naming it.
    """
    shuffled = rows[permutation(len(rows), Stream.SPLIT, seed, draw)]
    if not stratify:
        return np.split(shuffled, np.cumsum(sizes))
    groups = class_rows(arrays, shuffled, at_least=len(sizes) + 1)
    counts = [allocate([len(group) for group in groups], size, "a held-out part") for size in sizes]
    part_of = np.full(len(arrays), len(sizes), np.int8)
    for group, taken in zip(groups, np.cumsum(counts, axis=0).T, strict=True):
        if taken[-1] >= len(group):
            raise DataError(
                f"{arrays.name}: {taken[-1]} of the {len(group)} examples of a class would be held "
                "out; hold out less, or pass stratify=False"
            )
        for part, chosen in enumerate(np.split(group, taken)[: len(sizes)]):
            part_of[chosen] = part
    return [shuffled[part_of[shuffled] == part] for part in range(len(sizes) + 1)]


def by_group(
    groups: np.ndarray,
    rows: np.ndarray,
    sizes: Sequence[int],
    *,
    seed: int,
    draw: int,
    labels: np.ndarray | None,
) -> list[np.ndarray]:
    """Whole groups, in random order each to the part that misses its examples most.

    So parts differ from their sizes by less than a large group. With labels a part misses examples
    of each class: classes are in proportion as far as whole groups allow.

    Args:
        groups: of shape (rows,), which group each row belongs to.
        rows: what to divide.
        sizes: of the held-out parts.
        seed, draw: decide which groups go where.
        labels: of shape (rows,), or None to look at sizes alone.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    classes = np.zeros(len(rows), np.int64)
    if labels is not None:
        classes = np.unique(labels, return_inverse=True)[1]
    counts = np.zeros((len(names), classes.max(initial=0) + 1))
    np.add.at(counts, (group_of, classes), 1)
    shares = np.array([*sizes, len(rows) - sum(sizes)]) / len(rows)
    missing = shares[:, None] * counts.sum(axis=0)
    part_of = np.empty(len(names), np.int64)
    for group in permutation(len(names), Stream.SPLIT, seed, draw):
        part = part_of[group] = np.argmax(missing @ counts[group])
        missing[part] -= counts[group]
    order = permutation(len(rows), Stream.SPLIT, seed, draw)
    return [rows[order[part_of[group_of[order]] == part]] for part in range(len(shares))]


def by_time(times: np.ndarray, rows: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """The latest rows first, in order of time; what happened at one time stays together.

    Args:
        times: of shape (rows,).
        rows: what to divide.
        sizes: of the held-out parts; a part may be larger by what happened at its first moment.
    """
    order = np.argsort(times, kind="stable")
    ordered, end, parts = times[order], len(rows), []
    for size in sizes:
        first = int(np.searchsorted(ordered, ordered[max(end - size, 0)])) if end else 0
        parts.append(rows[order[first:end]])
        end = first
    return [*parts, rows[order[:end]]]


def by_hash(
    keys: Iterable[bytes], rows: np.ndarray, shares: Sequence[float], *, seed: int, draw: int
) -> list[np.ndarray]:
    """Every row where its own key puts it, whatever the others are.

    Args:
        keys: for each row; equal keys stay together.
        rows: what to divide.
        shares: of the held-out parts, about.
        seed, draw: decide which keys go where.
    """
    places = np.array([_place(key, seed, draw) for key in keys])
    part_of = np.searchsorted(np.cumsum(shares), places, side="right")
    return [rows[part_of == part] for part in range(len(shares) + 1)]


def _place(key: bytes, seed: int, draw: int) -> float:
    """A number in [0, 1), as good as random.

    >>> round(_place(b"a", 0, 0), 4)
    0.5476
    """
    digest = hashlib.blake2b(b"%d/%d/" % (seed, draw) + key, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53
