"""Whether a split can be trusted, before anything is trained on it."""

from __future__ import annotations

import math

import numpy as np

from keras_ext.data.duplicates import duplicates
from keras_ext.errors import DataError
from keras_ext.records import Arrays, Check, Splits

DUPLICATES_ALLOWED = 0.005
"""Share of held-out examples; as much as the default tolerance between two errors."""


def check_split(splits: Splits) -> Check:
    """Sizes, classes and exact copies, as one finding. Test labels are not read.

    It passes when every class stands in train and validation, no class's share differs between them
    by more than three standard errors of a share (three times the square root of 0.25 / n at most),
    and fewer than 0.5 % of validation and of test are exact copies of training examples.

    Returns:
        Check: ``value`` is the largest difference between the shares of a class, ``expected`` what
            it may be;
        both None for regression.

    Raises:
        DataError: when a part is empty.
    """
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    if splits.train_validation is not None:
        parts["train_validation"] = splits.train_validation
    for name, arrays in parts.items():
        if not len(arrays):
            raise DataError(f"the {name} part of {arrays.name} is empty")
    limit = 3 * math.sqrt(0.25 / len(splits.validation))
    missing, difference = _classes(splits.train, splits.validation)
    copies = _copies(parts)
    findings = [" / ".join(f"{len(arrays):,}" for arrays in parts.values()) + " examples"]
    if missing:
        findings.append(f"classes not in both train and validation: {', '.join(missing)}")
    if difference is not None:
        findings.append(f"class shares of train and validation differ by {difference:.2%} at most")
    counted = " and ".join(f"{count} of {name}" for name, count in copies.items())
    findings.append(f"{counted} are copies of train")
    few = all(count <= DUPLICATES_ALLOWED * len(parts[name]) for name, count in copies.items())
    passed = few and not missing and (difference is None or difference <= limit)
    expected = None if difference is None else limit
    return Check("split", passed, "; ".join(findings), difference, expected)


def _classes(train: Arrays, validation: Arrays) -> tuple[list[str], float | None]:
    """Classes that are not in both, and the largest difference between the shares of a class."""
    if train.y.ndim != 1 or train.y.dtype.kind not in "bui":
        return [], None
    numbers = np.union1d(np.unique(train.y), np.unique(validation.y))
    if train.classes:
        numbers = np.union1d(numbers, np.arange(len(train.classes)))
    counts = np.array([[np.sum(part.y == n) for n in numbers] for part in (train, validation)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    absent = numbers[(counts == 0).any(axis=0)]
    names = [train.classes[n] if 0 <= n < len(train.classes) else str(n) for n in absent]
    return names, float(np.abs(shares[0] - shares[1]).max())


def _copies(parts: dict[str, Arrays]) -> dict[str, int]:
    """How many examples of the held-out parts equal one of train, byte by byte."""
    train = parts["train"].x
    return {
        name: len(duplicates(train, part.x, similarity=None).exact)
        for name, part in parts.items()
        if name != "train"
    }
