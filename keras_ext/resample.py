"""Images moved by one affine transform each, in operations that every compiler knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def resample(images: Any, moves: Sequence[Any], *, fill_mode: str = "constant", ops: Any) -> Any:
    """Bilinear, in single precision.

    The same as TensorFlow's ImageProjectiveTransformV3, which XLA can't compile. A place outside
    the image is brought to one inside, as the fill mode says, or to a border of zeros; so that all
    four neighbours exist and are gathered from the whole batch by one index.

    Args:
        images: of shape (images, height, width, channels), of any dtype of numbers.
        moves: a0, a1, a2, b0, b1, b2, each of shape (images,) and single precision, as
            ``affine.coefficients`` gives them.
        fill_mode: "constant" (0), "nearest" or "reflect" (abc|cba).
        ops: ``keras.ops``, or a module like it.

    Returns:
        Single precision, of the same shape.

    >>> from keras import ops
    >>> image = ops.reshape(ops.cast(range(6), "uint8"), (1, 2, 3, 1))
    >>> mirror = [ops.full((1,), value, dtype="float32") for value in (-1, 0, 2, 0, 1, 0)]
    >>> ops.convert_to_numpy(resample(image, mirror, ops=ops))[0, :, :, 0].tolist()
    [[2.0, 1.0, 0.0], [5.0, 4.0, 3.0]]
    """
    count, height, width, channels = ops.shape(images)
    a0, a1, a2, b0, b1, b2 = (value[:, None, None] for value in moves)
    columns = ops.arange(width, dtype="float32")[None, None, :]
    rows = ops.arange(height, dtype="float32")[None, :, None]
    row, down = _place(b0 * columns + b1 * rows + b2, height, fill_mode, ops)
    column, right = _place(a0 * columns + a1 * rows + a2, width, fill_mode, ops)
    # A border of 0, one pixel before and two after: a place next to the last has neighbours too.
    across = width + 3
    pixels = ops.reshape(ops.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0))), (-1, channels))
    first = (ops.arange(count, dtype="int32") * ((height + 3) * across))[:, None, None]
    at = first + row * across + column

    def pixel(offset: Any) -> Any:
        return ops.cast(ops.take(pixels, at + offset, axis=0), "float32")

    above = pixel(0) + (pixel(1) - pixel(0)) * right
    below = pixel(across) + (pixel(across + 1) - pixel(across)) * right
    return above + (below - above) * down


def _place(place: Any, size: Any, fill_mode: str, ops: Any) -> tuple[Any, Any]:
    """The pixel before a place on one axis, counted with the border, and the share of the next."""
    size = size if isinstance(size, int) else ops.cast(size, "float32")
    last = size - 1
    if fill_mode == "reflect":
        place = size - abs(ops.mod(place + 0.5, 2.0 * size) - size) - 0.5
    border = 1.0 if fill_mode == "constant" else 0.0
    place = ops.clip(place, -border, last + border) + 1.0
    before = ops.floor(place)
    return ops.cast(before, "int32"), (place - before)[..., None]
