"""A fair sample of examples that come a batch at a time, in bounded memory."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_ext.callbacks.examples import Examples, joined, strata

SLACK = 2
MOST_CLASSES = 10_000


class Reservoir:
    """Takes in any number of examples and gives back at most ``limit`` of them, stratified.

    A simple random sample of twice the limit is kept, whose labels then get their shares in all
    examples: "double sampling for stratification". A label with a place or two in the sample may
    miss one of them.

    Source: algorithm R of Vitter (1985), ACM Transactions on Mathematical Software 11, 37-57;
    Cochran (1977), Sampling Techniques, 3rd edition, chapter 12.

    Args:
        limit: the size of the sample; ``SLACK`` times as many are held at once.
        seed: decides the sample, together with the order of the examples.

    >>> reservoir = Reservoir(limit=10, seed=0)
    >>> for label in (0, 0, 0, 0, 1):
    ...     reservoir.add(Examples(np.zeros((50, 2)), np.full(50, label)))
    >>> np.bincount(reservoir.sample().y).tolist()
    [8, 2]
    """

    def __init__(self, limit: int, seed: int) -> None:
        self.limit = limit
        self.seed = seed
        self.seen = 0
        self._size = SLACK * limit
        self._rng = np.random.default_rng(seed)
        self._parts: list[Examples] = []  # Until the places are full,
        self._held: Examples | None = None  # and from then on.
        self._counts: dict[float, int] | None = {}

    def add(self, batch: Examples) -> None:
        """Take in more examples, after a look at all of their labels."""
        self._count(batch.y)
        room = min(max(0, self._size - self.seen), len(batch))
        if room:
            self._parts.append(batch.rows(slice(room)))
        if room < len(batch):
            self._replace(batch.rows(slice(room, None)), self.seen + room)
        self.seen += len(batch)

    def sample(self, name: str = "data") -> Examples:
        """All examples in the order in which they came, if they are few enough; else a sample.

        Raises:
            ConfigError: where there were none.
        """
        held = self._held or joined(self._parts, name)
        if self.seen <= self.limit:
            return held
        if self._counts is None or self.seen <= self._size:
            return held.sample(self.limit, self.seed)
        return held.rows(self._shared(held.y, self._counts))

    def _count(self, y: np.ndarray) -> None:
        values = strata(y)
        if values is None or self._counts is None:
            self._counts = None
            return
        for value, count in zip(*np.unique(values, return_counts=True), strict=True):
            self._counts[value] = self._counts.get(value, 0) + int(count)
        if len(self._counts) > MOST_CLASSES:
            self._counts = None

    def _replace(self, batch: Examples, before: int) -> None:
        """Each example takes a place among all there were so far, if that is one of those held."""
        if self._held is None:
            self._held, self._parts = joined(self._parts), []
        slots = self._rng.integers(0, before + 1 + np.arange(len(batch)))
        # The last one of those that got the same place keeps it.
        slots, last = np.unique(slots[::-1], return_index=True)
        rows = (len(batch) - 1 - last)[slots < self._size]
        for mine, new in zip(_leaves(self._held), _leaves(batch), strict=True):
            mine[slots[slots < self._size]] = new[rows]

    def _shared(self, y: np.ndarray, counts: dict[float, int]) -> np.ndarray:
        """Rows of those held, as many of each label as are its share in all examples."""
        labels = sorted(counts)
        ends = np.cumsum([counts[label] for label in labels])
        places = (np.arange(self.limit) + self._rng.random()) * (self.seen / self.limit)
        places = np.minimum(places.astype(int), self.seen - 1)
        wanted = np.bincount(np.searchsorted(ends, places, side="right"), minlength=len(labels))
        held = np.asarray(strata(y))
        each = [
            self._rng.permutation(np.flatnonzero(held == label))[:count]
            for label, count in zip(labels, wanted, strict=True)
        ]
        found = np.concatenate(each)
        others = np.setdiff1d(np.arange(len(y)), found)
        missing = self._rng.choice(others, self.limit - len(found), replace=False)
        return np.sort(np.concatenate([found, missing]))


def _leaves(examples: Examples) -> list[Any]:
    return [*keras.tree.flatten(examples.x), examples.y]
