"""Claims in processes of their own, several at a time.

The networks are so small that one core is enough for each of them. A process computes with one
thread, so that its numbers, times apart, depend neither on the cores of the machine nor on what
runs beside it; and when it dies, out of memory for instance, the other claims go on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from keras_ext.claim_records import Claim
from keras_ext.processes import bury, end_with_parent, ending
from keras_ext.tuning import shares
from recipes.article.attempt import attempt, described
from recipes.article.effort import Effort
from recipes.article.store import Store
from recipes.command import INTERRUPTED, command

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 5.0
Process = subprocess.Popen[bytes]


def default_jobs() -> int:
    """One for each core, but no more than four: each of them needs a gigabyte or two."""
    return min(4, shares.cores())


def attempts(names: Sequence[str], effort: Effort, store: Store, jobs: int) -> Iterator[Claim]:
    """The claims, each as soon as its process has ended.

    Args:
        names: of the claims, in the order in which they begin.
        effort: the mode and the seed.
        store: where the processes keep what they found.
        jobs: how many run at a time.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when all processes have ended.
        OutputError: when a result can't be written.
    """
    waiting = list(reversed(names))
    running: dict[str, Process] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name = waiting.pop()
                running[name] = _start(name, effort, store)
            time.sleep(LOOK_SECONDS)
            for name in [n for n, process in running.items() if process.poll() is not None]:
                process = running.pop(name)
                bury(process)
                yield _outcome(name, effort, store, process.returncode)
    finally:
        _stop(running.values())


def _outcome(name: str, effort: Effort, store: Store, code: int) -> Claim:
    """What the process left, or how it died."""
    claim = store.read(name) if code == 0 else None
    if claim is None:
        claim = replace(described(name, effort), message=f"its process {ending(code)}")
        store.write(claim)
    return claim


def _start(name: str, effort: Effort, store: Store) -> Process:
    one = dict.fromkeys(shares.THREADS, "1")
    return subprocess.Popen(
        [sys.executable, "-m", __name__, name, effort.mode, str(effort.seed), store.output_dir],
        # Held open until it has ended: its end tells the process of ours.
        stdin=subprocess.PIPE,
        env={**os.environ, **one, **shares.SHARING},
        # Ctrl-C is for this process, which then stops the others.
        start_new_session=True,
    )


def _stop(running: Collection[Process]) -> None:
    """End them: asked to, then killed."""
    for process in running:
        process.terminate()
    until = time.monotonic() + PATIENCE_SECONDS
    while any(p.poll() is None for p in running) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    for process in running:
        process.kill()
        bury(process)


def main(argv: Sequence[str]) -> int:
    """The program of such a process: ``NAME MODE SEED OUTPUT_DIR``."""
    name, mode, seed, output_dir = argv
    end_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    effort = Effort(mode, int(seed))
    try:
        attempt(name, effort, Store(Path(output_dir), effort))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    raise SystemExit(command(main))
