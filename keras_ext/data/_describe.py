"""Examples as a few hundred numbers each, with names that a person understands."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from keras_ext.rows import chunks

WHOLE = ("brightness", "contrast", "sharpness")
SIDE = 14
"""Cells along each side of an image."""


def describe(*parts: Any) -> tuple[np.ndarray, list[str]]:
    """Of images brightness, contrast, sharpness and the mean of each cell; of rows each feature.

    A feature with missing or infinite values gets their mean in place of them, and a second column
    that says where they are.

    Args:
        parts: one after the other; numbers of shape (examples, height, width[, channels]) or
            (examples, features). Images are read a few at a time.

    Returns:
        float32 of shape (examples, columns), and the name of each column.
    """
    if parts[0].ndim in (3, 4):
        shape = parts[0].shape[1:]
        shape = shape if len(shape) == 3 else (*shape, 1)
        found = [_images(chunk.reshape(-1, *shape)) for part in parts for chunk in chunks(part)]
        return _fill(np.concatenate(found), _names(shape))
    flat = np.concatenate([np.asarray(part, np.float32).reshape(len(part), -1) for part in parts])
    return _fill(flat, [f"feature {number}" for number in range(flat.shape[1])])


def cell_means(images: np.ndarray, side: int) -> np.ndarray:
    """Each image in at most ``side`` by ``side`` cells.

    Args:
        images: of shape (examples, height, width, channels).

    Returns:
        float32 of shape (examples, rows of cells, columns of cells, channels).

    >>> cell_means(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, ..., 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    rows, columns = (_edges(length, side) for length in images.shape[1:3])
    sums = np.add.reduceat(np.asarray(images, np.float32), rows[:-1], axis=1)
    sums = np.add.reduceat(sums, columns[:-1], axis=2)
    return sums / (np.diff(rows)[:, None, None] * np.diff(columns)[:, None])


def _edges(length: int, cells: int) -> np.ndarray:
    return np.linspace(0, length, min(cells, length) + 1).astype(np.int64)


def _images(x: np.ndarray) -> np.ndarray:
    """Columns of images of shape (examples, height, width, channels)."""
    values = np.asarray(x, np.float32)
    steps = [np.abs(np.diff(values, axis=axis)).sum((1, 2)) for axis in (1, 2)]
    pixels = values.shape[1] * values.shape[2]
    whole = (values.mean((1, 2)), values.std((1, 2)), (steps[0] + steps[1]) / (2 * pixels))
    cells = cell_means(values, SIDE).reshape(len(values), -1)
    return np.concatenate([*whole, cells], axis=1)


def _names(shape: tuple[int, ...]) -> list[str]:
    """Of the columns of images of a shape (height, width, channels)."""
    channels = shape[-1]
    of_channel = [f", channel {number}" if channels > 1 else "" for number in range(channels)]
    rows, columns = (_edges(length, SIDE) for length in shape[:2])
    places = [
        f"rows {top} to {bottom - 1}, columns {left} to {right - 1}{channel}"
        for top, bottom in pairwise(rows.tolist())
        for left, right in pairwise(columns.tolist())
        for channel in of_channel
    ]
    return [name + channel for name in WHOLE for channel in of_channel] + places


def _fill(columns: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    missing = ~np.isfinite(columns)
    some = np.flatnonzero(missing.any(axis=0))
    if not some.size:
        return columns, names
    present = np.maximum((~missing).sum(axis=0), 1)
    means = np.where(missing, 0, columns).sum(axis=0) / present
    filled = np.where(missing, means.astype(np.float32), columns)
    flags = missing[:, some].astype(np.float32)
    return np.concatenate([filled, flags], axis=1), [*names, *(f"{names[k]} missing" for k in some)]
