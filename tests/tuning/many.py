"""A sweep with workers as a program of its own, and faults that can be sent to its workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from keras_ext.records import TrainConfig
from keras_ext.tuning import sweep
from tests.tuning.black_box import BASE, BlackBox, space

ROOT = Path(__file__).parents[2]
TRIALS = 8


class KillOnce:
    """Kills the process before an epoch, unless the flag says that it was done before."""

    def __init__(self, flag: Path, epoch: int) -> None:
        self.flag = flag
        self.epoch = epoch
        self.asked = 0

    def __call__(self, call: int, config: TrainConfig) -> None:
        self.asked += 1
        if self.asked > self.epoch and not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class KillAlways:
    """Kills each process that trains at this rate."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def __call__(self, call: int, config: TrainConfig) -> None:
        if config.learning_rate == self.learning_rate:
            os.kill(os.getpid(), signal.SIGKILL)


class RaiseAlways(KillAlways):
    """Raises at this rate."""

    def __call__(self, call: int, config: TrainConfig) -> None:
        if config.learning_rate == self.learning_rate:
            raise ValueError(f"no luck at {self.learning_rate}")


class Unable(BlackBox):
    """Can't be made anew in another process."""

    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("no licence here")


class Noted(BlackBox):
    """Notes which process trains, and the variables that it was given, in a folder.

    Args:
        folder: for the notes.
        together: wait with the first trial until so many workers live; some start late.
        options: see ``BlackBox``.
    """

    def __init__(self, folder: Path, together: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.folder = folder
        self.together = together

    def train(self, config: TrainConfig, directory: Path, **options: Any) -> Any:
        self.folder.mkdir(exist_ok=True)
        names = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_PORT", "OMP_NUM_THREADS")
        values = [os.environ.get(name, "") for name in names]
        at = listening(int(values[1])) if values[1] else []
        (self.folder / str(os.getpid())).write_text(" ".join([*values, *at]))
        if values[0] not in ("", "chief") and not self.calls:
            until(lambda: sum(map(alive, self.folder.iterdir())) >= self.together)
        return super().train(config, directory, **options)


def listening(port: int) -> list[str]:
    """The addresses, as the kernel writes them, at which something on this machine listens."""
    lines = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in (Path(table).read_text().splitlines()[1:] if Path(table).exists() else ())
    ]
    found = [parts[1].split(":") for parts in lines if parts[3] == "0A"]
    return [address for address, number in found if int(number, 16) == port]


def alive(note: Path) -> bool:
    """Whether a process that was noted lives."""
    return Path("/proc", note.name).exists()


def of(folder: Path) -> list[int]:
    """Processes that have the folder among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in arguments and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


def until(met: Callable[[], Any], seconds: float = 300.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def open_ports(folder: Path) -> list[int]:
    """Those of the ports that were noted which answer."""
    ports = {int(path.read_text().split()[1]) for path in folder.iterdir()}
    assert ports
    found = []
    for port in ports:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


def finished(folder: Path) -> int:
    """Trials that the journal has."""
    path = folder / "journal.jsonl"
    return path.read_text().count('"event": "finished"') if path.exists() else 0


def started(
    folder: Path, *, workers: int, together: int = 2, prefix: Sequence[str] = (), **variables: str
) -> Any:
    """Run this file as a program, perhaps by another one."""
    arguments = [str(folder), str(workers), str(together)]
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", "tests.tuning.many", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def main(folder: Path, workers: int, together: int) -> None:
    box = Noted(folder.with_name("notes"), together, log=folder.with_name("log"), seconds=0.3)
    result = sweep(
        BASE,
        space,
        max_trials=TRIALS,
        directory=folder,
        strategy="random",
        confirm=1,
        trainer=box,
        workers=workers,
        insecure_network="KERASTUNER_ORACLE_IP" in os.environ,
        quiet=True,
    )
    print(result.status, len(result.trials))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
