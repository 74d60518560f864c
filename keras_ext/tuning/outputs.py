"""Files of a sweep for other programs: the best configuration and TensorBoard's events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keras_ext.files import atomic_write
from keras_ext.sweep_records import Trial, ranked
from keras_ext.tuning import hparams
from keras_ext.tuning.watcher import Watcher

MODEL = "model.keras"


class Outputs(Watcher):
    """Passes everything on, and keeps ``best.json`` and TensorBoard's events up to date.

    The model of a winner that is none any more is removed.
    """

    def __init__(self, inner: Watcher, folder: Path, trials: tuple[Trial, ...]) -> None:
        self.inner = inner
        self.path = folder / "best.json"
        self.model = folder / MODEL
        self.events = folder / "tensorboard"
        self.trials = list(trials)
        for trial in trials:
            hparams.write_trial(self.events, trial)
        self._write()

    def begins(self, trial_id: str, values: dict[str, Any], reason: str, epochs: int) -> None:
        self.inner.begins(trial_id, values, reason, epochs)

    def epoch(self, trial_id: str, number: int, logs: dict[str, float]) -> None:
        self.inner.epoch(trial_id, number, logs)

    def ends(self, trial: Trial) -> None:
        self.trials.append(trial)
        self._write()
        hparams.write_trial(self.events, trial)
        self.inner.ends(trial)

    def says(self, line: str) -> None:
        self.inner.says(line)

    def at_a_time(self, number: int) -> None:
        self.inner.at_a_time(number)

    def _write(self) -> None:
        winner = ranked(self.trials)[:1]
        if winner:
            text = json.dumps(winner[0].config.to_dict(), indent=1) + "\n"
            if _read(self.path) != json.loads(text):
                self.model.unlink(missing_ok=True)
                atomic_write(self.path, text)


def _read(path: Path) -> Any:
    """Plain values, in which 20 and 20.0 are the same; None for a file that is none."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
