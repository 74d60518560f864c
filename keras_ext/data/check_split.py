"""Whether a split can be trusted, before anything is trained on it."""

from __future__ import annotations

import math

import numpy as np

from keras_ext.data.duplicates import DUPLICATES_ALLOWED, duplicates
from keras_ext.errors import DataError
from keras_ext.records import Arrays, Check, Splits
from keras_ext.rows import chunks, in_order


def check_split(splits: Splits) -> Check:
    """Sizes, classes, values and exact copies, as one finding. Test labels are not read.

    It passes when every class stands in train and validation, no class's share differs between them
    by more than three standard errors of a share (three times the square root of 0.25 / n at most),
    no label is outside the classes, the values of all parts are of one kind and range, and fewer
    than 0.5 % of validation and of test are exact copies of training examples. Float images that
    go up to 255 are mentioned.

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
    strange = [*_strange_labels(splits), *_strange_values(parts)]
    findings += [*strange, *_range(splits.train)]
    counted = " and ".join(f"{count} of {name}" for name, count in copies.items())
    findings.append(f"{counted} are copies of train")
    few = all(count <= DUPLICATES_ALLOWED * len(parts[name]) for name, count in copies.items())
    passed = few and not missing and not strange and (difference is None or difference <= limit)
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


def _strange_labels(splits: Splits) -> list[str]:
    """A finding where a label of train or validation has no class."""
    classes = len(splits.train.classes)
    if not classes or splits.train.y.ndim != 1 or splits.train.y.dtype.kind not in "bui":
        return []
    labels = np.concatenate([np.unique(splits.train.y), np.unique(splits.validation.y)])
    outside = np.unique(labels[(labels < 0) | (labels >= classes)])
    return (
        [f"label {outside[0]} is outside the {classes} classes from 0 on"] if outside.size else []
    )


def _strange_values(parts: dict[str, Arrays]) -> list[str]:
    """Findings where parts were scaled differently, or images lost their values."""
    kinds = {name: str(part.x.dtype) for name, part in parts.items()}
    other = next((name for name in kinds if kinds[name] != kinds["train"]), None)
    found = []
    if other:
        found.append(f"train is {kinds['train']} but {other} is {kinds[other]}")
    if parts["train"].x.ndim != 4:
        return found
    highest = {name: _highest(part.x) for name, part in parts.items()}
    for name, high in highest.items():
        if min(high, highest["train"]) <= 1 and max(high, highest["train"]) > 2:
            found.append(
                f"images go up to {highest['train']:g} in train but to {high:g} in {name}: divided "
                "by 255 on one side only?"
            )
    if parts["train"].x.dtype.kind in "iu" and highest["train"] <= 1 < len(parts["train"]):
        found.append("whole-number images hold 0 and 1 alone: cast from 0..1 without times 255?")
    return found


def _range(train: Arrays) -> list[str]:
    """What must be said of float images that were not divided by 255; it is no fault."""
    if train.x.ndim != 4 or train.x.dtype.kind != "f":
        return []
    highest = _highest(train.x)
    if not 2 < highest <= 255:
        return []
    return [
        f"{train.x.dtype} images go up to {highest:g}: divide by 255 unless the "
        "model normalises them first"
    ]


def _highest(x: np.ndarray) -> float:
    """The highest value that is not missing."""
    return float(
        np.fmax.reduce([np.fmax.reduce(chunk, axis=None) for chunk in chunks(in_order(x))])
    )


def _copies(parts: dict[str, Arrays]) -> dict[str, int]:
    """How many examples of the held-out parts equal one of train, byte by byte."""
    train = parts["train"].x
    return {
        name: len(duplicates(train, part.x, similarity=None).exact)
        for name, part in parts.items()
        if name != "train"
    }
