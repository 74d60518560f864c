"""Arrays larger than memory are read a batch at a time, and give the batches of those that fit."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext import memory
from keras_ext.data import Arrays, Augmentation, evaluation_batches, training_batches
from keras_ext.data import batches as module

pytest.importorskip("tensorflow", reason="the pipelines are made of tf.data")

MOVES = Augmentation(flip="horizontal", rotation=20, zoom=0.2, erasing=0.2)


@pytest.fixture
def on_disk(digits: Arrays, tmp_path: Path) -> Arrays:
    np.save(tmp_path / "x.npy", digits.x)
    return replace(digits, x=np.load(tmp_path / "x.npy", mmap_mode="r"))


def read(batches: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(x.numpy(), y.numpy()) for x, y in batches]


def equal(one: list[Any], other: list[Any]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        np.array_equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("change", [None, MOVES, Augmentation(mixup=0.4)])
def test_streamed_batches_are_bit_for_bit_those_from_memory(
    on_disk: Arrays, change: Augmentation | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"batch_size": 16, "augmentation": change, "placement": "host", "seed": 3}
    expected = training_batches(on_disk, **options)
    monkeypatch.setattr(memory, "SHARE", 0.0)
    streamed = training_batches(on_disk, **options)
    for _ in range(2):
        assert equal(read(streamed), read(expected))
    assert expected.placement == "host: as asked for"
    assert streamed.placement.endswith("MiB of images are read from disk a batch at a time")
    assert equal(
        read(evaluation_batches(on_disk, batch_size=40)),
        [(on_disk.x[i : i + 40], on_disk.y[i : i + 40]) for i in (0, 40, 80)],
    )


def test_only_the_rows_of_a_batch_are_read(
    on_disk: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    class Watched:
        shape, dtype, ndim, nbytes = on_disk.x.shape, on_disk.x.dtype, 4, 2**60

        def __len__(self) -> int:
            return len(on_disk.x)

        def __getitem__(self, rows: Any) -> np.ndarray:
            asked.append(np.asarray(rows).tolist())
            return on_disk.x[rows]

        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            raise MemoryError("copied as a whole")

    watched = Arrays(Watched(), on_disk.y, "digits", on_disk.classes)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "LOOKED_AT", 10)
    batches = training_batches(watched, batch_size=20, augmentation=MOVES, placement="host", seed=0)
    assert len(read(batches)) == 6
    assert asked.pop(0) == list(range(0, 103, 11))
    assert sorted(len(rows) for rows in asked) == [3, 20, 20, 20, 20, 20]
    assert sorted(row for rows in asked for row in rows) == list(range(103))
    assert all(rows == sorted(rows) for rows in asked)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says what is resident")
def test_an_epoch_of_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """Anonymous memory, at the most over an epoch: mapped pages are the system's to take back."""
    code = f"""
import re, numpy as np
from keras_ext import memory
from keras_ext.data import Arrays, training_batches
memory.SHARE = 0.0
def resident():
    status = open("/proc/self/status").read()
    return int(re.search(r"RssAnon:\\s+(\\d+)", status)[1]) / 1024
x = np.lib.format.open_memmap({str(tmp_path / "x.npy")!r}, "w+", np.uint8, (3000, 320, 320, 1))
x = np.load({str(tmp_path / "x.npy")!r}, mmap_mode="r")
arrays = Arrays(x, np.zeros(3000, np.int32))
small = Arrays(x[:64], arrays.y[:64])
options = dict(batch_size=32, placement="host", seed=0)
sum(len(y) for _, y in training_batches(small, **options))
before = most = resident()
count = 0
for _, y in training_batches(arrays, **options):
    count += len(y)
    most = max(most, resident())
print("MiB", count, x.nbytes / 2**20, most - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert run.returncode == 0, run.stderr[-3000:]
    count, size, grown = (float(text) for text in run.stdout.split("MiB")[-1].split())
    assert count == 3000
    assert size > 290
    assert grown < 0.4 * size, grown
