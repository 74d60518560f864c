"""Statistics of the training examples, as the first layer of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_ext.errors import DataError

if TYPE_CHECKING:
    import keras

CHUNK_VALUES = 1 << 18
"""Values looked at together: few enough to stay in a processor's cache as float64."""


def normalizer(train_x: np.ndarray) -> keras.layers.Normalization:
    """A stock Keras layer that brings each channel or feature to mean 0 and variance 1.

    Fit it on training examples alone and make it the model's first layer: then a saved model
    carries its own statistics and takes the same pixels that were loaded. The layer computes in
    float32 whatever the policy, so 8-bit images lose nothing under mixed precision.

    Args:
        train_x: array of shape (examples, features) or (examples, ..., channels).

    Raises:
        DataError: when it is no such array, empty, or has a value that is not finite.

    >>> layer = normalizer(np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> np.asarray(layer(np.array([[2.0, 6.0]], "float32"))).tolist()
    [[1.0, 1.0]]
    """
    mean, variance = moments(train_x)
    import keras

    return keras.layers.Normalization(
        axis=-1,
        mean=mean.tolist(),
        variance=variance.tolist(),
        dtype="float32",
        name="normalization",
    )


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each channel or feature, in float64; 1 for a constant one.

    Chunks are merged by the pairwise update of Chan, Golub and LeVeque (1979), equation 2.1, which
    loses nothing where the mean is large against the deviations.

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
    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    step = max(1, CHUNK_VALUES // int(np.prod(x.shape[1:])))
    for first in range(0, len(x), step):
        chunk = np.asarray(x[first : first + step]).reshape(-1, channels)
        low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        values = chunk.astype(np.float64)
        chunk_mean = values.mean(axis=0)
        _check_finite(chunk_mean)
        values -= chunk_mean
        total = count + len(values)
        shift = chunk_mean - mean
        squares += np.einsum("ij,ij->j", values, values) + shift**2 * (count * len(values) / total)
        mean += shift * (len(values) / total)
        count = total
    constant = low == high
    return np.where(constant, low, mean), np.where(constant, 1.0, squares / count)


def _check_finite(mean: np.ndarray) -> None:
    if not np.isfinite(mean).all():
        feature = int(np.argmin(np.isfinite(mean)))
        raise DataError(f"train_x has missing or infinite values in feature {feature}")
