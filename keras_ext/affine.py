"""Random changes of an image as one affine transform, so that it is resampled only once.

Pure mathematics, for any module that computes as numpy does: numpy itself where batches are planned
ahead, ``keras.ops`` inside a model.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_ext.records import Augmentation

DRAWS = 6
"""Random numbers an image: horizontal flip, vertical flip, angle, zoom, shift down, shift right."""


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

    The image is flipped, turned by an angle about its centre, scaled by 1 + u about its centre and
    then shifted, in this order, with angle, u and shifts uniform between plus and minus their
    strength times the magnitude. In pixels about the centre c that is ``out = c + shift + (1 + u) R
    F (in - c)``; resampling needs the inverse, ``in = c + F R^T (out - c - shift) / (1 + u)``.

    Args:
        augmentation: the strengths.
        draws: numbers in [0, 1), of shape (images, 6), in the order of ``DRAWS``.
        height, width: of the images, in pixels.
        magnitude: in place of the augmentation's own; may be a tensor.
        ops: the module to compute with: numpy or ``keras.ops``.

    Returns:
        a0, a1, a2, b0, b1, b2, each of shape (images,), with input x = a0 x + a1 y + a2 and input y
        = b0 x + b1 y + b2 of an output pixel (x, y).

    >>> mirror = Augmentation(flip="horizontal")
    >>> [float(value[0]) for value in coefficients(mirror, np.zeros((1, 6)), height=3, width=5)]
    [-1.0, 0.0, 4.0, 0.0, 1.0, 0.0]
    """
    magnitude = augmentation.magnitude if magnitude is None else magnitude
    ones, chance = ops.ones_like(draws[:, 0]), magnitude / 2
    flip_x, flip_y = (
        ops.where(draws[:, column] < chance, -ones, ones)
        if augmentation.flip in (name, "both")
        else ones
        for column, name in enumerate(("horizontal", "vertical"))
    )
    spread = (2 * draws[:, 2:] - 1) * magnitude
    angle = spread[:, 0] * augmentation.rotation * (math.pi / 180)
    scale = 1 + spread[:, 1] * augmentation.zoom
    down = spread[:, 2] * augmentation.translation * height
    right = spread[:, 3] * augmentation.translation * width
    cos, sin = ops.cos(angle) / scale, ops.sin(angle) / scale
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = center_x + right, center_y + down
    result = []
    for flipped, along_x, along_y, center in (
        (flip_x, cos, sin, center_x),
        (flip_y, -sin, cos, center_y),
    ):
        a, b = flipped * along_x, flipped * along_y
        result += [a, b, center - a * from_x - b * from_y]
    return tuple(result)
