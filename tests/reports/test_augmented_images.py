"""The grid of originals and augmented images, read back from what matplotlib was given."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.errors import ConfigError
from keras_ext.reports.figures import augmented_images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_every_image_stands_in_its_place(
    rng: np.random.Generator, channels: int, dtype: str
) -> None:
    originals = rng.integers(0, 256, (3, 4, 5, channels)).astype(dtype)
    shown = rng.integers(0, 256, (3, 2, 4, 5, channels)).astype(dtype)
    low, high = (0, 255) if dtype == "uint8" else (originals.min(), originals.max())
    axes = np.array(augmented_images(originals, shown).axes).reshape(3, 3)
    for row in range(3):
        for place, image in zip(axes[row], (originals[row], *shown[row]), strict=True):
            (drawn,) = place.images
            expected = np.clip((image.astype(float) - low) / (high - low), 0, 1)
            assert np.allclose(np.asarray(drawn.get_array()), expected.squeeze(), atol=1e-6)
    titles = [place.get_title(loc="left") for place in axes[0]]
    assert titles == ["original", "augmented", ""]


def test_a_flat_image_is_drawn() -> None:
    assert augmented_images(np.ones((1, 2, 2, 1)), np.ones((1, 1, 2, 2, 1))).axes


@pytest.mark.parametrize(
    ("originals", "shown"),
    [((2, 4, 4, 1), (3, 1, 4, 4, 1)), ((2, 4, 4), (2, 1, 4, 4)), ((2, 4, 4, 2), (2, 1, 4, 4, 2))],
)
def test_what_are_no_such_images_is_refused(
    originals: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigError, match="got"):
        augmented_images(np.zeros(originals), np.zeros(shown))
