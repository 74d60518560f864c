"""The program of a worker on the chief's machine: ``python -m keras_ext.tuning.worker_process``.

``tuning.sweep(workers=...)`` starts it; it is not for the command line. It ends with the process
that started it, however that one ends.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from keras_ext.errors import KerasExtError
from keras_ext.processes import end_with_parent
from keras_ext.tuning.link import Link
from keras_ext.tuning.roles import IP, NAME, PORT, address
from keras_ext.tuning.sending import TOKEN, read_task
from keras_ext.tuning.worker import UNUSABLE, work


def main(path: str) -> int:
    """Work on the task in the file."""
    end_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    link = Link(os.environ[NAME], address(os.environ[IP], int(os.environ[PORT])), os.environ[TOKEN])
    try:
        task = read_task(Path(path))
    except Exception as error:
        print(f"error: the worker can't be set up: {_words(error)}", file=sys.stderr)
        return UNUSABLE
    try:
        work(task, link)
    except KerasExtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, KerasExtError) else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    try:
        raise SystemExit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
