"""Some examples, augmented several times, to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from keras_ext.augmented import augmented
from keras_ext.data._accept import arrays_of
from keras_ext.data.augment import draw
from keras_ext.data.batches import check_augmentation
from keras_ext.errors import ConfigError
from keras_ext.records import Arrays, Augmentation


def augmented_examples(
    arrays: Arrays | tuple[Any, Any],
    augmentation: Augmentation,
    *,
    examples: int = 6,
    versions: int = 7,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The first examples, and what training would see of them, for ``figures.augmented_images``.

    Args:
        arrays: images of shape (examples, height, width, channels).
        augmentation: shown at its full strength if its magnitude is 0.
        examples: how many.
        versions: how often each is augmented: once in each of as many epochs.
        seed: of what is drawn.

    Returns:
        The originals, of shape (examples, height, width, channels), and their versions, of shape
        (examples, versions, height, width, channels).

    Raises:
        ConfigError: for fewer than one example or version, or what are no images.
    """
    from keras import ops

    for name, count in (("examples", examples), ("versions", versions)):
        if count < 1:
            raise ConfigError(f"{name} must be at least 1, got {name}={count}")
    if augmentation.magnitude == 0:
        augmentation = replace(augmentation, magnitude=1.0)
    arrays = arrays_of(arrays, "arrays")
    some = arrays.take(slice(0, examples))
    plain = replace(augmentation, mixup=0.0, cutmix=0.0)
    check_augmentation(arrays, plain)
    originals = np.asarray(some.x)
    shown = np.empty((len(some), versions, *originals.shape[1:]), originals.dtype)
    for version in range(versions):
        draws = draw(plain, len(some), seed=seed, epoch=version)
        tensors = ops.convert_to_tensor(originals), ops.convert_to_tensor(draws)
        changed = augmented(plain, *tensors, ops=ops)
        shown[:, version] = ops.convert_to_numpy(changed)
    return originals, shown
