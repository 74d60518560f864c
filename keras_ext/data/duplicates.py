"""Held-out examples that were trained on, byte by byte or nearly."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from keras_ext.data._accept import examples_of
from keras_ext.data._describe import cell_means
from keras_ext.errors import ConfigError, DataError
from keras_ext.rows import read

DUPLICATES_ALLOWED = 0.005
"""Share of held-out examples; as much as the default tolerance between two errors."""
CELLS = 8
ROUGHLY = 0.9
"""Correlation of the cells below which two images aren't compared pixel by pixel."""
CHUNK, CHUNK_VALUES = 1_000, 1 << 24
"""Images compared together, and the most values that they have in all."""


@dataclass(frozen=True)
class Duplicates:
    """Pairs of rows: one of the training examples, one of the held-out ones.

    Args:
        exact: equal in every byte; the first training row of each held-out one.
        near: images that are not equal but correlate pixel by pixel: the same picture saved again,
            brighter, or with some noise; the training row that is most like the held-out one.
    """

    exact: tuple[tuple[int, int], ...]
    near: tuple[tuple[int, int], ...]


def duplicates(
    train_x: np.ndarray, held_out_x: np.ndarray, *, similarity: float | None = 0.99
) -> Duplicates:
    """Find held-out examples that have a copy among the training examples.

    For images, each is reduced to 8 by 8 cells; the training image whose cells correlate most is
    compared pixel by pixel. Brightness and contrast play no part, shifts do. 70,000 images take
    seconds; the time grows with the product of both numbers.

    Args:
        train_x, held_out_x: arrays of shape (examples, ...), images of shape (examples, height,
            width, channels).
        similarity: the smallest correlation of near duplicates, None to look for none. Different
            strokes of a pen correlate up to 0.985 in MNIST.

    Raises:
        ConfigError: for a similarity outside (0, 1].
        DataError: when the examples have different shapes.

    >>> images = np.random.default_rng(0).integers(0, 200, (50, 9, 9, 1))
    >>> duplicates(images[:40], np.concatenate([images[5:6], images[7:8] + 20, images[40:]]))
    Duplicates(exact=((5, 0),), near=((7, 1),))
    """
    if similarity is not None and not 0 < similarity <= 1:
        raise ConfigError(f"similarity must be in (0, 1], got similarity={similarity!r}")
    train_x, held_out_x = (
        examples_of(given, name)
        for given, name in ((train_x, "train_x"), (held_out_x, "held_out_x"))
    )
    if train_x.shape[1:] != held_out_x.shape[1:]:
        raise DataError(
            f"examples of shape {train_x.shape[1:]} have no copies of {held_out_x.shape[1:]}"
        )
    first_row: dict[bytes, int] = {}
    for row, example in enumerate(train_x):
        first_row.setdefault(_digest(example), row)
    found = [(first_row.get(_digest(example)), row) for row, example in enumerate(held_out_x)]
    exact = tuple((copied, row) for copied, row in found if copied is not None)
    if similarity is None or train_x.ndim != 4 or not len(train_x):
        return Duplicates(exact, ())
    others = np.array([row for copied, row in found if copied is None], np.int64)
    return Duplicates(exact, _near(train_x, held_out_x, others, similarity))


def _digest(example: np.ndarray) -> bytes:
    return hashlib.blake2b(example.tobytes(), digest_size=16).digest()


def _near(
    train_x: np.ndarray, held_out_x: np.ndarray, rows: np.ndarray, similarity: float
) -> tuple[tuple[int, int], ...]:
    """Of these held-out rows those that correlate with their nearest training image."""
    step = max(1, min(CHUNK, CHUNK_VALUES // max(1, math.prod(train_x.shape[1:]))))
    cells = np.concatenate(
        [
            _unit(cell_means(train_x[start : start + step], CELLS))
            for start in range(0, len(train_x), step)
        ]
    )
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        alike = _unit(cell_means(held_out_x[chunk], CELLS)) @ cells.T
        nearest = alike.argmax(axis=1)
        kept = alike[np.arange(len(chunk)), nearest] >= ROUGHLY
        chunk, nearest = chunk[kept], nearest[kept]
        exactly = (_unit(held_out_x[chunk]) * _unit(read(train_x, nearest))).sum(axis=1)
        chosen = exactly >= similarity
        pairs += zip(nearest[chosen].tolist(), chunk[chosen].tolist(), strict=True)
    return tuple(pairs)


def _unit(images: np.ndarray) -> np.ndarray:
    """Each image with mean 0 and length 1, as one row; 0 for an image of one colour."""
    flat = np.asarray(images, np.float32).reshape(len(images), math.prod(images.shape[1:]))
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
