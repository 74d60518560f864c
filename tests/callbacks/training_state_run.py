"""A small run with all that a resume must keep, for the tests of TrainingState.

As a program it serves runs to be killed, one for each line of JSON that it reads: it answers with
the process id of the run and, asked by an empty line, with its exit status. Runs are forked from a
process that has imported everything and started nothing, which saves the imports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext.callbacks import snapshot
from keras_ext.callbacks.training_state import TrainingState

EPOCHS = 5


@dataclass(frozen=True)
class Result:
    """What a run left.

    Args:
        epoch, history: of Keras's history.
        values: weights, batch statistics, seed generators and the optimizer's variables.
        log: what CSVLogger wrote.
        best: what ModelCheckpoint saved.
    """

    epoch: list[int]
    history: dict[str, list[float]]
    values: list[np.ndarray]
    log: str
    best: list[np.ndarray]

    def assert_equal(self, other: Result) -> None:
        assert self.epoch == other.epoch
        assert self.history == other.history
        assert self.log == other.log
        for mine, others in ((self.values, other.values), (self.best, other.best)):
            assert len(mine) == len(others)
            for one, another in zip(mine, others, strict=True):
                assert one.dtype == another.dtype
                np.testing.assert_array_equal(one, another)


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """64 points of 4 numbers in 3 classes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(64, 4)).astype("float32"), rng.integers(0, 3, size=64)


def classifier(**compiled):
    """With weights, batch statistics, seed generators and an optimizer that has two moments."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(3),
        ]
    )
    # Tracing would take most of the time; on jax it is the eager steps that are slow.
    options = {
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy"],
        "run_eagerly": keras.backend.backend() != "jax",
        **compiled,
    }
    model.compile(keras.optimizers.Adam(0.01), **options)
    return model


def callbacks(folder: Path) -> list[keras.callbacks.Callback]:
    """Keras's callbacks that have state; the learning rate is reduced every second epoch."""
    watch = {"monitor": "val_loss"}
    return [
        keras.callbacks.EarlyStopping(**watch, patience=9, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(**watch, min_delta=100, patience=2, factor=0.5),
        keras.callbacks.ModelCheckpoint(
            str(folder / "best.weights.h5"), **watch, save_best_only=True, save_weights_only=True
        ),
        keras.callbacks.CSVLogger(str(folder / "log.csv")),
    ]


def train(
    folder, *extra, first=(), state=True, model=None, epochs=EPOCHS, options=None, **arguments
):
    """Fit the classifier; ``first`` come before TrainingState and ``extra`` after it."""
    folder = Path(folder)
    model = model or classifier()
    parts = callbacks(folder)
    keep = [TrainingState(folder / "backup", parts, **(options or {}))] if state else []
    x, y = arrays()
    data = {"x": x, "y": y, "batch_size": 32} if "x" not in arguments else {}
    arguments = {"verbose": 0, "validation_data": (x[:32], y[:32]), **data, **arguments}
    try:
        used = [*parts, *first, *keep, *extra]
        fitted = model.fit(callbacks=used, epochs=epochs, **arguments)
    finally:
        parts[3].on_train_end()  # CSVLogger closes its file.
    return result(folder, model, fitted)


def result(folder: Path, model: keras.Model, fitted: keras.callbacks.History) -> Result:
    best = classifier()
    best.optimizer.build(best.trainable_variables)
    best.load_weights(str(folder / "best.weights.h5"))
    return Result(
        epoch=fitted.epoch,
        history={name: list(rows) for name, rows in fitted.history.items()},
        values=values(model),
        log=(folder / "log.csv").read_text(),
        best=values(best),
    )


def values(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]


class Raise(keras.callbacks.Callback):
    """Interrupts in the second step of an epoch, or at the end of training (epoch None)."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        if self.epoch is None:
            raise KeyboardInterrupt


def interrupted(folder, epoch, **arguments):
    """A run that raises in an epoch, counted from 0; epoch None: when all are done."""
    first = (Raise(None),) if epoch is None else ()
    later = () if epoch is None else (Raise(epoch),)
    with pytest.raises(KeyboardInterrupt):
        train(folder, *later, first=first, **arguments)


LOSS = {
    "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "run_eagerly": True,
}


def sequential(*layers, optimizer="sgd", **compiled):
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer, **{**LOSS, **compiled})
    return model


def two(units=8, activation="relu", rate=0.5, **compiled):
    layers = keras.layers
    return sequential(
        layers.Dense(units, activation=activation),
        layers.Dropout(rate),
        layers.Dense(3),
        **compiled,
    )


class SlowDigest:
    """SHA-256 that takes a while, so that a file is being written for a good part of the time."""

    def __init__(self, *data: bytes) -> None:
        self.real = _sha256(*data)
        self.digest = self.real.digest
        self.digest_size = self.real.digest_size

    def update(self, data: bytes) -> None:
        time.sleep(0.005)
        self.real.update(data)


_sha256 = snapshot.hashlib.sha256


def run(order: dict[str, Any]) -> None:
    """Train as told, note when the fit and each write begin and end, and keep the result."""
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    write = snapshot.write

    def note(event):
        os.write(log, f"{event} {time.monotonic()}\n".encode())

    def noted(path, state):
        note("write")
        snapshot.hashlib.sha256 = SlowDigest
        write(path, state)
        snapshot.hashlib.sha256 = _sha256
        note("train")

    snapshot.write = noted
    note("fit")
    found = train(order["folder"], epochs=order["epochs"])
    write(order["result"], vars(found))


def start(order: dict[str, Any]) -> tuple[int, object]:
    """A process of its own: forked while there is one thread only, which is when it is safe."""
    if len(os.listdir("/proc/self/task")) > 1:
        process = subprocess.Popen([sys.executable, __file__, json.dumps(order)])
        return process.pid, process.wait
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run(order)
            status = 0
        finally:
            os._exit(status)
    return pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def serve() -> None:
    while line := sys.stdin.readline():
        pid, wait = start(json.loads(line))
        print(pid, flush=True)
        sys.stdin.readline()  # Until then nobody else has the process id.
        print(wait(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(json.loads(sys.argv[1]))
    else:
        serve()
