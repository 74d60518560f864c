"""Data that don't fit into memory: split, looked at, trained on and measured from the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext import memory
from keras_ext.data import (
    Arrays,
    Augmentation,
    augmented_examples,
    check_split,
    duplicates,
    evaluation_batches,
    normalizer,
    same_distribution,
    sample,
    split,
    training_batches,
)
from keras_ext.rows import Rows

pytest.importorskip("tensorflow", reason="the pipelines are made of tf.data")


@pytest.fixture
def in_memory(rng: np.random.Generator) -> Arrays:
    x = rng.integers(0, 256, (400, 6, 6, 1), dtype=np.uint8)
    return Arrays(x, np.arange(400) % 4, "d", ("a", "b", "c", "d"))


@pytest.fixture(params=["mapped", "h5py"])
def on_disk(
    request: pytest.FixtureRequest,
    in_memory: Arrays,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The same examples, on a machine for which they are too large."""
    monkeypatch.setattr(memory, "SHARE", 0.0)
    if request.param == "mapped":
        np.save(tmp_path / "x.npy", in_memory.x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
        yield Arrays(x, in_memory.y, "d", in_memory.classes)
        return
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"] = in_memory.x
        yield Arrays(file["x"], in_memory.y, "d", in_memory.classes)


def read(batches: Any) -> list[np.ndarray]:
    return [part.numpy() for batch in batches for part in batch]


def test_parts_are_unread_and_the_same(on_disk: Arrays, in_memory: Arrays) -> None:
    expected, found = split(in_memory, seed=0), split(on_disk, seed=0)
    for name in ("train", "validation", "test"):
        one, other = getattr(found, name), getattr(expected, name)
        assert isinstance(one.x, Rows)
        assert isinstance(other.x, np.ndarray)
        assert np.array_equal(one.x, other.x)
        assert np.array_equal(one.y, other.y)
    few = sample(found.train, 40, seed=1)
    assert isinstance(few.x, Rows)
    assert np.array_equal(few.x, sample(expected.train, 40, seed=1).x)
    latest = split(on_disk, seed=0, time=np.arange(400), validation=0.2, test=0.1).test
    assert np.array_equal(latest.x, in_memory.x[360:])
    stable = {"seed": 0, "validation": 0.2, "test": 0.1, "stable": True}
    one, other = split(on_disk, **stable), split(in_memory, **stable)  # type: ignore[arg-type]
    assert np.array_equal(one.train.y, other.train.y)


def test_what_is_found_out_about_them_is_the_same(on_disk: Arrays, in_memory: Arrays) -> None:
    expected, found = split(in_memory, seed=0), split(on_disk, seed=0)
    assert check_split(found) == check_split(expected)
    parts = [(splits.validation, splits.test) for splits in (found, expected)]
    one, other = (same_distribution(*part).summary() for part in parts)
    assert one == other
    layers = [
        normalizer(splits.train.x, apart_from=[splits.validation.x]) for splits in (found, expected)
    ]
    values = np.asarray(in_memory.x[:5], "float32")
    assert np.allclose(layers[0](values), layers[1](values), rtol=1e-6)
    copied = duplicates(on_disk, found.test.x, similarity=0.99)
    assert copied == duplicates(in_memory, expected.test.x, similarity=0.99)
    assert len(copied.exact) == len(found.test)
    moves = Augmentation(rotation=20)
    for shown, wanted in zip(
        augmented_examples(found.train, moves, seed=0),
        augmented_examples(expected.train, moves, seed=0),
        strict=True,
    ):
        assert np.array_equal(shown, wanted)


@pytest.mark.parametrize("change", [None, Augmentation(flip="horizontal", brightness=0.1)])
def test_batches_are_the_same(
    on_disk: Arrays, in_memory: Arrays, change: Augmentation | None
) -> None:
    options: dict[str, Any] = {"batch_size": 32, "augmentation": change, "placement": "host"}
    one, other = (split(arrays, seed=0).train for arrays in (on_disk, in_memory))
    for batches, expected in (
        (training_batches(one, seed=3, **options), training_batches(other, seed=3, **options)),
        (evaluation_batches(one, batch_size=32), evaluation_batches(other, batch_size=32)),
    ):
        for part, wanted in zip(read(batches), read(expected), strict=True):
            assert np.array_equal(part, wanted)


def test_errors_are_the_same(on_disk: Arrays, in_memory: Arrays) -> None:
    import keras

    from keras_ext.callbacks import BiasVariance, measure
    from keras_ext.callbacks.fixed_batch import fixed_batch

    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(4))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    readings, batches = [], []
    for arrays in (on_disk, in_memory):
        made = split(arrays, seed=0)
        train, validation = ((part.x, part.y) for part in (made.train, made.validation))
        watch = BiasVariance(train, validation, max_examples=70, batch_size=32)
        watch.measure_now(model)
        readings.append((watch.history, measure(model, validation)))
        pool = watch._samples.pools["train"].x
        assert isinstance(pool, Rows) is (arrays is on_disk)
        batches.append(fixed_batch(*train, count=16, seed=0))
    assert readings[0] == readings[1]
    assert np.array_equal(batches[0][0], batches[1][0])
    assert type(batches[0][0]) is np.ndarray


