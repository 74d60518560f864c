"""Random changes of an image as one affine transform, so that it is resampled only once."""

from __future__ import annotations

import numpy as np

from keras_ext.records import Augmentation

DRAWS = 6
"""Random numbers an image: horizontal flip, vertical flip, angle, zoom, shift down, shift right."""


def transforms(
    augmentation: Augmentation, draws: np.ndarray, *, height: int, width: int
) -> np.ndarray:
    """For each image, where in it each pixel of the changed image comes from.

    The image is flipped, turned by an angle about its centre, scaled by 1 + u about its centre and
    then shifted, in this order, with angle, u and shifts uniform between plus and minus their
    strength times the magnitude. In pixels about the centre c that is ``out = c + shift + (1 + u) R
    F (in - c)``; resampling needs the inverse, ``in = c + F R^T (out - c - shift) / (1 + u)``.

    Args:
        augmentation: the strengths.
        draws: numbers in [0, 1), of shape (images, 6), in the order of ``DRAWS``.
        height, width: of the images, in pixels.

    Returns:
        float32 of shape (images, 8): a0, a1, a2, b0, b1, b2, 0, 0 with input x = a0 x + a1 y + a2
        and input y = b0 x + b1 y + b2 of an output pixel (x, y), as ImageProjectiveTransformV3
        takes them.

    >>> mirror = Augmentation(flip="horizontal")
    >>> transforms(mirror, np.zeros((1, 6)), height=3, width=5)[0, :6].tolist()
    [-1.0, 0.0, 4.0, 0.0, 1.0, 0.0]
    """
    magnitude, flip = augmentation.magnitude, augmentation.flip
    chance = magnitude / 2
    flip_x = np.where((flip in ("horizontal", "both")) & (draws[:, 0] < chance), -1.0, 1.0)
    flip_y = np.where((flip in ("vertical", "both")) & (draws[:, 1] < chance), -1.0, 1.0)
    spread = (2 * draws[:, 2:] - 1) * magnitude
    angle = np.deg2rad(spread[:, 0] * augmentation.rotation)
    scale = 1 + spread[:, 1] * augmentation.zoom
    down = spread[:, 2] * augmentation.translation * height
    right = spread[:, 3] * augmentation.translation * width
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = center_x + right, center_y + down
    result = np.zeros((len(draws), 8), np.float32)
    for column, (flipped, along_x, along_y, center) in enumerate(
        ((flip_x, cos, sin, center_x), (flip_y, -sin, cos, center_y))
    ):
        a, b = flipped * along_x, flipped * along_y
        result[:, 3 * column] = a
        result[:, 3 * column + 1] = b
        result[:, 3 * column + 2] = center - a * from_x - b * from_y
    return result
