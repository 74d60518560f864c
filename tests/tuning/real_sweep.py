"""A sweep with real training that kills itself; ``test_kill_training.py`` starts it.

Arguments: the folder of the sweep, a file for what happens, after how many epochs it is killed (0
for never), and how many seconds later.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.sweep_records import Execution
from keras_ext.tuning import sweep
from keras_ext.tuning.trainer import Trainer

TRIALS = 3
BASE = TrainConfig(
    model="mlp", units=8, layers=1, epochs=4, batch_size=20, dropout=0.2, l2=1e-3, seed=3
)


def space(hp: Any, base: TrainConfig) -> TrainConfig:
    return replace(base, learning_rate=hp.Float("learning_rate", 1e-3, 1e-1, sampling="log"))


def splits() -> Splits:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(260, 5)).astype("float32")
    noisy = x[:, 0] + 0.5 * rng.normal(size=260) > 0
    whole = Arrays(x, noisy.astype("int32"), "noisy half")
    return Splits(*(whole.take(slice(a, b)) for a, b in ((0, 100), (100, 180), (180, 260))))


class Mortal(Trainer):
    """A trainer that is killed in the middle.

    Args:
        log: gets a line for each epoch: the learning rate and the number.
        after: epochs, 0 for never.
        seconds: that pass between that epoch's end and the kill.
    """

    def __init__(self, splits: Splits, log: Path, after: int, seconds: float) -> None:
        super().__init__(splits)
        self.log, self.after, self.seconds, self.seen = log, after, seconds, 0

    def train(self, config: TrainConfig, directory: Path, **how: Any) -> Execution:
        on_epoch = how.pop("on_epoch")

        def told(number: int, logs: dict[str, float]) -> None:
            on_epoch(number, logs)
            with self.log.open("a") as file:
                file.write(f"{config.learning_rate!r} {number}\n")
            self.seen += 1
            if self.seen == self.after:
                kill = (os.getpid(), signal.SIGKILL)
                threading.Timer(self.seconds, os.kill, kill).start()

        return super().train(config, directory, on_epoch=told, **how)


def main(folder: str, log: str, after: str, seconds: str) -> None:
    examples = splits()
    trainer = Mortal(examples, Path(log), int(after), float(seconds))
    how: dict[str, Any] = {"max_trials": TRIALS, "confirm": 0, "quiet": True}
    sweep(BASE, space, examples, directory=Path(folder), trainer=trainer, **how)


if __name__ == "__main__":
    main(*sys.argv[1:])
