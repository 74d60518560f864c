"""Examples to look at: originals in order, their versions in their own row."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.data import Arrays, Augmentation, augmented_examples
from keras_ext.errors import ConfigError

pytest.importorskip("tensorflow", reason="the pipelines are made of tf.data")


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
