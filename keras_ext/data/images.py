"""Image files as arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keras_ext.data._require import require
from keras_ext.errors import ConfigError, DataError

MODES = {1: "L", 3: "RGB"}


def load_images(
    paths: Iterable[str | os.PathLike[str]], *, size: tuple[int, int], channels: int = 3
) -> np.ndarray:
    """Read PNG, JPEG and other 8-bit files, turned as the camera was held, and resized (bilinear).

    Args:
        paths: the files, in the order of the result.
        size: (height, width) of the result in pixels.
        channels: 1 for grey, 3 for colour.

    Returns:
        uint8 of shape (files, height, width, channels).

    Raises:
        ConfigError: for a size or a number of channels that no image has.
        DataError: naming the file that can't be read as such an image.
        MissingExtraError: without Pillow.
    """
    if channels not in MODES:
        raise ConfigError(f"channels must be 1 or 3, got channels={channels!r}")
    if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        raise ConfigError(f"size must be (height, width) in pixels, got size={size!r}")
    files = [Path(path) for path in paths]
    images = np.empty((len(files), *size, channels), np.uint8)
    for row, path in enumerate(files):
        images[row] = _read(path, size, MODES[channels]).reshape(*size, channels)
    return images


def _read(path: Path, size: tuple[int, int], mode: str) -> np.ndarray:
    image_module = require("PIL.Image", extra="recipes", package="pillow")
    image_ops = require("PIL.ImageOps", extra="recipes", package="pillow")
    try:
        with image_module.open(path) as file:
            if file.mode.startswith(("I", "F")):
                raise DataError(f"{path} has more than 8 bits a channel: save it with 8")
            image: Any = image_ops.exif_transpose(file).convert(mode)
    except image_module.UnidentifiedImageError as error:
        raise DataError(f"{path} is no image that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"can't read {path} as an image: {reason}") from error
    if image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), image_module.Resampling.BILINEAR)
    return np.asarray(image)
