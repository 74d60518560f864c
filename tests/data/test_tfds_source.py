"""TensorFlow Datasets: small data sets that it wrote itself, whole, damaged and missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.data import load, tfds_source
from keras_ext.errors import DataError, MissingExtraError

pytest.importorskip("tensorflow", reason="TensorFlow Datasets needs it")
tfds = pytest.importorskip("tensorflow_datasets", reason="the data sets are written by it")


def write(folder: Path, name: str, features: Any, **splits: list[dict[str, Any]]) -> Path:
    """Prepare a data set as TensorFlow Datasets does; its version folder."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: list(enumerate(rows)) for split, rows in splits.items()},
        data_dir=str(folder),
        disable_shuffling=True,
    )
    return folder / name / "1.0.0"


def pictures(count: int, seed: int, side: int = 6) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, side, side, 1), dtype=np.uint8)
    return [{"image": image, "label": row % 2} for row, image in enumerate(images)]


def picture_features(side: int | None = 6) -> dict[str, Any]:
    image = tfds.features.Image(shape=(side, side, 1), encoding_format="png")
    return {"image": image, "label": tfds.features.ClassLabel(names=["no", "yes"])}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    write(folder, "tiny", picture_features(), train=pictures(700, 0), test=pictures(30, 1))
    return folder


@pytest.fixture
def directory(original: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(original, tmp_path / "tfds"))


def refused(name: str, directory: Path) -> str:
    """The message, which is one line."""
    with pytest.raises(DataError) as caught:
        load(name, data_dir=directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_prepared_data_set_is_decoded_once(
    directory: Path,
    cache_folder: Path,
    connections: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (directory / "tiny" / "2.0.0").mkdir()
    monkeypatch.setenv("TFDS_DATA_DIR", str(directory))
    arrays = load("tiny")
    examples = [*pictures(700, 0), *pictures(30, 1)]
    assert np.array_equal(arrays.x, [example["image"] for example in examples])
    assert arrays.y.tolist() == [example["label"] for example in examples]
    assert (arrays.y.dtype, arrays.classes, arrays.name) == (np.int32, ("no", "yes"), "tiny")
    assert arrays.published == {"train": (0, 700), "test": (700, 730)}
    assert "decoding tiny once: 730 examples" in capsys.readouterr().err
    monkeypatch.setattr(tfds_source, "decode", None)
    for again in (load("tiny"), load("tiny:1.0.0"), load("tiny", data_dir=directory / "absent")):
        assert np.array_equal(again.x, arrays.x)
    assert os.listdir(cache_folder) == ["tiny-1.0.0"]
    assert connections == []


def test_other_data_of_the_same_name_are_not_taken_for_it(
    directory: Path, cache_folder: Path, tmp_path: Path
) -> None:
    assert len(load("tiny", data_dir=directory)) == 730
    write(tmp_path / "other", "tiny", picture_features(), train=pictures(12, 5))
    assert len(load("tiny", data_dir=tmp_path / "other")) == 12


def damage_shard(version: Path) -> None:
    shard = next(version.glob("tiny-train*"))
    shard.write_bytes(shard.read_bytes()[:5000])


def flip_in_shard(version: Path) -> None:
    shard = next(version.glob("tiny-train*"))
    content = bytearray(shard.read_bytes())
    content[5000] ^= 1
    shard.write_bytes(bytes(content))


def lose_shard(version: Path) -> None:
    next(version.glob("tiny-test*")).unlink()


def shorten_shard(version: Path) -> None:
    shutil.copy(next(version.glob("tiny-test*")), next(version.glob("tiny-train*")))


def cut_info(version: Path) -> None:
    info = version / "dataset_info.json"
    info.write_text(info.read_text()[:100])


def lose_features(version: Path) -> None:
    (version / "features.json").unlink()


@pytest.mark.parametrize(
    "damage", [damage_shard, flip_in_shard, lose_shard, shorten_shard, cut_info, lose_features]
)
def test_a_damaged_data_set_is_named(directory: Path, cache_folder: Path, damage: Any) -> None:
    version = directory / "tiny" / "1.0.0"
    damage(version)
    message = refused("tiny", directory)
    assert str(version) in message or "tiny does not have the 700 examples" in message
    assert not cache_folder.exists()


def test_data_that_are_no_arrays(tmp_path: Path, cache_folder: Path) -> None:
    mixed = [*pictures(3, 0), *pictures(3, 1, side=5)]
    write(tmp_path, "mixed", picture_features(None), train=mixed)
    assert "images of different sizes" in refused("mixed", tmp_path)
    text = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)}
    write(tmp_path, "words", text, train=[{"text": "a", "label": 0}])
    assert "names no single feature and label" in refused("words", tmp_path)


def test_offline_and_not_on_disk(
    tmp_path: Path, cache_folder: Path, connections: list[Any]
) -> None:
    (tmp_path / "cifar100" / "3.0.2").mkdir(parents=True)
    message = refused("cifar100", tmp_path)
    assert f"cifar100 is not prepared in {tmp_path / 'cifar100'}" in message
    assert "tfds.load('cifar100')" in message
    assert "TFDS_DATA_DIR" in message
    assert len(connections) == 1


def test_an_unknown_name(tmp_path: Path, cache_folder: Path, connections: list[Any]) -> None:
    message = refused("fashion_mnsit", tmp_path)
    assert "unknown data set 'fashion_mnsit': did you mean fashion_mnist" in message
    assert "did you mean" not in refused("qqqqqq", tmp_path)
    assert connections == []


class Builder:
    """Stands for a builder that downloads."""

    builder_config = None
    version = "1.0.0"

    def __init__(self, original: Path, target: Path) -> None:
        self.original, self.target = original, target

    def download_and_prepare(self) -> None:
        assert not (self.target / "cifar100" / "1.0.0").exists()
        shutil.copytree(self.original / "tiny", self.target / "cifar100")


def test_a_download(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    (tmp_path / "cifar100" / "1.0.0").mkdir(parents=True)
    (tmp_path / "cifar100" / "1.0.0").rmdir()
    asked = []

    def builder(name: str, data_dir: str) -> Builder:
        asked.append((name, data_dir))
        shutil.rmtree(tmp_path / "cifar100")
        return Builder(original, tmp_path)

    monkeypatch.setattr(tfds_source, "reachable", lambda: True)
    monkeypatch.setattr(tfds, "builder", builder)
    prepared = tfds_source.download(tfds_source.DatasetName("cifar100"), tmp_path)
    assert prepared == tfds_source.DatasetName("cifar100", None, "1.0.0")
    assert asked == [("cifar100", str(tmp_path))]


def test_an_empty_version_folder_is_removed_before_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    (tmp_path / "cifar100" / "3.0.2").mkdir(parents=True)
    seen = []

    def builder(name: str, data_dir: str) -> None:
        seen.extend(os.listdir(tmp_path / "cifar100"))
        raise ValueError("the server said no\nand more")

    monkeypatch.setattr(tfds_source, "reachable", lambda: True)
    monkeypatch.setattr(tfds, "builder", builder)
    assert refused("cifar100", tmp_path).endswith(
        "cifar100 to " + f"{tmp_path}: the server said no"
    )
    assert seen == []


def test_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        MissingExtraError, match=r"tensorflow-datasets is not installed: .*datasets"
    ):
        load("cifar10", data_dir=tmp_path)
