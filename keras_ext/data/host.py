"""Batches from main memory or from disk, in tf.data pipelines: what the processor works ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_ext.affine import DRAWS, Draw
from keras_ext.data._require import require
from keras_ext.data.augment import changer
from keras_ext.records import Arrays, Augmentation
from keras_ext.rows import read, streams

Plan = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""From the number of an epoch to its order and the numbers drawn, place by place."""


class Epochs:
    """The number of the next pass."""

    def __init__(self, first: int) -> None:
        self._next = first

    def take(self) -> int:
        """The number, for the pass that begins now."""
        self._next += 1
        return self._next - 1

    def set_epoch(self, epoch: int) -> None:
        """Say which number the next pass has."""
        self._next = epoch


def shuffled(
    arrays: Arrays, batch_size: int, change: Augmentation | None, plan: Plan, epochs: Epochs
) -> Any:
    """A ``tf.data.Dataset`` of (x, y): each pass has the order and the numbers of its plan."""
    tf = require("tensorflow", extra="tensorflow")
    x, y = reader(tf, arrays.x), reader(tf, arrays.y)
    changed = _changed(tf, change, len(arrays.classes))

    def one_epoch(_: Any) -> Any:
        order, draws = tf.numpy_function(lambda: plan(epochs.take()), [], (tf.int32, tf.float32))
        draws = tf.ensure_shape(draws, (None, DRAWS))

        def batch(first: Any) -> tuple[Any, Any]:
            places = slice(first, first + batch_size)
            rows = order[places]
            return changed(x(rows), y(rows), draws[places])

        starts = tf.data.Dataset.range(0, len(arrays), batch_size)
        return starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    passes = tf.data.Dataset.from_tensors(0).flat_map(one_epoch)
    return _finish(tf, passes, len(arrays), batch_size)


def in_order(arrays: Arrays, batch_size: int) -> Any:
    """A ``tf.data.Dataset`` of (x, y), unchanged."""
    tf = require("tensorflow", extra="tensorflow")
    x, y = reader(tf, arrays.x), reader(tf, arrays.y)

    def batch(first: Any) -> tuple[Any, Any]:
        rows = tf.range(first, tf.minimum(first + batch_size, len(arrays)))
        return x(rows), y(rows)

    starts = tf.data.Dataset.range(0, len(arrays), batch_size)
    return _finish(tf, starts.map(batch), len(arrays), batch_size)


def reader(tf: Any, array: Any) -> Callable[[Any], Any]:
    """From a tensor of row numbers to these rows of an array, whose dtype and shape they keep.

    An array that fits is copied into main memory, where tf.data works, also beside an accelerator.
    Of one that doesn't, a memory-mapped one as a rule, and of ``Rows`` only those asked for are
    read, from the first to the last as they lie on the disk.
    """
    shape = (None, *array.shape[1:])
    if not streams(array):
        with tf.device("CPU:0"):
            tensor = tf.constant(np.asarray(array))
        return lambda rows: tf.ensure_shape(tf.gather(tensor, rows), shape)
    return lambda rows: tf.ensure_shape(
        tf.numpy_function(lambda wanted: read(array, wanted), [rows], array.dtype), shape
    )


def _changed(
    tf: Any, change: Augmentation | None, classes: int
) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """What becomes of images, labels and drawn numbers: images and labels."""
    if change is None:
        return lambda x, y, _: (x, y)
    augment = changer(tf, change)
    if not change.mixes:
        return lambda x, y, draws: (augment(x, draws), y)

    def mix(x: Any, y: Any, draws: Any) -> tuple[Any, Any]:
        shares, share = tf.one_hot(y, classes), draws[:, Draw.MIX, None]
        others = tf.roll(shares, shift=-1, axis=0)
        return augment(x, draws), (1 - share) * shares + share * others

    return mix


def _finish(tf: Any, batches: Any, examples: int, batch_size: int) -> Any:
    """Deterministic, of known length, and ready before they are asked for."""
    options = tf.data.Options()
    options.deterministic = True
    steps = -(-examples // batch_size)
    known = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return known.prefetch(tf.data.AUTOTUNE).with_options(options)