def test_targets_may_be_on_disk_too(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for an autoencoder, whose targets are its inputs."""
    import keras

    from keras_ext.callbacks import BiasVariance

    monkeypatch.setattr(memory, "SHARE", 0.0)
    values = rng.normal(size=(300, 5)).astype("float32")
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    model.compile("sgd", "mse")
    histories = []
    for x in (mapped, values):
        made = split(Arrays(x, x), seed=0)
        assert isinstance(made.train.y, Rows) is (x is mapped)
        train, validation = ((part.x, part.y) for part in (made.train, made.validation))
        watch = BiasVariance(train, validation, max_examples=40, batch_size=16)
        watch.measure_now(model)
        histories.append(watch.history)
        batches = training_batches(made.train, batch_size=64, placement="host", seed=0)
        assert sum(float(y.numpy().sum()) for _, y in batches) == pytest.approx(
            float(np.asarray(made.train.x).sum()), rel=1e-4
        )
    assert histories[0] == histories[1]


SCRIPT = """
import re, resource, sys
import keras, numpy as np
from keras_ext import data
from keras_ext.callbacks import BiasVariance

COUNT, SIDE = 4500, 512

def used(what):
    text = open("/proc/self/status").read()
    return int(re.search(what + r":\\s+(\\d+)", text)[1]) * 1024

def work(arrays):
    splits = data.split(arrays, seed=0)
    normal = data.normalizer(splits.train.x)
    inputs = keras.Input((SIDE, SIDE, 1))
    pooled = keras.layers.AveragePooling2D(64)(normal(inputs))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(pooled))
    model = keras.Model(inputs, outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = data.training_batches(splits.train, batch_size=32, placement="host", seed=0)
    train, validation = ((part.x, part.y) for part in (splits.train, splits.validation))
    watch = BiasVariance(train, validation, max_examples=100, batch_size=32)
    clean = data.evaluation_batches(data.sample(splits.validation, 64, seed=0), batch_size=32)
    model.fit(batches, verbose=0, shuffle=False, validation_data=clean, callbacks=[watch])
    return splits, batches.placement, normal, watch

path = sys.argv[1]
x = np.lib.format.open_memmap(path, "w+", np.uint8, (COUNT, SIDE, SIDE, 1))
y = np.arange(COUNT) % 2
for row in range(0, COUNT, 7):
    x[row, 0] = 200
del x
x = np.load(path, mmap_mode="r")
work(data.Arrays(np.array(x[:320]), y[:320]))  # Everything that is needed is loaded now.
limit = used("VmData") + x.nbytes // 2
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
splits, placement, normal, watch = work(data.Arrays(x, y))
assert 0.3 < watch.validation_estimate.error < 0.7 and watch.validation_estimate.count == 100
print(len(splits.train), placement)
shares = np.mean([row % 7 == 0 for row in splits.train.x.rows])
print(float(np.ravel(normal.mean)[0]), 200 * shares / SIDE)
try:
    np.asarray(splits.train.x)
except MemoryError:
    print("too large")
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux keeps to RLIMIT_DATA")
def test_a_file_larger_than_the_memory_is_trained_on(tmp_path: Path) -> None:
    """The process may have half of the file on top of what it needs to begin with."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "x.npy")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        # Threads take address space for their stacks: no more of them on a larger machine.
        env={**os.environ, "TF_NUM_INTEROP_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    sizes, moments, last = run.stdout.splitlines()
    assert (
        sizes == "3150 host: as asked for; 788 MiB of images are read from disk a batch at a time"
    )
    found, expected = map(float, moments.split())
    assert found == pytest.approx(expected, rel=1e-6)
    assert last == "too large"
