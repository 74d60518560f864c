"""Workers on this machine: started, started again when they die, and stopped, all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_ext.errors import OutputError, SweepError
from keras_ext.processes import bury, ending
from keras_ext.tuning import shares
from keras_ext.tuning.chief import Chief, raise_problem
from keras_ext.tuning.hosts import LOOK_SECONDS, PATIENCE_SECONDS, terminable
from keras_ext.tuning.roles import IP, LOOPBACK, NAME, PORT, address
from keras_ext.tuning.sending import TOKEN, write_task
from keras_ext.tuning.task import Task
from keras_ext.tuning.tuner import ConfigTuner
from keras_ext.tuning.worker import UNUSABLE

FILES = Path("workers", "task")
"""In the sweep's folder: the task and the examples, for as long as there are workers."""
STARTS = 3
"""How often in a row a worker may die before it has a trial."""


@dataclass
class Worker:
    """A place in the crew, and the process that fills it."""

    name: str
    share: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    vain: int = 0


class Crew:
    """Worker processes, each with its part of the machine.

    Args:
        chief: that gives out the trials.
        port: of the chief.
        task: as ``write_task`` has written it.
        environments: one for each worker, see ``shares``.
        logs: folder for what they print.
    """

    def __init__(
        self,
        chief: Chief,
        port: int,
        task: Path,
        environments: tuple[dict[str, str], ...],
        logs: Path,
    ) -> None:
        self.chief = chief
        self.port = port
        self.task = task
        self.logs = logs
        self.workers = [Worker(f"worker-{n}", share) for n, share in enumerate(environments)]

    def start(self) -> None:
        """All of them."""
        for worker in self.workers:
            self._log(worker).unlink(missing_ok=True)
            self._start(worker)

    def look(self) -> None:
        """Start those again that have died.

        Raises:
            SweepError: for one that dies again and again before it has a trial, with what it said.
        """
        silent = self.chief.lose_silent()
        for worker in self.workers:
            process = worker.process
            if process is None:
                continue
            if worker.name in silent:
                process.kill()
                process.wait()
            code = process.poll()
            if code is None or self.chief.done:
                continue
            had_trial = self.chief.lose(worker.name, ending(code))
            worker.vain = 0 if had_trial or worker.name in silent else worker.vain + 1
            if code == UNUSABLE or worker.vain == STARTS:
                raise SweepError(f"{worker.name} {ending(code)}: {self._said(worker)}")
            bury(process)
            self._start(worker)

    def stop(self, patience: float = PATIENCE_SECONDS, *, at_once: bool) -> None:
        """End all processes: asked to, then killed; at a second Ctrl-C, killed.

        Args:
            patience: seconds until those that remain are killed.
            at_once: ask them now; otherwise after half of the patience.
        """
        running = [worker.process for worker in self.workers if worker.process]
        began = time.monotonic()
        try:
            asked = False
            while any(p.poll() is None for p in running):
                waited = time.monotonic() - began
                if not asked and (at_once or waited > patience / 2):
                    asked = True
                    for process in running:
                        process.terminate()
                if waited > patience:
                    break
                time.sleep(LOOK_SECONDS)
        finally:
            for process in running:
                process.kill()
                bury(process)

    def _start(self, worker: Worker) -> None:
        environment = {
            **os.environ,
            **worker.share,
            "KERAS_BACKEND": keras.backend.backend(),
            NAME: worker.name,
            IP: LOOPBACK,
            PORT: str(self.port),
            # Not among the arguments, which every user of the machine can read.
            TOKEN: self.chief.admit(worker.name),
        }
        with self._log(worker).open("ab") as log:
            worker.process = subprocess.Popen(
                [sys.executable, "-m", "keras_ext.tuning.worker_process", str(self.task)],
                # Held open until the worker has ended: its end tells the worker of ours.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                # Ctrl-C is for this process, which then stops the others.
                start_new_session=True,
            )

    def _log(self, worker: Worker) -> Path:
        return self.logs / f"{worker.name}.log"

    def _said(self, worker: Worker) -> str:
        """The last line of a worker, without its ``error:``."""
        text = self._log(worker).read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        last = lines[-1].removeprefix("error: ") if lines else "it said nothing"
        return f"{last} (all of it is in {self._log(worker)})"


def search(tuner: ConfigTuner, task: Task, workers: int) -> None:
    """Run all trials in so many processes on this machine.

    Raises:
        ConfigError: naming an argument of the sweep that can't be sent to another process.
        SweepError: when a worker can't be started, or the oracle failed.
        OutputError: when the journal can't be written.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, when all workers have ended.
    """
    chief = Chief(tuner)
    if chief.done:
        return
    left = (tuner.oracle.max_trials or workers) - len(tuner.oracle.end_order)
    files = tuner.states.parent / FILES
    with _making(files), terminable():
        path = write_task(task, files)
        each = shares.shares(workers, shares.cores(), shares.devices())[: max(1, left)]
        crew = Crew(chief, chief.listen(address(LOOPBACK, 0)), path, each, files.parent)
        try:
            crew.start()
            while not chief.done and chief.problem is None:
                time.sleep(LOOK_SECONDS)
                crew.look()
        finally:
            chief.stopping = True
            try:
                crew.stop(at_once=not chief.done)
            finally:
                chief.close()
        raise_problem(chief)


@contextmanager
def _making(files: Path) -> Iterator[None]:
    """A folder for the task, for this user alone, which is removed; the logs beside it stay."""
    shutil.rmtree(files, ignore_errors=True)
    try:
        files.parent.mkdir(exist_ok=True)
        files.mkdir(mode=0o700)
    except OSError as error:
        raise OutputError(f"can't write to {files}: {error.strerror}") from error
    try:
        yield
    finally:
        shutil.rmtree(files, ignore_errors=True)
