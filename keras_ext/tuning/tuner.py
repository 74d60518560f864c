"""KerasTuner's tuner, whose trials are configurations and whose truth is a journal."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras_tuner

from keras_ext.errors import KerasExtError, OutputError, SweepError
from keras_ext.files import atomic_write
from keras_ext.records import TrainConfig
from keras_ext.sweep_records import COMPLETED, FAILED, Execution, Row, Trial
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.oracles import number_of
from keras_ext.tuning.scores import metrics_of
from keras_ext.tuning.space import Space, point
from keras_ext.tuning.trainer import Trains, diagnosis_of
from keras_ext.tuning.watcher import Watcher

IDLE_SECONDS = 0.2
DEATHS = 3
"""So many processes may die of one trial; it has then failed."""
STATES = "trials"


@dataclass
class Running:
    """What is known of the trial that runs."""

    began: float
    values: dict[str, Any]
    reason: str
    config: TrainConfig
    executions: tuple[Execution, ...] = ()
    epochs: int | None = None
    unfinished: tuple[Row, ...] = ()


class ConfigTuner(keras_tuner.Tuner):
    """Runs the trials of an oracle by training configurations.

    KerasTuner's loop and its oracle decide what runs; every proposal and every end is in the
    journal before the next one begins, and nothing is read from KerasTuner's own files.

    Args:
        oracle: of KerasTuner, brought to where the journal is.
        space: from hyperparameters and the base to a configuration.
        base: see ``space``.
        trainer: trains a configuration.
        journal: of the sweep; None for a worker, which leaves it to the chief.
        directory: of the sweep; states of running trials and KerasTuner's files are under it.
        objective: see ``sweep_records.objective_of``.
        executions: of each trial, on seeds that follow one another.
        watcher: is told what happens.
    """

    def __init__(
        self,
        oracle: Any,
        *,
        space: Space,
        base: TrainConfig,
        trainer: Trains,
        journal: Journal | None,
        directory: Path,
        objective: str,
        executions: int,
        watcher: Watcher,
    ) -> None:
        self.space = space
        self.base = base
        self.trainer = trainer
        self.journal = journal
        self.states = directory / STATES
        self.objective = objective
        self.executions = executions
        self.watcher = watcher
        proposed = journal.of("proposed") if journal else []
        self._reasons = {event["number"]: event["reason"] for event in proposed}
        self._running: Running | None = None
        self._asked = False
        super().__init__(
            oracle=oracle,
            hypermodel=_SpaceModel(space, base),
            directory=str(directory),
            project_name="keras_tuner",
        )

    def save(self) -> None:
        """Nothing: the oracle's files are written by the oracle, and the tuner has no state."""

    def reload(self) -> None:
        """Nothing: the oracle was rebuilt from the journal."""

    def pre_create_trial(self) -> None:
        """Wait a little where the oracle had nothing to propose.

        Raises:
            SweepError: where nothing runs whose end it could wait for.
        """
        if self._asked:
            if getattr(self.oracle, "ongoing_trials", None) == {}:
                raise SweepError(
                    f"{type(self.oracle).__name__} proposes no trial and does not stop, but "
                    f"nothing runs that it could wait for; {len(self.oracle.trials)} trials are "
                    "in the journal"
                )
            time.sleep(IDLE_SECONDS)
        self._asked = True

    def on_trial_begin(self, trial: Any) -> None:
        """Put the proposal into the journal."""
        self._asked = False
        self._running = self.begun(trial)

    def begun(self, trial: Any) -> Running:
        """Put the proposal into the journal, unless it is there; what is known of the trial."""
        number, values = number_of(trial), dict(trial.hyperparameters.values)
        if number not in self._reasons:
            reason = str(getattr(self.oracle, "reasons", {}).get(trial.trial_id, ""))
            if self.journal is not None:
                event = {
                    "event": "proposed",
                    "number": number,
                    "values": values,
                    "reason": reason,
                    "max_trials": self.oracle.max_trials,
                }
                self.journal.append(event)
            self._reasons[number] = reason
        return Running(time.perf_counter(), values, self._reasons[number], self.base)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Train the configuration of a trial, once for each execution.

        Raises:
            Exception: whatever training raises; KerasTuner then takes the trial for failed.
        """
        running, values = self._running, trial.hyperparameters.values
        assert running is not None
        running.config = config = point(self.space, trial.hyperparameters, self.base)
        running.epochs = values.get("tuner/epochs")
        length = running.epochs or config.epochs
        self.watcher.begins(_name(trial), running.values, running.reason, length)
        states = self.states / _name(trial)
        for index in range(self.executions):
            directory = states / f"execution-{index}"
            self._inherit(values.get("tuner/trial_id"), directory, index)
            with counting_deaths(states / "starts") as survived:
                made = self.trainer.train(
                    replace(config, seed=config.seed + index),
                    directory,
                    epochs=running.epochs,
                    on_epoch=partial(self._epoch, trial, survived),
                )
            running.executions, running.unfinished = (*running.executions, made), ()
        return metrics_of(running.executions, config, self.objective)

    def _epoch(
        self, trial: Any, survived: Callable[[], None], number: int, logs: dict[str, float]
    ) -> None:
        """An epoch has ended: what it reached is kept."""
        assert self._running is not None
        self._running.unfinished += ({"epoch": number, **logs},)
        survived()
        self.watcher.epoch(_name(trial), number, logs)

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        """As KerasTuner's, without a traceback on the screen for each trial that fails.

        What can't be written is the disk's fault and not the trial's: it ends the sweep.
        """
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
            trial.status = "COMPLETED"
        except (keras_tuner.errors.FatalError, OutputError):
            raise
        except Exception:
            trial.status, trial.message = "INVALID", traceback.format_exc()

    def on_trial_end(self, trial: Any) -> None:
        """Tell the oracle, then the journal: from here on the trial has ended."""
        with redirect_stdout(None):  # KerasTuner prints of a trial that is tried again.
            super().on_trial_end(trial)
        assert self._running is not None
        self.ended(trial.trial_id, self._running)

    def ended(self, trial_id: str, running: Running) -> None:
        """Put the end of a trial into the journal, if the oracle takes it for ended."""
        assert self.journal is not None
        ended = self.oracle.get_trial(trial_id)
        if ended.status not in ("COMPLETED", "FAILED"):
            message = summary(ended.message)
            self.journal.append(
                {
                    "event": "retried",
                    "number": number_of(ended),
                    "message": message,
                    "executions": [asdict(item) for item in running.executions],
                    "unfinished": list(running.unfinished),
                }
            )
            self.watcher.says(f"trial {_name(ended)} is tried again: {message}")
            shutil.rmtree(self.states / _name(ended), ignore_errors=True)
            return
        record = self._record(ended, running)
        self.journal.append(finished(record))
        # Without such a file KerasTuner's own tuners take the folder for a new one.
        atomic_write(Path(self.project_dir) / "tuner0.json", "{}")
        if "tuner/epochs" not in ended.hyperparameters.values or record.status == FAILED:
            shutil.rmtree(self.states / _name(ended), ignore_errors=True)
        self.watcher.ends(record)

    @staticmethod
    def _record(ended: Any, running: Running) -> Trial:
        done = ended.status == "COMPLETED"
        seconds = time.perf_counter() - running.began
        trained = sum(item.seconds for item in running.executions)
        return Trial(
            trial_id=_name(ended),
            status=COMPLETED if done else FAILED,
            values=running.values,
            config=running.config,
            reason=running.reason,
            executions=running.executions,
            metrics={k: ended.metrics.get_last_value(k) for k in ended.metrics.metrics}
            if done
            else {},
            diagnosis=diagnosis_of(running.executions[0], running.config) if done else None,
            message="" if done else _message(ended.message),
            seconds=max(seconds, trained),
            epochs=running.epochs,
            unfinished=running.unfinished,
        )

    def _inherit(self, past: str | None, directory: Path, index: int) -> None:
        """A promoted trial goes on where the other one stopped, optimizer and all."""
        if past is None or directory.exists():
            return
        source = self.states / f"{int(past):04d}" / f"execution-{index}"
        if source.is_dir():
            try:
                shutil.copytree(source, directory)
            except OSError as error:
                shutil.rmtree(directory, ignore_errors=True)
                raise OutputError(f"can't write {directory}: {error.strerror or error}") from error


@contextmanager
def counting_deaths(path: Path) -> Iterator[Callable[[], None]]:
    """Run something that the process may die of, and refuse it after ``DEATHS`` deaths.

    Args:
        path: of a file that is there while it runs, with the number of starts.

    Yields:
        A function to be called when it has come further: what follows is another thing.

    Raises:
        SweepError: when it was begun so often and neither ended nor came further.
    """
    starts = int(path.read_text() or 0) if path.exists() else 0
    if starts >= DEATHS:
        raise SweepError(
            f"the process died {starts} times in this trial (out of memory?), each time before "
            "another epoch of it had ended"
        )
    atomic_write(path, str(starts + 1))
    try:
        yield partial(path.unlink, missing_ok=True)
    finally:
        path.unlink(missing_ok=True)


def finished(record: Trial) -> dict[str, Any]:
    """The event that ends a trial."""
    return {
        "event": "finished",
        "number": int(record.trial_id),
        "values": dict(record.values),
        "status": record.status,
        "metrics": dict(record.metrics),
        "message": record.message,
        "trial": record.to_plain(),
    }


class _SpaceModel(keras_tuner.HyperModel):
    """A space as KerasTuner wants to see it: something that reads hyperparameters."""

    def __init__(self, space: Callable[..., Any], base: TrainConfig) -> None:
        super().__init__()
        self.space = space
        self.base = base

    def build(self, hp: Any) -> Any:
        return self.space(hp, self.base)


def _name(trial: Any) -> str:
    return f"{number_of(trial):04d}"


def _message(text: str | None) -> str:
    """What went wrong in one line, then where."""
    return f"{summary(text)}\n{text or ''}".strip()


def summary(text: str | None) -> str:
    """The last line of a traceback, without the module of our own errors."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    if not lines:
        return "the objective is not a number"
    last = next((line for line in reversed(lines) if not line.startswith(" ")), lines[-1])
    kind, colon, rest = last.partition(": ")
    ours = {f"{c.__module__}.{c.__name__}" for c in KerasExtError.__subclasses__()}
    return rest if colon and kind in ours else last
