"""Originals beside their augmented versions, for a person to check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_ext.errors import ConfigError, MissingExtraError
from keras_ext.reports.figures.palette import Palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES = 0.8
"""The side of one image."""
TITLE = 0.25
"""Inches for the words above."""


def augmented_images(
    originals: np.ndarray,
    augmented: np.ndarray,
    *,
    width: float | None = None,
    palette: Palette | None = None,
) -> Figure:
    """A row for each image: the original first, then what augmentation made of it.

    ``data.augmented_examples`` gives such images. Do the changed ones still show what their label
    says? Then augmentation is not too strong.

    Args:
        originals: of shape (images, height, width, channels) with 1 or 3 channels: whole numbers
            from 0 to 255, or floats of any range, drawn from their lowest to their highest.
        augmented: of shape (images, versions, height, width, channels).
        width: of the figure in inches; None gives each image 0.8.
        palette: the colours.

    Raises:
        ConfigError: when these are no such images.
        MissingExtraError: when matplotlib is not installed.
    """
    if originals.ndim != 4 or augmented.shape[:1] + augmented.shape[2:] != originals.shape:
        raise ConfigError(
            "augmented must be of shape (images, versions, height, width, channels) for originals "
            f"of shape (images, height, width, channels), got {augmented.shape} for "
            f"{originals.shape}"
        )
    if originals.shape[-1] not in (1, 3):
        raise ConfigError(f"images must have 1 or 3 channels, got {originals.shape[-1]}")
    palette = palette or Palette()
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", extra="reports") from error
    rows, columns = len(originals), 1 + augmented.shape[1]
    side = INCHES if width is None else width / columns
    height = originals.shape[1] / originals.shape[2] * side * rows + TITLE
    figure = Figure(figsize=(side * columns, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    low, high = _range(originals)
    grid = figure.subplots(rows, columns, squeeze=False)
    for row, axes in enumerate(grid):
        for image, place in zip((originals[row], *augmented[row]), axes, strict=True):
            shown = np.clip((image.astype(float) - low) / (high - low), 0, 1)
            pixels = shown[..., 0] if shown.shape[-1] == 1 else shown
            place.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="none")
            place.set_axis_off()
    for place, words in zip(grid[0], ("original", "augmented"), strict=False):
        place.set_title(words, loc="left", fontsize=8, color=palette.muted)
    return figure


def _range(images: np.ndarray) -> tuple[float, float]:
    """What is black and what is white."""
    if images.dtype.kind in "iu":
        return 0.0, 255.0
    low, high = float(images.min()), float(images.max())
    return low, high if high > low else low + 1
