"""The normaliser against numpy, and as a layer of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext.data import normalizer
from keras_ext.data.normalizer import CHUNK_VALUES, moments
from keras_ext.errors import DataError


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16])
def test_moments_of_several_chunks(rng: np.random.Generator, dtype: Any) -> None:
    x = rng.integers(0, 256, (3 * CHUNK_VALUES // 192 + 7, 8, 8, 3)).astype(dtype)
    mean, variance = moments(x)
    assert np.allclose(mean, x.mean(axis=(0, 1, 2), dtype=np.float64), rtol=1e-13)
    assert np.allclose(variance, x.var(axis=(0, 1, 2), dtype=np.float64), rtol=1e-12)


def test_a_large_mean_loses_no_digits(rng: np.random.Generator) -> None:
    deviations = rng.normal(size=(CHUNK_VALUES + 10, 1))
    variance = moments(1e9 + deviations)[1]
    assert np.allclose(variance, (1e9 + deviations - 1e9).var(), rtol=1e-9)


def test_constant_features_are_left_at_their_distance() -> None:
    x = np.stack([np.full(1000, 0.1), np.arange(1000) / 1000], axis=1)
    mean, variance = moments(x)
    assert (mean[0], variance[0]) == (0.1, 1.0)
    assert variance[1] == pytest.approx(x[:, 1].var())


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_eight_bit_images_under_every_policy(rng: np.random.Generator, policy: str) -> None:
    x = rng.integers(0, 256, (50, 4, 4, 2), dtype=np.uint8)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        result = keras.ops.convert_to_numpy(normalizer(x)(x))
    finally:
        keras.config.set_dtype_policy(before)
    expected = (x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2))
    assert np.abs(result - expected).max() < 1e-5


def test_a_saved_model_carries_its_statistics(rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    layer = normalizer(x)
    assert type(layer) is keras.layers.Normalization
    model = keras.Sequential([keras.Input((4, 4, 1)), layer, keras.layers.Flatten()])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(5), r"shape \(5,\)"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.array([["a"]]), "got <U1"),
        (
            np.array([[0.0, np.nan], [0.0, 1.0]]),
            "not finite|missing or infinite values in feature 1",
        ),
        (np.array([[np.inf, 0.0], [0.0, 1.0]]), "missing or infinite values in feature 0"),
    ],
)
def test_what_has_no_moments(x: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        normalizer(x)
