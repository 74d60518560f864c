"""What a pipeline draws for the images of an epoch, and how it changes them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from keras_ext.affine import DRAWS, Draw
from keras_ext.augmented import augmented
from keras_ext.data._seeding import Stream, uniforms
from keras_ext.records import Augmentation

QUANTILE_STEPS = 4096


def draw(augmentation: Augmentation, examples: int, *, seed: int, epoch: int) -> np.ndarray:
    """The random numbers of every example in an epoch, in single precision.

    Args:
        augmentation: of which MixUp or CutMix decide what ``Draw.MIX`` is: the share of the other
            image, at the augmentation's magnitude.
        examples: how many.
        seed, epoch: decide the numbers.

    Returns:
        float32 below 1, of shape (examples, 19), in the order of ``affine.Draw``.
    """
    numbers = uniforms((examples, DRAWS), Stream.AUGMENTATION, seed, epoch)
    # Rounded down: single precision would make 1 of what is just below.
    result = (np.floor(numbers * 2.0**24) * 2.0**-24).astype(np.float32)
    if augmentation.mixes:
        alpha = augmentation.mixup or augmentation.cutmix
        share = beta_quantile(numbers[:, Draw.MIX], alpha) * augmentation.magnitude
        result[:, Draw.MIX] = share
    return result


def beta_quantile(probability: np.ndarray, alpha: float) -> np.ndarray:
    """The quantiles of Beta(alpha, alpha), as random numbers distributed so.

    With s = v^(1/alpha) the density of v on the lower half has no pole, whatever alpha; it is added
    up by trapezoids and read backwards. The upper half is the mirror image.

    >>> beta_quantile(np.array([0.1, 0.5, 0.75]), 1.0).round(6).tolist()
    [0.1, 0.5, 0.75]
    """
    v = np.linspace(0, 0.5**alpha, QUANTILE_STEPS)
    density = (1 - v ** (1 / alpha)) ** (alpha - 1)
    below = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    lower = np.minimum(probability, 1 - probability)
    found = np.interp(lower, below / below[-1] / 2, v) ** (1 / alpha)
    return np.where(probability < 0.5, found, 1 - found)


def changer(tf: Any, augmentation: Augmentation) -> Callable[[Any, Any], Any]:
    """From images and their drawn numbers to augmented images, compiled by XLA for the processor.

    TensorFlow runs a graph operation by operation, each of which writes all of its numbers to
    memory; XLA makes them one loop.
    """
    ops = _operations(tf)

    def change(images: Any, draws: Any) -> Any:
        return augmented(augmentation, images, draws, mix=True, ops=ops)

    compiled: Callable[[Any, Any], Any] = tf.function(change, jit_compile=True, autograph=False)
    return compiled


def _operations(tf: Any) -> SimpleNamespace:
    """TensorFlow under the names of ``keras.ops``, which may compute with another backend."""

    def shape(tensor: Any) -> tuple[Any, ...]:
        known = tensor.shape.as_list()
        return tuple(tf.shape(tensor)[i] if side is None else side for i, side in enumerate(known))

    return SimpleNamespace(
        arange=lambda stop, dtype: tf.range(stop, dtype=dtype),
        cast=tf.cast,
        clip=tf.clip_by_value,
        concatenate=tf.concat,
        cos=tf.cos,
        floor=tf.floor,
        log=tf.math.log,
        mean=tf.reduce_mean,
        mod=tf.math.floormod,
        ones_like=tf.ones_like,
        pad=tf.pad,
        reshape=tf.reshape,
        round=tf.round,
        shape=shape,
        sin=tf.sin,
        sqrt=tf.sqrt,
        take=tf.gather,
        where=tf.where,
    )
