"""Labelled examples as arrays, from what a user gives to ``fit``, and samples of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks import outputs
from keras_ext.callbacks.outputs import ONLY, Output
from keras_ext.errors import ConfigError
from keras_ext.gradients import random_state
from keras_ext.rows import Rows, lazy, taken

INFINITE = -1  # what a tf.data.Dataset answers for its cardinality


@dataclass(frozen=True)
class Examples:
    """Inputs and labels.

    Args:
        x: array of shape (examples, ...), or a structure of such arrays for several inputs.
        y: array of shape (examples, ...).

    Both may be ``Rows`` of what is too large for the memory.
    """

    x: Any
    y: Any

    def __len__(self) -> int:
        return len(self.y)

    def sample(self, count: int, seed: int) -> Examples:
        """At most ``count`` examples, stratified by label; all of them without a copy.

        Inputs on disk that are too large for the memory stay there.
        """
        if count >= len(self):
            return self
        rows = stratified_rows(self.y, count, seed)
        return Examples(
            keras.tree.map_structure(lambda leaf: taken(leaf, rows), self.x), self.y[rows]
        )

    def rows(self, rows: Any) -> Examples:
        """Some of the examples, by number or as a slice."""
        return Examples(keras.tree.map_structure(lambda leaf: leaf[rows], self.x), self.y[rows])


def check(data: Any, name: str) -> Any:
    """Refuse what can be neither arrays nor a data set, before anything is read from it."""
    if not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        raise ConfigError(f"{name} must be (x, y) or a data set of batches, got {name}={data!r}")
    if outputs.is_array(data):
        raise ConfigError(
            f"{name} must be one tuple (x, y) or a data set of batches, got an array of shape"
            f" {tuple(data.shape)}"
        )
    if isinstance(data, list) and len(data) in (2, 3) and all(map(outputs.is_array, data)):
        raise ConfigError(f"{name} must be a tuple (x, y), got a list of {len(data)} arrays")
    return data


def read(data: Any, name: str, output: Output = ONLY) -> Examples:
    """All labelled examples of ``(x, y)``, ``(x, y, sample_weight)`` or a data set of batches.

    Args:
        data: a tuple of arrays, which aren't copied, or what ``batches`` takes.
        name: of the argument, for messages.
        output: whose labels to take from a mapping or list of labels.

    Raises:
        ConfigError: for data without labels, without an end or without examples, or a generator
            that can be read only once.

    >>> len(read((np.zeros((5, 2)), np.ones(5)), "train"))
    5
    """
    if not isinstance(data, tuple):
        return joined(list(batches(data, name, output)), name)
    return _not_empty(_labelled(data, name, output), name)


def batches(data: Any, name: str, output: Output = ONLY) -> Iterator[Examples]:
    """Labelled examples, a batch at a time; the global random state is left as it is.

    Args:
        data: whatever yields ``(x, y)`` or ``(x, y, sample_weight)``, has an end and can be read
            more than once: a tf.data.Dataset, PyDataset, torch's DataLoader, a list. Sample weights
            are left out.
        name, output: as for ``read``.

    Raises:
        ConfigError: as for ``read``.
    """
    state = random_state.capture()
    try:
        for batch in _iterator(data, name):
            yield _labelled(batch, name, output)
    finally:
        random_state.restore(state)


def joined(parts: list[Examples], name: str = "data") -> Examples:
    """One after the other, copied.

    Raises:
        ConfigError: for no examples at all.
    """
    if not parts:
        raise ConfigError(f"{name} must have at least one example, got an empty data set")
    x = keras.tree.map_structure(lambda *leaf: np.concatenate(leaf), *[part.x for part in parts])
    return _not_empty(Examples(x, np.concatenate([part.y for part in parts])), name)


def filled_batches(x: Any, size: int) -> Iterator[Any]:
    """Inputs in order, in batches of one size: the last is filled up with the first examples.

    Args:
        x: array of shape (examples, ...), or a structure of such arrays.
        size: examples a batch, at most as many as there are.

    >>> [batch.tolist() for batch in filled_batches(np.arange(5), 2)]
    [[0, 1], [2, 3], [4, 0]]
    """
    count = len(keras.tree.flatten(x)[0])
    for start in range(0, count, size):
        rows: Any = slice(start, start + size)
        if start + size > count:
            rows = np.arange(start, start + size) % count
        yield keras.tree.map_structure(lambda leaf, rows=rows: leaf[rows], x)


def stratified_rows(y: Any, count: int, seed: int) -> np.ndarray:
    """``count`` distinct rows in ascending order, each label in proportion to within one example.

    The rows are put in order of their label (numbers by size, so a regression is spread over
    its range), at random within a label, and taken at equal distances from a random start.

    >>> labels = np.repeat([0, 1], [80, 20])
    >>> int(labels[stratified_rows(labels, 10, seed=0)].sum())
    2
    """
    rng = np.random.default_rng(seed)
    values = None if isinstance(y, Rows) else strata(y)
    order = np.lexsort((rng.random(len(y)), np.zeros(len(y)) if values is None else values))
    places = (np.arange(count) + rng.random()) * (len(y) / count)
    return np.sort(order[np.minimum(places.astype(int), len(y) - 1)])


def strata(y: np.ndarray) -> np.ndarray | None:
    """One number for each example to sort by, or None where labels have no natural order."""
    flat = y.reshape(len(y), -1)
    if flat.shape[1] == 1:
        return flat[:, 0]
    one_hot = np.all((flat == 0) | (flat == 1)) and np.all(flat.sum(axis=1) == 1)
    return flat.argmax(axis=1) if one_hot else None


def _labelled(batch: Any, name: str, output: Output) -> Examples:
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        what = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ConfigError(f"{name} must be labelled, (x, y) or batches of (x, y), got {what}")
    if batch[1] is None:
        raise ConfigError(f"{name} must be labelled, (x, y) or batches of (x, y), got y=None")
    x, y = keras.tree.map_structure(array_of, batch[0]), array_of(outputs.labels(batch[1], output))
    for leaf in (*keras.tree.flatten(x), y):
        if not y.ndim or leaf.shape[:1] != y.shape[:1]:
            batched = "" if y.ndim else ": the data set must be batched, as by .batch(32)"
            raise ConfigError(
                f"{name} must have as many labels as examples, got x of shape {leaf.shape} and y"
                f" of shape {y.shape}{batched}"
            )
    return Examples(x, y)


def _not_empty(examples: Examples, name: str) -> Examples:
    if not len(examples):
        raise ConfigError(f"{name} must have at least one example, got none")
    return examples


def array_of(leaf: Any) -> Any:
    """A tensor, list or array as an array of numpy; what is too large to be copied as ``Rows``."""
    if keras.ops.is_tensor(leaf):
        return np.asarray(keras.ops.convert_to_numpy(leaf))
    unread = lazy(leaf)
    return unread if isinstance(unread, Rows) else np.asarray(leaf)


def _iterator(data: Any, name: str) -> Iterator[Any]:
    if isinstance(data, keras.utils.PyDataset):
        if data.num_batches is None:
            raise ConfigError(f"{name} must be a finite data set, got a {type(data).__name__}")
        return (data[index] for index in range(data.num_batches))
    cardinality = getattr(data, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == INFINITE:
        raise ConfigError(f"{name} must be a finite data set, got one that repeats for ever")
    iterator = iter(data)
    if iterator is data:
        raise ConfigError(
            f"{name} must be readable more than once, got a one-shot {type(data).__name__}:"
            " give arrays (x, y) or a data set"
        )
    return iterator
