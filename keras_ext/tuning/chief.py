"""The chief of many workers: KerasTuner's oracle behind a port, and who has which trial."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer
from keras_tuner.src.engine.trial import Trial

from keras_ext.errors import KerasExtError, SweepError
from keras_ext.tuning import messages
from keras_ext.tuning.oracles import number_of, waiting
from keras_ext.tuning.project import differences
from keras_ext.tuning.roster import Roster
from keras_ext.tuning.space import point
from keras_ext.tuning.tuner import DEATHS, ConfigTuner, Running

THREADS = 32
STOPPED, IDLE, RUNNING = "STOPPED", "IDLE", "RUNNING"


class Chief(OracleServicer):
    """Answers the workers, and writes what they do into the journal; nobody else does.

    Args:
        tuner: of the sweep, which holds the oracle and the journal.
        settings: of the sweep; workers that join must have the same. None lets nobody join.

    Attributes:
        problem: what went wrong here; all workers are then told to stop.
        done: whether every trial has ended and there is no other.
    """

    def __init__(self, tuner: ConfigTuner, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(tuner.oracle)
        self.tuner = tuner
        self.settings = settings
        self.roster = Roster()
        self.problem: Exception | None = None
        self.stopping = False
        self.done = not waiting(tuner.oracle)
        self._lock = threading.RLock()
        self._running: dict[str, Running] = {}
        self._reports: dict[str, Any] = {}
        self._deaths: Counter[str] = Counter()
        self._left: set[str] = set()
        self._server: Any = None

    def listen(self, address: str) -> int:
        """Open the port; 0 for a free one.

        Returns:
            The port.

        Raises:
            SweepError: when it can't be had.
        """
        self._server = grpc.server(
            futures.ThreadPoolExecutor(THREADS, "chief"), options=messages.SERVER
        )
        protos.get_service_grpc().add_OracleServicer_to_server(self, self._server)
        calls = {"join": self.join, "tell": self.tell}
        self._server.add_generic_rpc_handlers((messages.handler(calls),))
        try:
            port = int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            raise SweepError(
                f"can't listen at {address}: the address is not this machine's, or the port is in "
                "use"
            ) from error
        self._server.start()
        return port

    def close(self) -> None:
        """Close the port, at once."""
        if self._server is not None:
            self._server.stop(None).wait()
        self.tuner.watcher.at_a_time(1)

    def admit(self, name: str) -> str:
        """Make room for a worker; its token."""
        with self._lock:
            token = self.roster.admit(name)
            self._left.discard(name)
            self.tuner.watcher.at_a_time(len(self.roster.names))
            return token

    def lose(self, name: str, reason: str) -> bool:
        """Take back the trial of a worker that is gone: another one goes on with it.

        Args:
            name: of the worker.
            reason: what happened to it.

        Returns:
            Whether it had a trial.
        """
        with self._lock:
            return self._give_up(name, reason, died=True) or name in self._left

    def _give_up(self, name: str, reason: str, *, died: bool) -> bool:
        self.roster.drop(name)
        trial = self.oracle.ongoing_trials.pop(name, None)
        if trial is None or self.problem is not None:
            return False
        with self._noting():
            self._take_back(trial, f"{name} {reason}", died)
        return True

    def lose_silent(self) -> list[str]:
        """Take back the trials of those that were not heard of for long; their names."""
        with self._lock:
            silent = self.roster.silent(messages.LOST_SECONDS)
            for name in silent:
                self.lose(name, f"was not heard of for {messages.LOST_SECONDS:.0f} s")
        return silent

    def _take_back(self, trial: Any, reason: str, died: bool) -> None:
        name = f"{number_of(trial):04d}"
        self._deaths[name] += died
        # KerasTuner would keep what a worker reported that did not come to the trial's end.
        trial.metrics = type(trial.metrics)()
        self._reports.pop(trial.trial_id, None)
        if self._deaths[name] < DEATHS:
            self.oracle._retry_queue.append(trial.trial_id)
            if not self.stopping:
                self.tuner.watcher.says(f"{reason}; its trial {name} goes on in another process")
            return
        running = self._running[trial.trial_id]
        with suppress(Exception):
            running.config = point(self.tuner.space, trial.hyperparameters, self.tuner.base)
        trial.status, trial.message = "FAILED", f"{DEATHS} workers died of it: {reason}"
        self.oracle.end_trial(trial)
        self.tuner.ended(trial.trial_id, running)

    def CreateTrial(self, request: Any, context: Any) -> Any:
        """The next trial of a worker, in the journal before the worker has it."""
        with self._lock:
            name = self.roster.member(context)
            trial = Trial(self.oracle.hyperparameters.copy(), status=STOPPED)
            if not self.stopping and self.problem is None:
                with self._noting():
                    trial = self._next(name)
            return protos.get_service().CreateTrialResponse(trial=trial.to_proto())

    def _next(self, name: str) -> Any:
        trial = self.oracle.create_trial(name)
        if trial.status == RUNNING:
            self._running[trial.trial_id] = self.tuner.begun(trial)
        elif trial.status == STOPPED:
            # Whoever has a trial may die; somebody must be there to go on with it.
            self.done = not self.oracle.ongoing_trials
            trial.status = STOPPED if self.done else IDLE
        return trial

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        """Take note of nothing: the report has the metrics, in full precision."""
        with self._lock:
            trial = self._owned(context, request.trial_id)
            return protos.get_service().UpdateTrialResponse(trial=trial.to_proto())

    def EndTrial(self, request: Any, context: Any) -> Any:
        """End a trial with what was reported of it, and put it into the journal."""
        with self._lock:
            given = Trial.from_proto(request.trial)
            trial = self._owned(context, given.trial_id)
            report = self._reports.pop(given.trial_id, None)
            if report is None:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nothing was reported of it")
            running = self._running[given.trial_id]
            with self._noting():
                messages.take_report(running, report, time.perf_counter())
                trial.metrics = type(trial.metrics)()
                if report["metrics"] is not None:
                    self.oracle.update_trial(trial.trial_id, report["metrics"])
                trial.status, trial.message = given.status, report["message"]
                self.oracle.end_trial(trial)
                self.tuner.ended(trial.trial_id, running)
            return protos.get_service().EndTrialResponse()

    def UpdateSpace(self, request: Any, context: Any) -> Any:
        """The space is as it was declared."""
        return protos.get_service().UpdateSpaceResponse()

    def join(self, request: Any, context: Any) -> dict[str, Any]:
        """A worker from another host: its token, or why it gets none."""
        if self.settings is None:
            return {"problem": "it takes no workers from elsewhere"}
        mine = messages.plain(self.settings)
        found = list(differences(mine, request["settings"]))
        if found:
            return {"problem": f"the sweep is another one here than there: {'; '.join(found[:4])}"}
        name = str(request["name"])
        with self._lock:
            if name in self.roster.names:
                return {"problem": f"there is another worker named {name!r}", "taken": True}
            self.tuner.watcher.says(f"worker {name} has joined")
            token = self.admit(name)
            self.roster.hear(name)
        return {"token": token}

    def tell(self, event: Any, context: Any) -> dict[str, Any]:
        """An event of a worker."""
        kind, trial_id = event["kind"], event.get("trial_id", "")
        if kind == "beat":
            # Without the lock: the oracle may hold it for long.
            self.roster.member(context)
            ending = self.stopping or self.problem is not None
            return {"stop": ending and not self.done}
        with self._lock:
            worker, watcher = self.roster.member(context), self.tuner.watcher
            if kind == "leaves":
                if self._give_up(worker, "has left", died=False):
                    self._left.add(worker)
                return {}
            trial = self._owned(context, trial_id)
            name, running = f"{number_of(trial):04d}", self._running[trial.trial_id]
            if kind == "report":
                self._reports[trial.trial_id] = event
            elif kind == "begins":
                watcher.begins(name, running.values, running.reason, int(event["epochs"]))
            elif kind == "epoch":
                number, logs = int(event["number"]), event["logs"]
                before = [row for row in running.unfinished if row["epoch"] < number]
                running.unfinished = (*before, {"epoch": number, **logs})
                watcher.epoch(name, number, logs)
        return {}

    def _owned(self, context: Any, trial_id: str) -> Any:
        """The trial, which must be the caller's."""
        trial = self.oracle.ongoing_trials.get(self.roster.member(context))
        if self.problem is not None or trial is None or number_of(trial) != int(trial_id):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the trial is not this worker's")
        return trial

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Keep what goes wrong: after it the oracle must not be asked again."""
        try:
            yield
        except Exception as error:
            self.problem = error


def raise_problem(chief: Chief) -> None:
    """Raise in the main thread what went wrong in that of a call.

    Raises:
        KerasExtError: that one.
        SweepError: for any other.
    """
    if isinstance(chief.problem, KerasExtError):
        raise chief.problem
    if chief.problem is not None:
        raise SweepError(f"the chief failed: {chief.problem!r}") from chief.problem
