"""Images moved by one affine transform each, in operations that every compiler knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops


def resample(images: Any, moves: Sequence[Any]) -> Any:
    """Bilinear, 0 outside the image; whole numbers are rounded.

    The same as TensorFlow's ImageProjectiveTransformV3 with a constant fill, which XLA can't
    compile; neighbours are gathered from all images of the batch by one index.

    Args:
        images: of shape (images, height, width, channels), of any dtype of numbers.
        moves: a0, a1, a2, b0, b1, b2, each of shape (images,) and single precision, as
            ``affine.coefficients`` gives them.

    Returns:
        Images of the same shape and dtype.

    >>> image = ops.reshape(ops.cast(range(6), "uint8"), (1, 2, 3, 1))
    >>> mirror = [ops.full((1,), value, dtype="float32") for value in (-1, 0, 2, 0, 1, 0)]
    >>> ops.convert_to_numpy(resample(image, mirror))[0, :, :, 0].tolist()
    [[2, 1, 0], [5, 4, 3]]
    """
    count, height, width, channels = ops.shape(images)
    a0, a1, a2, b0, b1, b2 = (value[:, None, None] for value in moves)
    columns = ops.arange(width, dtype="float32")[None, None, :]
    rows = ops.arange(height, dtype="float32")[None, :, None]
    above, below = _neighbours(b0 * columns + b1 * rows + b2, height)
    left, right = _neighbours(a0 * columns + a1 * rows + a2, width)
    pixels = ops.reshape(images, (-1, channels))
    first = (ops.arange(count, dtype="int32") * (height * width))[:, None, None]
    result = 0.0
    for row, row_weight in (above, below):
        start = first + row * width
        for column, column_weight in (left, right):
            found = ops.cast(ops.take(pixels, start + column, axis=0), "float32")
            result = result + found * (row_weight * column_weight)[..., None]
    if not _is_float(images):
        result = ops.round(result)
    return ops.cast(result, images.dtype)


def _neighbours(place: Any, size: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The two pixels around a place on one axis: whole numbers that exist, and their weights."""
    before = ops.floor(place)
    share = place - before
    return _inside(before, 1 - share, size), _inside(before + 1, share, size)


def _inside(pixel: Any, weight: Any, size: Any) -> tuple[Any, Any]:
    """A pixel outside has no weight, and an existing one in its place."""
    last = ops.cast(size - 1, "float32")
    exists = ops.logical_and(pixel >= 0, pixel <= last)
    return ops.cast(ops.clip(pixel, 0, last), "int32"), ops.where(exists, weight, 0.0)


def _is_float(images: Any) -> bool:
    return "float" in str(images.dtype)
