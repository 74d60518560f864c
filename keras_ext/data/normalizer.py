"""Statistics of the training examples, as the first layer of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_ext.data._accept import examples_of
from keras_ext.data.duplicates import DUPLICATES_ALLOWED, duplicates
from keras_ext.errors import DataError
from keras_ext.rows import chunks, in_order

if TYPE_CHECKING:
    import keras


def normalizer(train_x: np.ndarray, *, apart_from: Sequence[np.ndarray] = ()) -> keras.layers.Layer:
    """A stock Keras layer that brings each channel or feature to mean 0 and variance 1.

    Fit it on training examples alone and make it the model's first layer: then a saved model
    carries its own statistics and takes the same pixels that were loaded. The layer computes in
    float32 whatever the policy, so 8-bit images lose nothing under mixed precision.

    A constant feature becomes 0. Where a value of ``train_x`` is missing (NaN), statistics are of
    the others, and the layer is a small stock model that puts the mean in place of missing values;
    a feature without any value is 0 everywhere.

    Args:
        train_x: array of shape (examples, features) or (examples, ..., channels).
        apart_from: ``x`` of validation and test, to have it checked that they were held out.

    Raises:
        DataError: when it is no such array, empty, or has an infinite value; when more than 0.5 %
            of the examples in ``apart_from`` are among its own.

    >>> layer = normalizer(np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> np.asarray(layer(np.array([[2.0, 6.0]], "float32"))).tolist()
    [[1.0, 1.0]]
    """
    train_x = examples_of(train_x, "train_x")
    mean, variance = moments(train_x)
    for number, held_out in enumerate(apart_from):
        _check_apart(train_x, examples_of(held_out, f"apart_from[{number}]"), number)
    import keras

    layer = keras.layers.Normalization(
        axis=-1,
        mean=mean.tolist(),
        variance=variance.tolist(),
        dtype="float32",
        name="normalization",
    )
    if not _has_missing(train_x):
        return layer
    inputs = keras.Input(train_x.shape[1:], dtype="float32")
    normal = layer(inputs)
    filled = keras.ops.where(keras.ops.isnan(normal), 0.0, normal)
    return keras.Model(inputs, filled, name="normalization_of_what_is_there")


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each channel or feature, in float64; 1 for a constant one.

    Missing values (NaN) are left out; a feature without any has mean 0 and variance 1. Chunks are
    merged by the pairwise update of Chan, Golub and LeVeque (1979), equation 2.1, which loses
    nothing where the mean is large against the deviations.

    Args:
        x: array of shape (examples, ..., channels).

    >>> [value.tolist() for value in moments(np.array([[1.0], [3.0]]))]
    [[2.0], [1.0]]
    """
    if x.ndim < 2 or x.size == 0 or x.dtype.kind not in "buif":
        raise DataError(
            "train_x must be numbers of shape (examples, ..., channels), "
            f"got {x.dtype} of shape {x.shape}"
        )
    channels = x.shape[-1]
    count, mean, squares = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    for examples in chunks(in_order(x)):
        chunk = examples.reshape(-1, channels)
        low, high = np.fmin(low, np.fmin.reduce(chunk)), np.fmax(high, np.fmax.reduce(chunk))
        values = chunk.astype(np.float64)
        here, chunk_mean = _counted(values)
        values -= chunk_mean
        total = np.maximum(count + here, 1)
        shift = chunk_mean - mean
        squares += np.einsum("ij,ij->j", values, values) + shift**2 * (count * here / total)
        mean += shift * (here / total)
        count += here
    constant = (low == high) | (count == 0)
    mean = np.where(count == 0, 0.0, np.where(constant, low, mean))
    return mean, np.where(constant, 1.0, squares / np.maximum(count, 1))


def _counted(values: np.ndarray) -> tuple[np.ndarray | int, np.ndarray]:
    """How many values each channel has, and their mean, which takes the place of missing ones."""
    mean = values.mean(axis=0)
    if np.isfinite(mean).all():
        return len(values), mean
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise DataError(f"train_x has infinite values in feature {int(np.argmax(infinite))}")
    missing = np.isnan(values)
    here = len(values) - missing.sum(axis=0)
    mean = np.where(missing, 0, values).sum(axis=0) / np.maximum(here, 1)
    np.copyto(values, mean, where=missing)
    return here, mean


def _has_missing(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" and any(np.isnan(chunk).any() for chunk in chunks(in_order(x)))


def _check_apart(train_x: np.ndarray, held_out: np.ndarray, number: int) -> None:
    """Refuse training examples that are held out as well."""
    copies = duplicates(train_x, held_out, similarity=None).exact
    if len(copies) > DUPLICATES_ALLOWED * len(held_out):
        first = copies[0]
        raise DataError(
            f"{len(copies):,} of the {len(held_out):,} examples of apart_from[{number}] are among "
            f"train_x (row {first[1]} is row {first[0]} there): fit on training examples alone"
        )
