"""Augmentation of a batch of images from drawn numbers: the one function for model and pipeline."""

from __future__ import annotations

from typing import Any

from keras_ext.affine import coefficients
from keras_ext.pixels import mixed, tinted
from keras_ext.records import Augmentation
from keras_ext.resample import resample


def augmented(
    augmentation: Augmentation,
    images: Any,
    draws: Any,
    *,
    magnitude: Any = None,
    mix: bool = False,
    ops: Any,
) -> Any:
    """Images moved by one affine transform each, then tinted, then mixed; rounded once at the end.

    Args:
        augmentation: the strengths.
        images: of shape (images, height, width, channels), of any dtype of numbers.
        draws: numbers in [0, 1), single precision, of shape (images, 19), see ``affine.Draw``.
        magnitude: a scalar tensor, single precision, in place of the augmentation's own.
        mix: mix with the next image, if the augmentation does; ``Draw.MIX`` is then the share.
        ops: ``keras.ops``, or a module like it.

    Returns:
        Images of the same shape and dtype.
    """
    magnitude = augmentation.magnitude if magnitude is None else magnitude
    # A side that only a running step knows is a whole-number tensor.
    height, width = (
        side if isinstance(side, int) else ops.cast(side, "float32")
        for side in ops.shape(images)[1:3]
    )
    dtype, values = images.dtype, images
    if augmentation.moves:
        moves = coefficients(
            augmentation, draws, height=height, width=width, magnitude=magnitude, ops=ops
        )
        values = resample(images, moves, fill_mode=augmentation.fill_mode, ops=ops)
    values = ops.cast(values, "float32")
    if augmentation.tints:
        values = tinted(augmentation, values, draws, magnitude, ops)
    if mix and augmentation.mixes:
        values = mixed(augmentation, values, draws, ops)
    return ops.cast(values if "float" in str(dtype) else ops.round(values), dtype)
