"""The transforms that a pipeline gives to the images of an epoch."""

from __future__ import annotations

import numpy as np

from keras_ext.affine import DRAWS, coefficients
from keras_ext.records import Augmentation

__all__ = ["DRAWS", "transforms"]


def transforms(
    augmentation: Augmentation, draws: np.ndarray, *, height: int, width: int
) -> np.ndarray:
    """One affine transform an image, see ``affine.coefficients``, as TensorFlow wants them.

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
    result = np.zeros((len(draws), 8), np.float32)
    values = coefficients(augmentation, draws, height=height, width=width)
    for column, value in enumerate(values):
        result[:, column] = value
    return result
