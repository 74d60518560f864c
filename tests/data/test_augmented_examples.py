"""Examples to look at: originals in order, their versions in their own row."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.data import Arrays, Augmentation, augmented_examples, training_batches
from keras_ext.errors import ConfigError


def test_each_row_holds_versions_of_its_own_example(digits: Arrays) -> None:
    flip = Augmentation(flip="horizontal", magnitude=0.0, mixup=1.0)
    originals, shown = augmented_examples(digits, flip, examples=5, versions=8, seed=0)
    assert np.array_equal(originals, digits.x[:5])
    assert shown.shape == (5, 8, 4, 5, 1)
    mirrored = (shown == originals[:, None, :, ::-1]).all(axis=(2, 3, 4))
    same = (shown == originals[:, None]).all(axis=(2, 3, 4))
    assert (mirrored ^ same).all()
    assert 10 < mirrored.sum() < 30


@pytest.mark.parametrize("name", ["examples", "versions"])
def test_none_to_show_is_refused(digits: Arrays, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got {name}=0"):
        augmented_examples(digits, Augmentation(rotation=5), seed=0, **{name: 0})


@pytest.mark.usefixtures("no_accelerator")
def test_they_are_what_training_sees(digits: Arrays) -> None:
    pytest.importorskip("tensorflow", reason="the pipelines are made of tf.data")
    change = Augmentation(rotation=20, zoom=0.2, noise=0.05)
    _, shown = augmented_examples(digits, change, examples=103, versions=2, seed=3)
    numbered = Arrays(digits.x, np.arange(103))
    batches = training_batches(numbered, batch_size=20, augmentation=change, seed=3)
    for version in range(2):
        for images, rows in batches:
            difference = images.numpy().astype(int) - shown[rows.numpy(), version]
            assert np.abs(difference).max() <= 1


def test_what_are_no_images_is_refused(rng: np.random.Generator) -> None:
    table = Arrays(rng.normal(size=(20, 3)), np.arange(20))
    with pytest.raises(ConfigError, match="augmentation needs images"):
        augmented_examples(table, Augmentation(rotation=5), seed=0)


def test_dark_images_among_others_are_no_other_range(rng: np.random.Generator) -> None:
    x = rng.uniform(0, 255, (20, 4, 4, 1)).astype(np.float32)
    x[:6] = 0
    originals, shown = augmented_examples(
        Arrays(x, np.arange(20)), Augmentation(brightness=0.5), examples=6, seed=0
    )
    assert not originals.any()
    assert shown.max() > 50
