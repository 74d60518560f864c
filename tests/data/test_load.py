"""Data sets by name: from the package, from the cache, from disk, and when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.data import load, mnist, tfds_source
from keras_ext.errors import DataError

ROOT = Path(__file__).parents[2]


def modules_after(code: str, **environment: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after the code."""
    code = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


HEAVY = {"tensorflow", "tensorflow_datasets", "keras", "PIL", "jax", "torch", "matplotlib"}


def test_mnist_needs_no_network_and_nothing_heavy(
    cache_folder: Path, connections: list[Any]
) -> None:
    arrays = load("mnist")
    assert isinstance(arrays.x, np.memmap)
    assert arrays.published == {"train": (0, 60_000), "test": (60_000, 70_000)}
    assert os.listdir(cache_folder) == ["mnist-3.0.1"]
    assert connections == []
    code = "import keras_ext.data as d; a = d.split(d.load('mnist'), seed=0); d.check_split(a)"
    assert not modules_after(code) & HEAVY


def test_a_second_load_does_not_unpack(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("mnist")
    monkeypatch.setattr(mnist, "PACKAGED", Path("absent"))
    second = load("mnist:3.0.1")
    assert np.array_equal(first.y, second.y)
    os.truncate(cache_folder / "mnist-3.0.1" / "x.npy", 1000)
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(DataError, match="absent"):
        load("mnist")


def test_a_spoilt_package_leaves_nothing_in_the_cache(
    cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    (packaged / "manifest.json").write_bytes((mnist.PACKAGED / "manifest.json").read_bytes())
    (packaged / "mnist.npz").write_bytes((mnist.PACKAGED / "mnist.npz").read_bytes()[:-1])
    monkeypatch.setattr(mnist, "PACKAGED", packaged)
    with pytest.raises(DataError, match=r"mnist\.npz is damaged: .* expected 0591767"):
        load("mnist")
    assert not cache_folder.exists()


def test_without_a_cache_the_images_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_EXT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="mnist can't be cached"):
        arrays = load("mnist")
    assert len(arrays) == 70_000


def test_what_is_no_name(cache_folder: Path) -> None:
    with pytest.raises(DataError, match=r"got name='\.\./mnist'"):
        load("../mnist")


def test_prepared_versions_are_found_by_their_info(tmp_path: Path) -> None:
    name = tfds_source.DatasetName.parse("toy")
    for version in ("1.0.0", "9.0.0", "10.0.0", "11.0.0", "12.0", "incomplete.13.0.0_toy"):
        (tmp_path / "toy" / version).mkdir(parents=True)
        if version != "11.0.0":
            (tmp_path / "toy" / version / "dataset_info.json").write_text("{}")
    assert tfds_source.find_prepared(name, tmp_path) == name.at("10.0.0")
    assert tfds_source.find_prepared(name.at("9.0.0"), tmp_path) == name.at("9.0.0")
    assert tfds_source.find_prepared(name.at("11.0.0"), tmp_path) is None
    assert tfds_source.find_prepared(name, tmp_path / "absent") is None


def test_where_data_sets_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", "/a")
    monkeypatch.setenv("HOME", "/h")
    assert tfds_source.data_directory() == Path("/a")
    assert tfds_source.data_directory("~/b") == Path("/h/b")
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert tfds_source.data_directory() == Path("/h/tensorflow_datasets")


@pytest.mark.slow
def test_the_real_cifar10_comes_from_disk_once(
    cache_folder: Path, connections: list[Any], tfds_directory: Path
) -> None:
    arrays = load("cifar10", data_dir=tfds_directory)
    assert (arrays.x.shape, arrays.x.dtype) == ((60_000, 32, 32, 3), np.uint8)
    assert np.bincount(arrays.part("train").y).tolist() == [5_000] * 10
    assert np.bincount(arrays.part("test").y).tolist() == [1_000] * 10
    assert arrays.classes[:2] == ("airplane", "automobile")
    assert connections == []
    code = "import keras_ext.data as d; assert d.load('cifar10').x.shape == (60_000, 32, 32, 3)"
    assert not modules_after(code, TFDS_DATA_DIR=str(tfds_directory)) & HEAVY
