"""The recipes of data sets that do not come with the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.data import tfds_source
from recipes import cifar10, fashion_mnist
from recipes.command import command

QUICK = ["--preset", "fast", "--epochs", "1", "--model", "mlp", "--layers", "1", "--units", "16"]
RECIPES = {"cifar10": cifar10, "fashion_mnist": fashion_mnist}


@pytest.mark.parametrize("name", RECIPES)
def test_without_data_and_network_it_says_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("KERAS_EXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tfds_source, "reachable", lambda: False)
    assert command(RECIPES[name].main, [*QUICK, "--output-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {name} is not prepared in {tmp_path / 'tfds' / name}")
    assert "TFDS_DATA_DIR" in error


@pytest.mark.parametrize("name", RECIPES)
def test_help_names_the_presets_and_what_was_not_measured(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        RECIPES[name].main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "gpu" in text
    assert "not measured" in text


SHAPES = [("cifar10", (32, 32, 3)), ("fashion_mnist", (28, 28, 1))]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_a_run_on_images_of_that_kind(
    name: str, shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten classes that differ in brightness, as TensorFlow Datasets would have them on disk."""
    tfds = pytest.importorskip("tensorflow_datasets", reason="the data set is written by it")

    def examples(count: int) -> list[tuple[int, dict[str, Any]]]:
        rng = np.random.default_rng(count)
        images = (
            rng.integers(0, 30, (count, *shape)) + 22 * (np.arange(count) % 10)[:, None, None, None]
        )
        rows = [{"image": x.astype(np.uint8), "label": i % 10} for i, x in enumerate(images)]
        return list(enumerate(rows))

    features = {
        "image": tfds.features.Image(shape=shape, encoding_format="png"),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="3.0.2" if name == "cifar10" else "3.0.1",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": examples(1500), "test": examples(300)},
        data_dir=str(tmp_path / "tfds"),
        disable_shuffling=True,
    )
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("KERAS_EXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(RECIPES[name], "VALIDATION", 300)
    arguments = ["--preset", "fast", "--units", "4", "--quiet", "--output-dir", str(tmp_path)]
    assert command(RECIPES[name].main, arguments) == 0
    (result,) = tmp_path.glob(f"{name}/*/result.json")
    values = json.loads(result.read_text())
    assert values["name"] == name
    assert values["errors"]["test"]["count"] == 300
    assert values["errors"]["test"]["error"] < 0.9
    assert (result.parent / "report.html").is_file()


@pytest.mark.slow
def test_the_network_meant_for_a_gpu_runs_a_few_steps() -> None:
    from keras_ext import data
    from keras_ext.training.round import compiled_model

    config = cifar10.PRESETS["gpu"].config
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    arrays = data.Arrays(images, (np.arange(64) % 10).astype(np.int32))
    model, _ = compiled_model(config, arrays)
    batches = data.training_batches(arrays, batch_size=32, augmentation=config.augmentation, seed=0)
    model.fit(batches, epochs=2, verbose=0, shuffle=False)
    assert model.count_params() > 5_000_000
    assert np.isfinite(model.evaluate(images, arrays.y, verbose=0)).all()
