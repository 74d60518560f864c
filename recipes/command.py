"""How every recipe runs as a command: a folder for its files, one-line errors, exit statuses."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from keras_ext.errors import KerasExtError, OutputError

INTERRUPTED = 130
FAILED = 2


@contextlib.contextmanager
def run_directory(output_dir: Path, name: str) -> Iterator[Path]:
    """A new folder ``<output_dir>/<name>/<time>`` for a run's files; removed if there are none.

    Raises:
        OutputError: when it can't be made.
    """
    directory = _new_directory(output_dir, name)
    try:
        yield directory
    finally:
        for path in (*sorted(directory.rglob("*"), reverse=True), directory):
            # Only empty folders can be removed like this.
            with contextlib.suppress(OSError):
                path.rmdir()


def _new_directory(output_dir: Path, name: str) -> Path:
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ("", *(f"_{number}" for number in range(2, 1000))):
        directory = output_dir / name / (stamp + suffix)
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if directory.is_dir():
                continue
            raise OutputError(f"can't write to {output_dir / name}: a file is in the way") from None
        except OSError as error:
            raise OutputError(f"can't write to {directory}: {error.strerror}") from error
        if not os.access(directory, os.W_OK):
            raise OutputError(f"can't write to {directory}: no permission")
        return directory
    raise OutputError(f"can't find a free name under {output_dir / name}")


def command(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Call ``main`` and turn the errors that a user can mend into one line and an exit status.

    ``--debug`` shows the traceback. Ctrl-C exits with 130.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return main(arguments)
    except (KerasExtError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        print(f"error: {error or 'out of memory: try a smaller --batch-size'}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
