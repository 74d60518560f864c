"""The chief of a sweep over several hosts: it waits for its workers, and lets them go."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from keras_ext.tuning.chief import Chief, raise_problem
from keras_ext.tuning.roles import Role
from keras_ext.tuning.tuner import ConfigTuner

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 15.0
"""What workers have to end by themselves."""


def serve(tuner: ConfigTuner, settings: Mapping[str, Any], role: Role) -> None:
    """Be the chief of workers on other hosts until all trials are done.

    Raises:
        SweepError: when the port can't be had, or the oracle failed.
        OutputError: when the journal can't be written.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, when the workers have left.
    """
    chief = Chief(tuner, settings)
    if chief.done:
        return
    with terminable():
        chief.listen(role.address)
        tuner.watcher.says(f"waiting for workers at {role.address}")
        try:
            while not chief.done and chief.problem is None:
                time.sleep(LOOK_SECONDS)
                chief.lose_silent()
        finally:
            chief.stopping = True
            until = time.monotonic() + PATIENCE_SECONDS
            try:
                while chief.roster.names and time.monotonic() < until:
                    time.sleep(LOOK_SECONDS)
            finally:
                chief.close()
        raise_problem(chief)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM is taken as Ctrl-C is, unless somebody else minds it already."""
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
