"""A run from data to diagnosis on every backend; off TensorFlow without a package of its own."""

from __future__ import annotations

import keras
import numpy as np

from keras_ext.records import Arrays, Augmentation, Splits, TrainConfig
from keras_ext.training import open_test, run


def test_a_run_with_resident_images_and_mixed_labels(rng: np.random.Generator) -> None:
    y = (np.arange(200) % 4).astype(np.int32)
    x = rng.integers(0, 60, (200, 8, 8, 1)).astype(np.uint8)
    for image, label in zip(x, y, strict=True):
        image[2 * label : 2 * label + 2] += 150
    arrays = Arrays(x, y, "stripes")
    splits = Splits(*(arrays.take(slice(*rows)) for rows in ((0, 120), (120, 160), (160, 200))))
    torch = keras.backend.backend() == "torch"
    config = TrainConfig(
        model="mlp",
        units=16,
        layers=1,
        epochs=3,
        batch_size=20,
        learning_rate=0.03,
        augmentation=Augmentation(rotation=5, mixup=0.2),
        steps_per_execution=1 if torch else 3,
    )
    result = open_test(run(config, splits, placement="device", quiet=True), splits)
    assert result.status == "completed"
    assert result.errors["test"].error < 0.2
    assert len(result.iteration_costs[0]) == 6
    assert result.augmented is not None
    assert result.augmented.versions.dtype == np.uint8
