"""Training, validation and test examples that share no row."""

from __future__ import annotations

import numpy as np

from keras_ext.data._seeding import Stream, check_seed, permutation
from keras_ext.data._strata import allocate, class_rows
from keras_ext.data.rule_of_thumb import rule_of_thumb
from keras_ext.errors import ConfigError, DataError
from keras_ext.records import Arrays, Splits


def split(
    arrays: Arrays,
    *,
    seed: int,
    validation: float | None = None,
    test: float | None = None,
    stratify: bool | None = None,
) -> Splits:
    """Divide examples at random, each class in the same proportion everywhere (largest remainder).

    A test split that the data set publishes stays the test set as it is, and its labels are not
    read; only the training split is divided. A published validation split stays too, unless
    ``validation`` asks for another one, which is then drawn from both. The same seed gives the same
    rows on every machine.

    Args:
        arrays: the data.
        seed: decides which rows go where, and their order.
        validation: a fraction of all examples (below 1) or their number; None follows
            ``rule_of_thumb``.
        test: likewise; not for data that publish a test split.
        stratify: hold the proportions of the classes; None does so for whole-number labels.

    Raises:
        ConfigError: for a size that is no fraction and no number, or that can't be asked for.
        DataError: when there are too few examples, or too few of a class, naming it.

    >>> x, y = np.zeros((1000, 2)), np.arange(1000) % 4
    >>> parts = split(Arrays(x, y), seed=0)
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (700, 200, 100)
    """
    check_seed(seed)
    if "test" in arrays.published:
        return _divide_training(arrays, seed, validation, test, stratify)
    rows = np.arange(len(arrays))
    _, share, test_share = rule_of_thumb(max(len(rows), 1))
    sizes = [
        _size("test", test_share if test is None else test, len(rows)),
        _size("validation", share if validation is None else validation, len(rows)),
    ]
    tested, validated, trained = _draw(arrays, rows, sizes, seed, stratify)
    return Splits(arrays.take(trained), arrays.take(validated), arrays.take(tested))


def sample(arrays: Arrays, count: int, *, seed: int) -> Arrays:
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
    if count >= len(arrays):
        return arrays
    shuffled = permutation(len(arrays), Stream.SAMPLE, seed)
    if not _by_class(arrays.y, None):
        return arrays.take(shuffled[:count])
    groups = class_rows(arrays, shuffled, at_least=1)
    counts = allocate([len(group) for group in groups], int(count), "the sample")
    chosen = np.concatenate([group[:n] for group, n in zip(groups, counts, strict=True)])
    return arrays.take(shuffled[np.isin(shuffled, chosen)])


def _divide_training(
    arrays: Arrays, seed: int, validation: float | None, test: float | None, stratify: bool | None
) -> Splits:
    """The published test split, and the published training split in two."""
    if test is not None:
        raise ConfigError(
            f"{arrays.name} publishes a test split: leave test out, got test={test!r}"
        )
    if "train" not in arrays.published:
        raise DataError(f"{arrays.name} publishes a test split but no train split")
    names = [name for name in ("train", "validation") if name in arrays.published]
    tested = arrays.part("test")
    if validation is None and "validation" in names:
        return Splits(arrays.part("train"), arrays.part("validation"), tested)
    rows = np.concatenate([np.arange(*arrays.published[name]) for name in names])
    total = len(rows) + len(tested)
    share = rule_of_thumb(max(total, 1))[1] if validation is None else validation
    validated, trained = _draw(arrays, rows, [_size("validation", share, total)], seed, stratify)
    return Splits(arrays.take(trained), arrays.take(validated), tested)


def _draw(
    arrays: Arrays, rows: np.ndarray, sizes: list[int], seed: int, stratify: bool | None
) -> list[np.ndarray]:
    """Rows for each size, then the rest; each part in random order."""
    if sum(sizes) >= len(rows):
        raise DataError(
            f"{arrays.name} has {len(rows):,} examples to divide: {sum(sizes):,} held out leave "
            "none to train on"
        )
    shuffled = rows[permutation(len(rows), Stream.SPLIT, seed)]
    if not _by_class(arrays.y, stratify):
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


def _by_class(y: np.ndarray, stratify: bool | None) -> bool:
    """Whether to hold proportions; only whole numbers can be classes. No label is read."""
    whole = np.ndim(y) == 1 and y.dtype.kind in "bui"
    if stratify and not whole:
        raise ConfigError(
            "stratify=True needs whole-number labels of shape (examples,), "
            f"got {y.dtype} of shape {y.shape}"
        )
    return whole if stratify is None else stratify


def _size(name: str, size: float, total: int) -> int:
    """A number of examples from a fraction of all or a number."""
    whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    if whole and size >= 1:
        return int(size)
    if isinstance(size, (float, np.floating)) and 0 < size < 1:
        count = round(float(size) * total)
        if count < 1:
            raise DataError(f"{total} examples are too few for {name}={size:g} of them")
        return count
    raise ConfigError(
        f"{name} must be a fraction in (0, 1) or a number of examples, got {name}={size!r}"
    )
