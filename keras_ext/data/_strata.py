"""Classes as groups of rows, and places divided among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_ext.errors import DataError
from keras_ext.records import Arrays
from keras_ext.rows import read


def class_rows(arrays: Arrays, rows: np.ndarray, *, at_least: int) -> list[np.ndarray]:
    """The given rows of each class, in the order given. Other labels are not read.

    Args:
        arrays: with whole-number labels.
        rows: which rows to look at.
        at_least: how many rows a class must have.

    Raises:
        DataError: naming a label without a class, or a class with too few rows.
    """
    labels = read(arrays.y, rows)
    strange = labels[(labels < 0) | (labels >= len(arrays.classes))]
    if strange.size:
        raise DataError(
            f"{arrays.name} has label {strange[0]}, but {len(arrays.classes)} classes from 0 on"
        )
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(len(arrays.classes)), side="right")
    groups = np.split(rows[order], bounds)[:-1]
    for name, group in zip(arrays.classes, groups, strict=True):
        if len(group) < at_least:
            raise DataError(
                f"{arrays.name}: class {name!r} has {len(group)} of the {at_least} examples it "
                "needs to be in every part; add some, drop the class, or pass stratify=False"
            )
    return groups


def allocate(sizes: Sequence[int], total: int, where: str) -> list[int]:
    """Divide ``total`` places in proportion to ``sizes`` by largest remainders, at least one each.

    Whole-number arithmetic throughout, and ties go to the first, so that every machine agrees.

    Raises:
        DataError: when there are fewer places than classes.

    >>> allocate([50, 30, 20], 11, "validation")
    [6, 3, 2]
    """
    if total < len(sizes):
        raise DataError(
            f"{where} of {total} examples has no room for each of {len(sizes)} classes; ask for "
            "more, or pass stratify=False"
        )
    everything = sum(sizes)
    counts = [size * total // everything for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (-(sizes[i] * total % everything), i))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    for index in [index for index, count in enumerate(counts) if count == 0]:
        counts[index] += 1
        counts[counts.index(max(counts))] -= 1
    return counts
