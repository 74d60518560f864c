"""A worker: asks the chief for trials, trains them, and reports."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import Any

import grpc
import keras_tuner

from keras_ext.errors import SweepError
from keras_ext.tuning import messages
from keras_ext.tuning.link import Link, why
from keras_ext.tuning.oracles import make_oracle, number_of
from keras_ext.tuning.roles import Role
from keras_ext.tuning.space import declare
from keras_ext.tuning.task import Task
from keras_ext.tuning.trainer import expecting_compilation
from keras_ext.tuning.tuner import ConfigTuner, Running

UNUSABLE = 3
"""Exit status of a worker for what would fail again."""


class WorkerTuner(ConfigTuner):
    """Trains the trials that the chief gives out; KerasTuner's variables must name the chief.

    Args:
        task: what is trained, and how.
        link: with the chief.
    """

    def __init__(self, task: Task, link: Link) -> None:
        self.link = link
        self._metrics: dict[str, float] | None = None
        space = declare(task.space, task.base)
        super().__init__(
            # Stands for the chief's: KerasTuner puts its client in its place.
            make_oracle("random", max_trials=None, seed=0, hyperparameters=space),
            space=task.space,
            base=task.base,
            trainer=task.make_trainer(),
            journal=None,
            directory=task.directory,
            objective=task.objective,
            executions=task.executions,
            watcher=link,
        )
        self.oracle.stub = link.stub

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As for one process; the metrics are kept for the report."""
        self._metrics = None
        self._metrics = super().run_trial(trial, *args, **kwargs)
        return self._metrics

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        """A chief that is gone is no fault of the trial."""
        try:
            super()._try_run_and_update_trial(trial, *args, **kwargs)
        except _Unreachable as error:
            raise error.__cause__ or error from None

    def _run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        try:
            super()._run_and_update_trial(trial, *args, **kwargs)
        except grpc.RpcError as error:
            raise _Unreachable from error

    def on_trial_end(self, trial: Any) -> None:
        """Report, then have KerasTuner end the trial, which the chief writes down."""
        running = self._running
        assert running is not None
        self.link.report(trial.trial_id, self._report(trial, running))
        self.oracle.end_trial(trial)
        if trial.status == "COMPLETED" and "tuner/epochs" not in trial.hyperparameters.values:
            # Where the chief has another disk it can't.
            name = f"{number_of(trial):04d}"
            shutil.rmtree(self.states / name, ignore_errors=True)

    def _report(self, trial: Any, running: Running) -> dict[str, Any]:
        done = trial.status == "COMPLETED"
        found: dict[str, Any] = messages.report_of(
            running,
            time.perf_counter() - running.began,
            self._metrics if done else None,
            None if done else trial.message,
        )
        return found


class _Unreachable(keras_tuner.errors.FatalError):
    """Leaves KerasTuner's loop, which takes other errors for the trial's."""


def work(task: Task, link: Link) -> None:
    """Train until the chief has no more trials, or says stop.

    Raises:
        SweepError: when the chief is gone.
        KeyboardInterrupt: when this process is told to end, by Ctrl-C or by the chief.
    """
    link.start()
    try:
        with expecting_compilation():
            WorkerTuner(task, link).search(verbose=0)
    except KeyboardInterrupt:
        if link.ended is not None:
            raise SweepError(link.ended) from None
        raise
    except grpc.RpcError as error:
        raise SweepError(link.ended or why(link.address, error)) from error
    finally:
        link.leave()


def work_for(role: Role, task: Task, settings: Mapping[str, Any]) -> None:
    """Be one worker of a sweep over several hosts, from its start to its end.

    Args:
        role: from the environment.
        task: what is trained, and how.
        settings: of the sweep; the chief refuses others than its own.

    Raises:
        SweepError: when the chief refuses, can't be reached, or is gone.
        KeyboardInterrupt: as for ``work``.
    """
    link = Link(role.name, role.address)
    link.join(settings)
    work(task, link)
