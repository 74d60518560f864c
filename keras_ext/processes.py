"""Processes that this one starts: they end with it, and it says how they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress


def end_with_parent() -> None:
    """From now on this process ends with the one that started it, however that one ends.

    The standard input must be a pipe that the parent holds open.
    """
    threading.Thread(target=_wait_for_end, name="parent", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def bury(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process, and close what is left of it here."""
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def ending(code: int) -> str:
    """How a process ended, from its exit status; negative for a signal.

    >>> ending(2), ending(-9)
    ('ended with exit status 2', 'was killed by SIGKILL (out of memory?)')
    """
    if code >= 0:
        return f"ended with exit status {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
