"""One transform is distributed as the chain of Keras's own layers with the same parameters."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from scipy import stats

from keras_ext.data import Arrays, Augmentation, training_batches

pytest.importorskip("tensorflow", reason="the pipelines are made of tf.data")
pytestmark = pytest.mark.usefixtures("no_accelerator")

SIDE, COUNT = 41, 1500
CONSTANT = {"fill_mode": "constant"}


def ramps() -> np.ndarray:
    """Images whose two channels say where a pixel is."""
    y, x = np.meshgrid(*2 * [np.arange(SIDE, dtype=np.float32)], indexing="ij")
    return np.ascontiguousarray(np.broadcast_to(np.stack([x, y], -1), (COUNT, SIDE, SIDE, 2)))


def coefficients(out: np.ndarray) -> np.ndarray:
    """What moved each image, read off around its middle: rows a0, a1, b0, b1, x and y there."""
    out = out.astype(float)
    corner, right, below = out[:, 18, 18], out[:, 18, 22], out[:, 22, 18]
    along_x, along_y = (right - corner) / 4, (below - corner) / 4
    middle = (right + below) / 2
    parts = along_x[:, 0], along_y[:, 0], along_x[:, 1], along_y[:, 1]
    return np.stack([*parts, middle[:, 0], middle[:, 1]])


def fused(augmentation: Augmentation) -> np.ndarray:
    arrays = Arrays(ramps(), np.zeros(COUNT, np.int32))
    ((images, _),) = training_batches(arrays, batch_size=COUNT, augmentation=augmentation, seed=1)
    return coefficients(images.numpy())


def chain(layers: list[keras.layers.Layer]) -> np.ndarray:
    images: Any = ramps()
    for layer in layers:
        images = layer(images, training=True)
    return coefficients(np.asarray(images))


def quantities(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Angle, scale, the place shown in the middle, and whether an image is mirrored."""
    a0, a1, b0, b1, x, y = rows
    turned = a0 * b1 - a1 * b0
    return {
        "angle": np.arctan2(-b0, b1),
        "scale": np.sqrt(np.abs(turned)),
        "x": x,
        "y": y,
        "mirrored": np.sign(turned),
    }


def test_flip_rotation_zoom_and_translation() -> None:
    ours = fused(Augmentation(flip="horizontal", rotation=25, zoom=0.2, translation=0.1))
    theirs = chain(
        [
            keras.layers.RandomFlip("horizontal", seed=1),
            keras.layers.RandomRotation(25 / 360, **CONSTANT, seed=2),
            keras.layers.RandomZoom(0.2, **CONSTANT, seed=3),
            keras.layers.RandomTranslation(0.1, 0.1, **CONSTANT, seed=4),
        ]
    )
    one, other = quantities(ours), quantities(theirs)
    for name in one:
        if name != "mirrored":
            assert stats.ks_2samp(one[name], other[name]).pvalue > 0.001, name
    shares = [np.mean(side["mirrored"] < 0) for side in (one, other)]
    assert abs(shares[0] - shares[1]) < 5 * np.sqrt(0.5 / COUNT)


def test_shear_slants_alike() -> None:
    ours = fused(Augmentation(shear=0.2))
    theirs = chain([keras.layers.RandomShear(x_factor=0.2, **CONSTANT, seed=5)])
    assert stats.ks_2samp(ours[1], theirs[1]).pvalue > 0.001
    for rows in (ours, theirs):
        np.testing.assert_allclose(rows[[0, 2, 3]].T - [1, 0, 1], 0, atol=1e-4)


def test_crop_is_padding_and_a_random_window() -> None:
    ours = fused(Augmentation(crop=3))
    theirs = chain([keras.layers.ZeroPadding2D(3), keras.layers.RandomCrop(SIDE, SIDE, seed=6)])
    for row in (4, 5):
        values = [set(np.round(rows[row], 4)) for rows in (ours, theirs)]
        assert values[0] <= {17.0 + i for i in range(7)}
        # Keras takes one window for a whole batch.
        assert values[1] <= values[0]
