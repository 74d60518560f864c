"""Small arrays, a cache of one's own, and no network unless a test asks for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.records import Arrays


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for this test alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("KERAS_EXT_CACHE", str(folder))
    return folder


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that was asked for; none is reached."""
    asked: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        asked.append(arguments)
        raise OSError("the network is blocked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


@pytest.fixture(scope="session")
def tfds_directory() -> Path:
    """Where real data sets of TensorFlow Datasets are: TFDS_DATA_DIR, or beside the repository."""
    beside = Path(__file__).parents[2].parent / "shared" / "tfds"
    folder = Path(os.environ.get("TFDS_DATA_DIR") or beside)
    if not (folder / "cifar10").is_dir():
        pytest.skip(f"no CIFAR-10 in {folder}: set TFDS_DATA_DIR")
    return folder


@pytest.fixture
def digits(rng: np.random.Generator) -> Arrays:
    """Images that all differ, 4 x 5 pixels, with their row in the first two pixels."""
    x = rng.integers(0, 256, (103, 4, 5, 1), dtype=np.uint8)
    x[:, 0, 0, 0] = np.arange(103)
    return Arrays(x, (np.arange(103) % 3).astype(np.int32), "digits", ("a", "b", "c"))
