"""Arrays as batches, in tf.data pipelines that leave the processor to the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_ext.data._require import require
from keras_ext.data._seeding import Stream, check_seed, permutation, uniforms
from keras_ext.data.augment import DRAWS, transforms
from keras_ext.errors import ConfigError, DataError
from keras_ext.records import Arrays, Augmentation


def training_batches(
    arrays: Arrays,
    *,
    batch_size: int,
    augmentation: Augmentation | None = None,
    seed: int,
    first_epoch: int = 0,
) -> Any:
    """Every example once an epoch, in an order drawn anew for each, augmented if asked for.

    Order and augmentation are functions of (seed, epoch, example) alone: the same batches come
    whatever the number of threads. Each pass that is begun over the data set is the next epoch. The
    last batch may be smaller. Only indices are shuffled; images are gathered a batch at a time.

    Flips, rotation, zoom and translation become one affine transform an image, resampled once
    (bilinear, 0 outside the image) for the whole batch. Images keep their dtype, with or without
    augmentation; whole numbers are rounded.

    Args:
        arrays: the training examples; images of shape (examples, height, width, channels) to be
            augmented.
        batch_size: examples a batch.
        augmentation: None, or what to change at random.
        seed: decides order and augmentation.
        first_epoch: number of the first pass, for a run that is carried on.

    Returns:
        A ``tf.data.Dataset`` of (x, y), of known cardinality, with a function ``set_epoch(epoch)``
        that says which number the next pass has: TrainingState calls it when a run is resumed. It
        holds for the data sets that are made from this one, too.

    Raises:
        ConfigError: for a batch size below 1, or augmentation of what are no images.
        DataError: without examples.
        MissingExtraError: without TensorFlow.
    """
    check_seed(seed)
    _check(arrays, batch_size)
    warp = augmentation if augmentation is not None and augmentation.active else None
    if warp is not None and arrays.x.ndim != 4:
        raise ConfigError(
            "augmentation needs images of shape (examples, height, width, channels), "
            f"got x of shape {arrays.x.shape}"
        )
    tf = require("tensorflow", extra="tensorflow")
    x, y = _on_host(tf, arrays)
    epochs = _Epochs(first_epoch)

    def plan() -> tuple[np.ndarray, np.ndarray]:
        return _plan(arrays, warp, seed, epochs.take())

    def one_epoch(_: Any) -> Any:
        order, moves = tf.numpy_function(plan, [], (tf.int32, tf.float32))
        return _gather(tf, (x, y), order, moves if warp is not None else None, batch_size)

    passes = tf.data.Dataset.from_tensors(0).flat_map(one_epoch)
    batches = _finish(tf, passes, len(arrays), batch_size)
    batches.set_epoch = epochs.set_epoch
    return batches


def evaluation_batches(arrays: Arrays, *, batch_size: int) -> Any:
    """Every example once, in order and unchanged.

    Returns:
        A ``tf.data.Dataset`` of (x, y), of known cardinality.

    Raises:
        ConfigError: for a batch size below 1.
        DataError: without examples.
        MissingExtraError: without TensorFlow.
    """
    _check(arrays, batch_size)
    tf = require("tensorflow", extra="tensorflow")
    x, y = _on_host(tf, arrays)
    starts = tf.data.Dataset.range(0, len(arrays), batch_size)
    ends = starts.map(lambda first: (first, first + batch_size))
    slices = ends.map(lambda first, last: (x[first:last], y[first:last]))
    return _finish(tf, slices, len(arrays), batch_size)


class _Epochs:
    """The number of the next pass."""

    def __init__(self, first: int) -> None:
        self._next = first

    def take(self) -> int:
        self._next += 1
        return self._next - 1

    def set_epoch(self, epoch: int) -> None:
        self._next = epoch


def _plan(
    arrays: Arrays, warp: Augmentation | None, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """The order of an epoch, and for each place in it the transform of its image."""
    order = permutation(len(arrays), Stream.ORDER, seed, epoch).astype(np.int32)
    if warp is None:
        return order, np.zeros((0, 8), np.float32)
    draws = uniforms((len(arrays), DRAWS), Stream.AUGMENTATION, seed, epoch)
    height, width = arrays.x.shape[1:3]
    return order, transforms(warp, draws, height=height, width=width)[order]


def _gather(tf: Any, tensors: tuple[Any, Any], order: Any, moves: Any, batch_size: int) -> Any:
    """The batches of one epoch, for an order and the transforms (or None) that go with it."""

    def batch(first: Any) -> tuple[Any, Any]:
        rows = order[first : first + batch_size]
        x, y = (tf.ensure_shape(tf.gather(t, rows), (None, *t.shape[1:])) for t in tensors)
        return (x if moves is None else _resample(tf, x, moves[first : first + batch_size])), y

    starts = tf.data.Dataset.range(0, len(tensors[0]), batch_size)
    return starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _resample(tf: Any, images: Any, moves: Any) -> Any:
    """Images moved by one transform each, in their own dtype."""
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=moves,
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    if images.dtype.is_floating:
        return tf.cast(moved, images.dtype)
    return tf.cast(tf.round(moved), images.dtype)


def _finish(tf: Any, batches: Any, examples: int, batch_size: int) -> Any:
    """Deterministic, of known length, and ready before they are asked for."""
    options = tf.data.Options()
    options.deterministic = True
    steps = -(-examples // batch_size)
    known = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return known.prefetch(tf.data.AUTOTUNE).with_options(options)


def _on_host(tf: Any, arrays: Arrays) -> tuple[Any, Any]:
    """Both arrays as tensors in main memory, where tf.data works, also beside an accelerator."""
    with tf.device("CPU:0"):
        return tf.constant(arrays.x), tf.constant(arrays.y)


def _check(arrays: Arrays, batch_size: int) -> None:
    whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ConfigError(
            f"batch_size must be a whole number from 1 on, got batch_size={batch_size!r}"
        )
    if not len(arrays):
        raise DataError(f"{arrays.name} has no examples to make batches of")
