"""Candidates for moving a batch of images by one affine transform each: what they cost on a CPU.

PYTHONPATH=. python tests/experiments/resamplers.py

Prints a line for each: milliseconds of processor time for a batch of 128 uint8 images of 32 x 32 x
3 pixels (median of rounds in which all take turns, lowest and highest), and the mean difference
from the first in grey levels. On two cores, beside other work: 2.1, 8.4, 6.3 and 2.5 ms.

- gather: ``resample``, four neighbours gathered by one index; compiled by XLA, and in a graph.
- projective: TensorFlow's ImageProjectiveTransformV3, which XLA can't compile.
- two passes: one-dimensional resampling down the columns, then along the rows (Catmull and Smith,
  1980), compiled by XLA. Blurs twice, and fails near a quarter turn, where a0 is 0.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ext.affine import coefficients
from keras_ext.data.augment import _operations, draw
from keras_ext.records import Augmentation
from keras_ext.resample import resample

BATCH, SIDE, ROUNDS, CALLS = 128, 32, 15, 20
MOVES = Augmentation(flip="horizontal", rotation=15, zoom=0.15, translation=0.1)
OPS = _operations(tf)


def gather(images: Any, moves: Any) -> Any:
    """The one in use."""
    return resample(images, tf.unstack(moves, axis=1), ops=OPS)


def projective(images: Any, moves: Any) -> Any:
    """TensorFlow's own operation."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=tf.concat([moves, tf.zeros((BATCH, 2))], axis=1),
        output_shape=(SIDE, SIDE),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def two_passes(images: Any, moves: Any) -> Any:
    """Down the columns, then along the rows."""
    a0, a1, a2, b0, b1, b2 = (value[:, None, None] for value in tf.unstack(moves, axis=1))
    steps = tf.range(SIDE, dtype=tf.float32)
    down, across = steps[None, :, None], steps[None, None, :]
    before = (across - a1 * down - a2) / a0
    rows = along(tf.cast(images, tf.float32), b0 * before + b1 * down + b2, axis=1)
    return along(rows, a0 * across + a1 * down + a2, axis=2)


def along(images: Any, places: Any, axis: int) -> Any:
    """Linear interpolation at places on one axis, of shape (images, height, width); 0 outside."""
    padding = [[0, 0]] * 4
    padding[axis] = [1, 2]
    padded = tf.pad(images, padding)
    places = tf.clip_by_value(places, -1.0, float(SIDE)) + 1.0
    first = tf.floor(places)
    index, share = tf.cast(first, tf.int32), (places - first)[..., None]
    grid = [tf.range(BATCH)[:, None, None], tf.range(SIDE)[:, None], tf.range(SIDE)[None, :]]

    def at(place: Any) -> Any:
        parts = [tf.broadcast_to(part, (BATCH, SIDE, SIDE)) for part in grid]
        parts[axis] = place
        return tf.gather_nd(padded, tf.stack(parts, axis=-1))

    one = at(index)
    return one + (at(index + 1) - one) * share


CANDIDATES: dict[str, Callable[..., Any]] = {
    "gather, compiled": tf.function(gather, jit_compile=True),
    "gather, graph": tf.function(gather),
    "projective, graph": tf.function(projective),
    "two passes, compiled": tf.function(two_passes, jit_compile=True),
}


def main() -> None:
    """Time all candidates in turns."""
    images = tf.constant(
        np.random.default_rng(0).integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    )
    rows = coefficients(MOVES, draw(MOVES, BATCH, seed=0, epoch=0), height=SIDE, width=SIDE)
    moves = tf.constant(np.stack(rows, axis=1).astype(np.float32))
    first = CANDIDATES["gather, compiled"](images, moves)
    times: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for _ in range(ROUNDS):
        for name, candidate in CANDIDATES.items():
            candidate(images, moves)
            began = time.process_time()
            for _ in range(CALLS):
                result = candidate(images, moves)
            result.numpy()
            times[name].append((time.process_time() - began) / CALLS * 1000)
    for name, candidate in CANDIDATES.items():
        difference = float(tf.reduce_mean(tf.abs(candidate(images, moves) - first)))
        spread = f"{min(times[name]):.2f} to {max(times[name]):.2f}"
        print(f"{name:22} {statistics.median(times[name]):6.2f} ms ({spread}), {difference:.3f}")


if __name__ == "__main__":
    main()
