"""The normaliser against numpy, and as a layer of a saved model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext.data import normalizer
from keras_ext.data.normalizer import moments
from keras_ext.errors import DataError
from keras_ext.rows import CHUNK_VALUES


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
        (np.array([[np.inf, 0.0], [0.0, 1.0]]), "infinite values in feature 0"),
        (np.array([[np.nan, 0.0], [0.0, -np.inf]]), "infinite values in feature 1"),
    ],
)
def test_what_has_no_moments(x: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        normalizer(x)


def table_with_gaps(rng: np.random.Generator) -> np.ndarray:
    """Five features: gaps, none, all missing, constant with gaps, missing in the first chunks."""
    x = rng.normal(3, 2, (3 * CHUNK_VALUES // 5, 5))
    x[rng.random(len(x)) < 0.3, 0] = np.nan
    x[:, 2] = np.nan
    x[:, 3] = np.where(rng.random(len(x)) < 0.5, 7.0, np.nan)
    x[: CHUNK_VALUES // 2, 4] = np.nan
    return x


def test_moments_are_of_what_is_there(rng: np.random.Generator) -> None:
    x = table_with_gaps(rng)
    mean, variance = moments(x)
    some = [0, 1, 4]
    assert np.allclose(mean[some], np.nanmean(x[:, some], axis=0), rtol=1e-12)
    assert np.allclose(variance[some], np.nanvar(x[:, some], axis=0), rtol=1e-11)
    assert (mean[2], variance[2], mean[3], variance[3]) == (0, 1, 7, 1)


@pytest.mark.slow
def test_missing_values_become_the_mean_in_a_stock_model(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    x = table_with_gaps(rng)[-200:]
    x[0] = np.nan
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(1)(normalizer(x)(inputs)))
    model.compile("sgd", "mse")
    model.fit(x, np.zeros(200), verbose=0)
    seen = keras.ops.convert_to_numpy(normalizer(x)(x.astype("float32")))
    assert np.isfinite(seen).all()
    assert (seen[np.isnan(x)] == 0).all()
    assert np.allclose(
        seen[1:, 1], (x[1:, 1] - np.nanmean(x[:, 1])) / np.nanstd(x[:, 1]), atol=1e-5
    )
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "assert not any(name.startswith('keras_ext') for name in sys.modules)\n"
        "print(float(model.predict(np.full((1, 5), np.nan, 'float32'), verbose=0)[0, 0]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    bias = float(np.asarray(model.layers[-1].bias)[0])
    assert float(done.stdout.split()[-1]) == pytest.approx(bias, abs=1e-6)


def test_held_out_examples_are_refused_when_asked_to_check(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1000, 3))
    train, validation = x[:800], x[800:]
    normalizer(train, apart_from=[validation])
    with pytest.raises(DataError, match=r"200 of the 200 .* apart_from\[1\] .*row 0 is row 800"):
        normalizer(x, apart_from=[validation + 1, validation])
    one = np.concatenate([train, validation[:1]])  # a copy that the data came with
    assert normalizer(one, apart_from=[validation]) is not None
