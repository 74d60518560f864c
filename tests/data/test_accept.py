"""What functions of this room take for examples, and what they say to everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keras_ext.data import (
    Arrays,
    Augmentation,
    Splits,
    augmented_examples,
    duplicates,
    normalizer,
    same_distribution,
    sample,
    split,
    training_batches,
)
from keras_ext.errors import ConfigError, DataError

X = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), dtype=np.uint8)
Y = np.arange(200) % 2
WHOLE = Arrays(X, Y)

ARRAYS: dict[str, Callable[[Any], Any]] = {
    "split": lambda data: split(data, seed=0).train.y,
    "sample": lambda data: sample(data, 20, seed=0).y,
    "first": lambda data: same_distribution(data, WHOLE).summary(),
    "second": lambda data: same_distribution(WHOLE, data).summary(),
    "batches": lambda data: training_batches(data, batch_size=50, placement="device", seed=0)[0][1],
    "augmented": lambda data: augmented_examples(data, Augmentation(rotation=9), seed=0)[1],
}
EXAMPLES: dict[str, Callable[[Any], Any]] = {
    "normalizer": lambda data: normalizer(data).mean,
    "apart_from": lambda data: normalizer(255 - X, apart_from=[data]).mean,
    "train_x": lambda data: duplicates(data, X[:9]),
    "held_out_x": lambda data: duplicates(X, data),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_pair_stands_for_arrays(name: str) -> None:
    assert np.array_equal(ARRAYS[name]((X, Y)), ARRAYS[name](WHOLE))


@pytest.mark.parametrize("name", EXAMPLES)
def test_arrays_and_pairs_have_examples(name: str) -> None:
    for given in (WHOLE, (X, Y)):
        assert np.array_equal(EXAMPLES[name](given), EXAMPLES[name](X))


WRONG: list[tuple[Any, str]] = [
    ({"x": X, "y": Y}, "got a dict with the keys 'x', 'y'"),
    ((X, Y, Y), "got a tuple of 3 (ndarray, ndarray, ndarray)"),
    (((X, Y), (X, Y)), "got a tuple of 2 (tuple, tuple)"),
    ([X, Y], "got a list of 2 (ndarray, ndarray)"),
    (None, "got a NoneType"),
    (Splits(WHOLE, WHOLE, WHOLE), "got a Splits"),
]


@pytest.mark.parametrize(("given", "got"), WRONG, ids=[got for _, got in WRONG])
@pytest.mark.parametrize("name", [*ARRAYS, *EXAMPLES])
def test_everything_else_is_refused_with_a_remedy(name: str, given: Any, got: str) -> None:
    with pytest.raises(ConfigError) as caught:
        {**ARRAYS, **EXAMPLES}[name](given)
    message = str(caught.value)
    assert got in message
    argument = {"normalizer": "train_x", "apart_from": "apart_from[0]"}.get(name, name)
    argument = argument if name in ("first", "second", *EXAMPLES) else "arrays"
    assert message.startswith(f"{argument} must be")
    remedies = {"Splits": f"pass {argument}.train"}.get(got.removeprefix("got a "))
    assert message.endswith(
        remedies or (": make Arrays(x, y, ...) of it", "in lists, tables and tensors")
    )


def test_an_array_alone_has_no_labels() -> None:
    with pytest.raises(ConfigError, match=r"arrays must be .* got an array of shape \(200, 4, 4"):
        split(X, seed=0)  # type: ignore[arg-type]


def test_a_pair_is_checked_as_arrays_are() -> None:
    with pytest.raises(DataError, match="x has 200 examples but y has 3"):
        split((X, Y[:3]), seed=0)
    with pytest.raises(DataError, match=r"\(200, 1\): y\.ravel\(\) has that shape"):
        split((X, Y[:, None]), seed=0)
