"""The task of a sweep as files, for workers on the same machine."""

from __future__ import annotations

import io
import os
import pickle
from dataclasses import fields
from multiprocessing import spawn
from pathlib import Path
from typing import Any

import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.files import atomic_write, replacing
from keras_ext.tuning.task import Task

LARGE = 2**16
"""Bytes from which on an array gets a file of its own, which the workers share in memory."""
TOKEN = "KERAS_EXT_WORKER_TOKEN"
"""Environment variable of a worker: what the chief knows it by."""
START = ("sys_path", "sys_argv", "dir", "init_main_from_name", "init_main_from_path")
"""What ``multiprocessing`` tells a process that it spawns, as far as it is needed here."""


def check_task(task: Task) -> None:
    """Refuse a task that can't be sent to workers.

    Raises:
        ConfigError: naming the argument, or when a worker's own start leads here.
    """
    if TOKEN in os.environ:
        raise ConfigError(
            "a worker ran the script from its beginning, to import a function from it, and came "
            "to the sweep again: put what the script does under if __name__ == '__main__':"
        )
    _contents(task, None)


def write_task(task: Task, folder: Path) -> Path:
    """Write the task, and each large array to a file beside it.

    Functions go by their names: the worker imports them. Those of the script that was started are
    found there, too, as ``multiprocessing`` does it.

    Raises:
        ConfigError: naming the argument that can't be sent.
        OutputError: when the folder can't be written.
    """
    return atomic_write(folder / "task.pickle", pickle.dumps(_contents(task, folder)))


def _contents(task: Task, folder: Path | None) -> tuple[dict[str, Any], dict[str, bytes]]:
    """How the worker has to start, and the arguments by name."""
    arrays: dict[int, tuple[str, Any]] = {}
    values = {
        item.name: _pickled(item.name, getattr(task, item.name), folder, arrays)
        for item in fields(task)
    }
    start = {k: v for k, v in spawn.get_preparation_data("worker").items() if k in START}
    mine = [name for name, content in values.items() if b"__main__" in content]
    if not mine:
        start = {name: start[name] for name in START[:3] if name in start}
    elif not any(name.startswith("init_main") for name in start):
        _refuse(mine[0], getattr(task, mine[0]), "it stands in no file")
    return start, values


def read_task(path: Path) -> Task:
    """The task that ``write_task`` wrote; modules are imported as they were there.

    The file must come from the process that started this one: unpickling runs what it says.
    """
    start, values = pickle.loads(path.read_bytes())  # noqa: S301
    spawn.prepare(start)
    return Task(**{name: _Reader(io.BytesIO(v)).load() for name, v in values.items()})


def _pickled(
    name: str, value: Any, folder: Path | None, arrays: dict[int, tuple[str, Any]]
) -> bytes:
    content = io.BytesIO()
    try:
        _Writer(content, folder, arrays).dump(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        _refuse(name, value, str(error))
    return content.getvalue()


def _refuse(name: str, value: Any, why: str) -> None:
    raise ConfigError(
        f"{name} can't be sent to the workers: {why}. A function must have a name at the top level "
        f"of a module or of the script (no lambda, none inside another), got {name}={value!r}"
    )


class _Writer(pickle.Pickler):
    """Writes large arrays to files of their own; without a folder, nowhere."""

    def __init__(self, file: Any, folder: Path | None, arrays: dict[int, tuple[str, Any]]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.folder = folder
        self.arrays = arrays

    def persistent_id(self, value: Any) -> str | None:
        """The file of a large array."""
        if not isinstance(value, np.ndarray) or value.dtype.hasobject or value.nbytes < LARGE:
            return None
        if self.folder is None:
            return ""
        if id(value) not in self.arrays:
            path = self.folder / f"array-{len(self.arrays)}.npy"
            with replacing(path) as temporary:
                np.save(temporary, np.asarray(value), allow_pickle=False)
            # The array itself is kept, so that no other one gets its id.
            self.arrays[id(value)] = (str(path), value)
        return self.arrays[id(value)][0]


class _Reader(pickle.Unpickler):
    """Maps the files of large arrays into memory; what is written there stays in this process."""

    def persistent_load(self, name: Any) -> Any:
        """An array."""
        return np.asarray(np.load(name, mmap_mode="c"))
