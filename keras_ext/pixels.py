"""Random changes of an image's values where they are: contrast, brightness, noise, erased parts."""

from __future__ import annotations

import math
from typing import Any

from keras_ext.affine import Draw
from keras_ext.records import Augmentation


def tinted(augmentation: Augmentation, images: Any, draws: Any, magnitude: Any, ops: Any) -> Any:
    """Images with other contrast, then other brightness, then noise, then an erased rectangle.

    After each of the first three, values stay within the value range.

    Args:
        augmentation: the strengths; its own magnitude doesn't count.
        images: single precision, of shape (images, height, width, channels).
        draws: numbers in [0, 1), of shape (images, 19), in the order of ``affine.Draw``.
        magnitude: a number or a scalar tensor.
        ops: ``keras.ops``, or a module like it.

    Returns:
        Single precision, of the same shape.
    """
    low, high = augmentation.value_range

    def drawn(column: Draw) -> Any:
        return draws[:, column][:, None, None, None]

    if augmentation.contrast:
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        factor = 1 + (2 * drawn(Draw.CONTRAST) - 1) * magnitude * augmentation.contrast
        images = ops.clip((images - mean) * factor + mean, low, high)
    if augmentation.brightness:
        most = magnitude * augmentation.brightness * (high - low)
        images = ops.clip(images + (2 * drawn(Draw.BRIGHTNESS) - 1) * most, low, high)
    if augmentation.noise:
        deviation = magnitude * augmentation.noise * (high - low)
        normal = noise(drawn(Draw.NOISE), ops.shape(images)[1:], ops)
        images = ops.clip(images + deviation * normal, low, high)
    if augmentation.erasing:
        sides = [
            ops.sqrt(draws[:, column] * magnitude * augmentation.erasing)
            for column in (Draw.ERASED_HEIGHT, Draw.ERASED_WIDTH)
        ]
        corner = draws[:, Draw.ERASED_TOP], draws[:, Draw.ERASED_LEFT]
        images = ops.where(rectangle(images, sides, corner, ops), 0.0, images)
    return images


def mixed(augmentation: Augmentation, images: Any, draws: Any, ops: Any) -> Any:
    """Images mixed with the next of the batch, the last with the first.

    Args:
        augmentation: of which it is used whether it is MixUp or CutMix.
        images: single precision, of shape (images, height, width, channels).
        draws: of shape (images, 19); ``Draw.MIX`` is the share of the other image itself.
        ops: ``keras.ops``, or a module like it.

    Returns:
        Single precision, of the same shape.
    """
    others = ops.concatenate([images[1:], images[:1]], axis=0)
    share = draws[:, Draw.MIX]
    if augmentation.mixup:
        share = share[:, None, None, None]
        return (1 - share) * images + share * others
    sides = [ops.sqrt(share)] * 2
    corner = draws[:, Draw.MIX_TOP], draws[:, Draw.MIX_LEFT]
    return ops.where(rectangle(images, sides, corner, ops), others, images)


def rectangle(images: Any, sides: Any, corner: Any, ops: Any) -> Any:
    """Whether a pixel lies in its image's rectangle, of shape (images, height, width, 1).

    Args:
        images: of shape (images, height, width, channels).
        sides: height and width as fractions of the image's, each of shape (images,).
        corner: how far down and right, as fractions of the room there is, each of shape (images,).
        ops: ``keras.ops``, or a module like it.
    """
    inside = []
    for axis, side, start in zip((1, 2), sides, corner, strict=True):
        whole = ops.shape(images)[axis]
        length = whole if isinstance(whole, int) else ops.cast(whole, "float32")
        first = (start * (1 - side) * length)[:, None]
        pixel = ops.arange(whole, dtype="float32")[None, :]
        inside.append((pixel >= first) & (pixel < first + (side * length)[:, None]))
    return inside[0][:, :, None, None] & inside[1][:, None, :, None]


def noise(draws: Any, shape: Any, ops: Any) -> Any:
    """Standard normal numbers that depend on an image's number and the place in it alone.

    Hashed places, and not a generator's stream: so every backend, pipeline and batch size has the
    same noise. Box and Muller (1958) make normal numbers of pairs of uniform ones.

    Args:
        draws: numbers in [0, 1), single precision, of shape (images, 1, 1, 1).
        shape: height, width and channels.
        ops: ``keras.ops``, or a module like it.

    Returns:
        Single precision, of shape (images, height, width, channels).
    """
    height, width, channels = shape
    place = ops.reshape(
        ops.arange(height * width * channels, dtype="int32"), (1, height, width, channels)
    )
    key = _hashed(ops.cast(draws * 2.0**24, "int32"))
    one, other = (
        (ops.cast(_hashed(key ^ _hashed(2 * place + which)) & 0xFFFFFF, "float32") + 0.5) / 2.0**24
        for which in (0, 1)
    )
    return ops.sqrt(-2 * ops.log(one)) * ops.cos(2 * math.pi * other)


def _hashed(number: Any) -> Any:
    """MurmurHash3's finalizer (Appleby 2011) in int32, whose products wrap around."""
    for shift, factor in ((16, 0x85EBCA6B - 2**32), (13, 0xC2B2AE35 - 2**32), (16, 1)):
        # Division and a mask are a shift that brings in zeros, which int32 lacks.
        number = (number ^ ((number // 2**shift) & (2 ** (32 - shift) - 1))) * factor
    return number
