"""Random numbers that are the same on every machine and under every version of numpy.

Only the raw output of PCG64 is used: numpy guarantees that stream for ever, whereas the methods of
``Generator`` may change between versions. Each use has a stream of its own, so that an order and
the augmentation drawn for it are independent under one seed.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from keras_ext.errors import ConfigError


class Stream(IntEnum):
    """What the numbers are for."""

    SPLIT = 1
    SAMPLE = 2
    ORDER = 3
    AUGMENTATION = 4
    COMPARISON = 7


def permutation(count: int, stream: Stream, seed: int, epoch: int = 0) -> np.ndarray:
    """The numbers 0 to count - 1 in random order, as int64.

    >>> permutation(5, Stream.ORDER, 0).tolist()
    [0, 4, 1, 3, 2]
    """
    return np.argsort(_raw(count, stream, seed, epoch), kind="stable")


def uniforms(shape: tuple[int, int], stream: Stream, seed: int, epoch: int = 0) -> np.ndarray:
    """Numbers in [0, 1), as float64, each a multiple of 2**-53."""
    raw = _raw(shape[0] * shape[1], stream, seed, epoch)
    return ((raw >> np.uint64(11)) * 2.0**-53).reshape(shape)


def check_seed(seed: int) -> None:
    """Raise a ConfigError for anything but a whole number from 0 on."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigError(f"seed must be a whole number from 0 on, got seed={seed!r}")


def _raw(count: int, stream: Stream, seed: int, epoch: int) -> np.ndarray:
    """Random 64-bit numbers."""
    check_seed(seed)
    entropy = np.random.SeedSequence([int(stream), int(seed), int(epoch)])
    return np.random.PCG64(entropy).random_raw(count)
