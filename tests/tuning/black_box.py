"""A stand-in for training: an error that is a formula, in no time, and faults on demand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import log10
from pathlib import Path
from typing import Any

from keras_ext.diagnosis import ErrorEstimate
from keras_ext.files import atomic_write
from keras_ext.records import TrainConfig
from keras_ext.sweep_records import Execution

BASE = TrainConfig(model="mlp", units=16, layers=1, epochs=4)


def space(hp: Any, base: TrainConfig) -> TrainConfig:
    return replace(
        base,
        learning_rate=hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
        units=hp.Int("units", 4, 64),
    )


def error_of(config: TrainConfig) -> float:
    """Lowest, at 0.1, for a rate of 0.01 and 32 units."""
    return 0.1 + 0.05 * (log10(config.learning_rate) + 2) ** 2 + abs(config.units - 32) / 320


def no_fault(call: int, config: TrainConfig) -> float | None:
    """Everything is well; a function with a name, which can be sent to another process."""
    return None


class BlackBox:
    """Trains nothing.

    Args:
        fault: is called with the number of the call, from 0, and the configuration before each
            epoch; what it raises is the fault, and what it returns replaces the error.
        log: gets a line for each execution that comes to its end.
        seconds: of an epoch.
    """

    def __init__(
        self,
        fault: Callable[[int, TrainConfig], float | None] = no_fault,
        *,
        log: Path | None = None,
        seconds: float = 0.0,
    ) -> None:
        self.fault = fault
        self.log = log
        self.seconds = seconds
        self.calls: list[TrainConfig] = []
        self.began_at: list[int] = []

    def train(self, config: TrainConfig, directory: Path, *, epochs: Any, on_epoch: Any) -> Any:
        call = len(self.calls)
        self.calls.append(config)
        directory.mkdir(parents=True, exist_ok=True)
        state = directory / "epochs"
        first = int(state.read_text()) if state.exists() else 0
        self.began_at.append(first)
        error = error_of(config)
        until = config.epochs if epochs is None else epochs
        for epoch in range(first, until):
            time.sleep(self.seconds)
            found = self.fault(call, config)
            error = error if found is None else found
            atomic_write(state, str(epoch + 1))
            on_epoch(epoch, {"validation_error": error})
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{config.learning_rate!r} {config.units} {first}\n")
        history = tuple(
            {
                "epoch": epoch,
                "train_error": 0.05,
                "validation_error": error + 0.01 * (until - 1 - epoch),
                "train_cost": 1.0 / (epoch + 1),
                "validation_cost": 1.5 / (epoch + 1),
            }
            for epoch in range(until)
        )
        finite = error if 0 <= error <= 1 else 0.5
        train, validation = ErrorEstimate(0.05, 1000, 0.0069), ErrorEstimate(finite, 1000, 0.01)
        return Execution(config.seed, train, validation, history, seconds=self.seconds * until)

    def test(self, save: Path | None) -> ErrorEstimate:
        return ErrorEstimate(error_of(self.calls[-1]), 1000, 0.01)
