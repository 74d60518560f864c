"""Training, validation and test examples that share no row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_ext.data._accept import arrays_of
from keras_ext.data._columns import column
from keras_ext.data._divide import at_random, by_group, by_hash, by_time
from keras_ext.data._seeding import Stream, check_seed, permutation
from keras_ext.data._strata import allocate, class_rows
from keras_ext.data.split_sizes import split_sizes
from keras_ext.errors import ConfigError, DataError
from keras_ext.records import Arrays, Splits
from keras_ext.rows import read

Way = Callable[[np.ndarray, Sequence[float], int], list[np.ndarray]]
"""Divides rows into parts of the sizes given and the rest; the number tells draws apart."""


def split(
    arrays: Arrays | tuple[Any, Any],
    *,
    seed: int,
    validation: float | None = None,
    test: float | None = None,
    train_validation: float | None = None,
    stratify: bool | None = None,
    groups: Any = None,
    time: Any = None,
    stable: bool = False,
) -> Splits:
    """Divide examples at random, each class in the same proportion everywhere (largest remainder).

    A test split that the data set publishes stays the test set as it is, and its labels are not
    read; only the training split is divided. A published validation split stays too, unless
    ``validation`` asks for another one, which is then drawn from both. The same seed gives the same
    rows on every machine.

    Args:
        arrays: the data; a tuple (x, y) will do. Arrays on disk that are too large for the memory
            stay there, see ``Arrays.take``.
        seed: decides which rows go where, and their order.
        validation: a fraction of all examples (below 1) or their number; None follows
            ``split_sizes``.
        test: likewise; not for data that publish a test split.
        train_validation: likewise, held out from the training examples at random; None for none.
            Where validation comes from elsewhere (published so, or later), ``BiasVariance`` tells
            variance from mismatch by it.
        stratify: hold the proportions of the classes; None does so for whole-number labels.
        groups: for each example whom it belongs to (a patient, a camera): no group is on two sides,
            and sizes and proportions are met as far as whole groups allow.
        time: for each example a number, a date (Python's or datetime64) or text in ISO 8601: the
            latest are test, those before them validation, the earliest train. What has the same
            time stays together.
        stable: an example's part depends on the seed and its own bytes alone (with groups, on its
            group's name): appended examples move no other, and copies stay together. Sizes are
            then fractions of what is divided, met about, and must be given; no class is looked at.

    Raises:
        ConfigError: for a size that is no fraction and no number, or arguments that contradict each
            other or the data.
        DataError: when there are too few examples, groups, or examples of a class, naming it.

    >>> x, y = np.zeros((1000, 2)), np.arange(1000) % 4
    >>> parts = split(Arrays(x, y), seed=0)
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (700, 200, 100)
    """
    check_seed(seed)
    arrays = arrays_of(arrays, "arrays")
    divide = _way(arrays, seed, stratify, groups, time, stable)
    parts, rows = _published(arrays, groups, validation, test)
    total = len(rows) + sum(len(part) for part in parts.values())
    wanted = {"test": test, "validation": validation}
    sizes = {
        name: _size(name, size, total, stable) for name, size in wanted.items() if name not in parts
    }
    drawn, rows = _held_out(arrays, divide, rows, sizes, draw=0)
    parts |= drawn
    if train_validation is not None:
        left = 1 - sum(sizes.values()) if stable else 1
        size = _size("train_validation", train_validation, total, stable) / left
        drawn, rows = _held_out(arrays, divide, rows, {"train_validation": size}, draw=1)
        parts |= drawn
    return Splits(train=_take(arrays, rows), **parts)


def sample(arrays: Arrays | tuple[Any, Any], count: int, *, seed: int) -> Arrays:
    """Some of the examples, each class in proportion, or all when there are no more than ``count``.

    Raises:
        ConfigError: when ``count`` is below 1.
        DataError: when it has no room for one example of each class.

    >>> sample(Arrays(np.zeros(90), np.arange(90) % 3), 9, seed=0).y.tolist().count(1)
    3
    """
    check_seed(seed)
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise ConfigError(f"count must be a whole number from 1 on, got count={count!r}")
    arrays = arrays_of(arrays, "arrays")
    if count >= len(arrays):
        return arrays
    shuffled = permutation(len(arrays), Stream.SAMPLE, seed)
    if not _by_class(arrays.y, None):
        return arrays.take(shuffled[:count])
    groups = class_rows(arrays, shuffled, at_least=1)
    counts = allocate([len(group) for group in groups], int(count), "the sample")
    chosen = np.concatenate([group[:n] for group, n in zip(groups, counts, strict=True)])
    return arrays.take(shuffled[np.isin(shuffled, chosen)])


def _way(
    arrays: Arrays, seed: int, stratify: bool | None, groups: Any, time: Any, stable: bool
) -> Way:
    """How rows are divided, once the arguments are known to agree."""
    named, times = column(len(arrays), "groups", groups), column(len(arrays), "time", time)
    if times is not None and (groups is not None or stable or stratify):
        other = "groups" if groups is not None else "stable=True" if stable else "stratify=True"
        raise ConfigError(f"time orders the examples: leave {other} out")
    if stable and stratify:
        raise ConfigError("stable=True looks at no other example: leave stratify=True out")
    by_class = False if stable else _by_class(arrays.y, stratify)

    def divide(rows: np.ndarray, sizes: Sequence[float], draw: int) -> list[np.ndarray]:
        if stable:
            keys = _keys(arrays.x, rows) if named is None else [_text(n) for n in named[rows]]
            return by_hash(keys, rows, sizes, seed=seed, draw=draw)
        counts = [int(size) for size in sizes]
        if sum(counts) >= len(rows):
            raise DataError(
                f"{arrays.name} has {len(rows):,} examples to divide: {sum(counts):,} held out "
                "leave none to train on"
            )
        if times is not None and draw == 0:
            return by_time(times[rows], rows, counts)
        if named is not None:
            labels = read(arrays.y, rows) if by_class else None
            return by_group(named[rows], rows, counts, seed=seed, draw=draw, labels=labels)
        return at_random(arrays, rows, counts, seed=seed, draw=draw, stratify=by_class)

    return divide


def _published(
    arrays: Arrays, groups: Any, validation: float | None, test: float | None
) -> tuple[dict[str, Arrays], np.ndarray]:
    """The parts that stay as they are published, and the rows that are left to divide."""
    if "test" not in arrays.published:
        return {}, np.arange(len(arrays))
    if test is not None:
        raise ConfigError(
            f"{arrays.name} publishes a test split: leave test out, got test={test!r}"
        )
    if "train" not in arrays.published:
        raise DataError(f"{arrays.name} publishes a test split but no train split")
    kept = ["test"] if validation is not None else ["test", "validation"]
    parts = {name: arrays.part(name) for name in kept if name in arrays.published}
    drawn = [name for name in ("train", "validation") if name in {*arrays.published} - {*parts}]
    rows = np.concatenate([np.arange(*arrays.published[name]) for name in drawn])
    if groups is not None:
        named = np.asarray(groups)
        for name in parts:
            both = np.intersect1d(named[rows], named[slice(*arrays.published[name])])
            if both.size:
                raise DataError(
                    f"{arrays.name}: group {both[0]} is in the published {name} split and in train;"
                    " pass Arrays without published splits to divide anew"
                )
    return parts, rows


def _held_out(
    arrays: Arrays, divide: Way, rows: np.ndarray, sizes: Mapping[str, float], *, draw: int
) -> tuple[dict[str, Arrays], np.ndarray]:
    """A part for each size, and the rows that are left; none of them empty."""
    *held, rest = divide(rows, list(sizes.values()), draw) if sizes else [rows]
    for name, part in [*zip(sizes, held, strict=True), ("train", rest)]:
        if not len(part):
            raise DataError(
                f"{arrays.name}: no example is left for {name}: of the {len(rows):,} to divide too "
                "many belong together (one group, one time, equal examples), or there are too few"
            )
    return {name: arrays.take(part) for name, part in zip(sizes, held, strict=True)}, rest


def _take(arrays: Arrays, rows: np.ndarray) -> Arrays:
    """The examples of these rows; where they stand together, without a copy."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    together = last - first == len(rows) and bool((np.diff(rows) == 1).all())
    return arrays.take(slice(first, last) if together else rows)


def _keys(x: np.ndarray, rows: np.ndarray) -> Iterator[bytes]:
    """The bytes of each example, the same on every machine."""
    little = x.dtype.newbyteorder("<")
    return (np.asarray(x[row], little).tobytes() for row in rows)


def _text(name: Any) -> bytes:
    return name if isinstance(name, bytes) else str(name).encode()


def _by_class(y: np.ndarray, stratify: bool | None) -> bool:
    """Whether to hold proportions; only whole numbers can be classes. No label is read."""
    whole = np.ndim(y) == 1 and y.dtype.kind in "bui"
    if stratify and not whole:
        raise ConfigError(
            "stratify=True needs whole-number labels of shape (examples,), "
            f"got {y.dtype} of shape {y.shape}"
        )
    return whole if stratify is None else stratify


def _size(name: str, size: Any, total: int, stable: bool) -> float:
    """A number of examples from a fraction, a number or None; with ``stable`` the fraction."""
    fraction = isinstance(size, (float, np.floating)) and 0 < size < 1
    if stable:
        if not fraction:
            raise ConfigError(
                f"stable=True needs {name} as a fraction in (0, 1), got {name}={size!r}"
            )
        return float(size)
    if size is None:
        count: int = getattr(split_sizes(max(total, 1)), name)
    elif isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 1:
        count = int(size)
    elif fraction:
        count = round(float(size) * total)
    else:
        raise ConfigError(
            f"{name} must be a fraction in (0, 1) or a number of examples, got {name}={size!r}"
        )
    if count < 1:
        share = "" if size is None else f"={size:g} of them"
        raise DataError(f"{total} examples are too few for {name}{share}")
    return count
