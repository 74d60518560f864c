"""Random changes of an image as one affine transform, so that it is resampled only once.

Pure mathematics, for any module that computes as numpy does: numpy itself, ``keras.ops`` inside a
model, TensorFlow in a pipeline.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import numpy as np

from keras_ext.records import Augmentation


class Draw(IntEnum):
    """The random numbers of an image, each in [0, 1), by column."""

    FLIP_HORIZONTAL = 0
    FLIP_VERTICAL = 1
    ANGLE = 2
    ZOOM = 3
    SHIFT_DOWN = 4
    SHIFT_RIGHT = 5
    SHEAR = 6
    CROP_DOWN = 7
    CROP_RIGHT = 8
    CONTRAST = 9
    BRIGHTNESS = 10
    NOISE = 11
    ERASED_HEIGHT = 12
    ERASED_WIDTH = 13
    ERASED_TOP = 14
    ERASED_LEFT = 15
    MIX = 16
    MIX_TOP = 17
    MIX_LEFT = 18


DRAWS = len(Draw)
"""Random numbers an image."""


def coefficients(
    augmentation: Augmentation,
    draws: Any,
    *,
    height: Any,
    width: Any,
    magnitude: Any = None,
    ops: Any = np,
) -> tuple[Any, ...]:
    """For each image, where in it each pixel of the changed image comes from.

    The image is flipped, turned by an angle about its centre, zoomed there, shifted, sheared about
    the centre and shifted by whole pixels, in this order. All strengths are uniform between plus
    and minus their largest value times the magnitude. Resampling needs the way back: with c the
    centre, s the shear, z the zoom and t the shifts, an output pixel p comes from
    ``c + F R^T (1 + z) (S (p - c - t_crop) - t)``, where S adds s times the row to the column.

    Args:
        augmentation: the strengths.
        draws: numbers in [0, 1), of shape (images, 19), in the order of ``Draw``.
        height, width: of the images, in pixels.
        magnitude: in place of the augmentation's own; may be a tensor.
        ops: the module to compute with: numpy, ``keras.ops`` or one like them.

    Returns:
        a0, a1, a2, b0, b1, b2, each of shape (images,), with input x = a0 x + a1 y + a2 and input y
        = b0 x + b1 y + b2 of an output pixel (x, y).

    >>> mirror = Augmentation(flip="horizontal")
    >>> draws = np.zeros((1, DRAWS))
    >>> [float(value[0]) for value in coefficients(mirror, draws, height=3, width=5)]
    [-1.0, 0.0, 4.0, 0.0, 1.0, 0.0]
    """
    magnitude = augmentation.magnitude if magnitude is None else magnitude

    def flip(name: str, column: Draw) -> Any:
        ones = ops.ones_like(draws[:, column])
        if augmentation.flip not in (name, "both"):
            return ones
        return ops.where(draws[:, column] < magnitude / 2, -ones, ones)

    def spread(column: Draw, most: Any) -> Any:
        return (2 * draws[:, column] - 1) * magnitude * most

    def whole(column: Draw) -> Any:
        most = ops.floor(magnitude * float(augmentation.crop) + 0.5)
        return ops.floor(draws[:, column] * (2 * most + 1)) - most

    angle = spread(Draw.ANGLE, augmentation.rotation * math.pi / 180)
    scale = 1 + spread(Draw.ZOOM, augmentation.zoom)
    down = spread(Draw.SHIFT_DOWN, augmentation.translation) * height
    right = spread(Draw.SHIFT_RIGHT, augmentation.translation) * width
    slant = spread(Draw.SHEAR, augmentation.shear)
    cos, sin = ops.cos(angle) * scale, ops.sin(angle) * scale
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    crop_x, crop_y = center_x + whole(Draw.CROP_RIGHT), center_y + whole(Draw.CROP_DOWN)
    result = []
    for flipped, along_x, along_y, center in (
        (flip("horizontal", Draw.FLIP_HORIZONTAL), cos, sin, center_x),
        (flip("vertical", Draw.FLIP_VERTICAL), -sin, cos, center_y),
    ):
        a, b = flipped * along_x, flipped * along_y
        offset = center - a * (right + crop_x + slant * crop_y) - b * (down + crop_y)
        result += [a, b + slant * a, offset]
    return tuple(result)
