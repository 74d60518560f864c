"""What happened in a sweep, a line an event: what KerasTuner's state is rebuilt from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from keras_ext.errors import OutputError
from keras_ext.files import atomic_write

DIGITS = 16


class Journal:
    """Events in the order in which they happened, each on the disk before the next one.

    A line is an event with the checksum of its text. A line that is damaged, or was cut off by a
    crash while it was written, is set aside in a file of its own and counts as never written.

    Args:
        path: of the file, which is made at the first event.

    Attributes:
        events: those that can be read.
        problems: what was set aside, in words.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "journal.jsonl")
    ...     Journal(path).append({"event": "proposed", "number": 0})
    ...     _ = path.write_bytes(path.read_bytes() + b'{"sum": "0')
    ...     journal = Journal(path)
    >>> journal.events, len(journal.problems)
    ([{'event': 'proposed', 'number': 0}], 1)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        self.problems: list[str] = []
        if path.exists():
            self._read()

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one event, all the way to the disk.

        Raises:
            OutputError: when it can't be written; what stood there is then as it was.
        """
        line = _line(event)
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            _cut(self.path, size)
            reason = error.strerror or error
            raise OutputError(f"can't write {self.path}: {reason}") from error
        self.events.append(dict(event))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == kind]

    def _read(self) -> None:
        kept, damaged = [], []
        for line in self.path.read_bytes().splitlines(keepends=True):
            event = _event(line)
            if event is None:
                damaged.append(line)
            else:
                kept.append(line)
                self.events.append(event)
        if damaged:
            aside = _free_name(self.path)
            atomic_write(aside, b"".join(damaged))
            atomic_write(self.path, b"".join(kept))
            self.problems.append(
                f"{len(damaged)} damaged line(s) of {self.path.name} were set aside in "
                f"{aside.name}; what they told is done again"
            )


def _line(event: Mapping[str, Any]) -> bytes:
    text = json.dumps(_strict(event), allow_nan=False)
    return f'{{"sum": "{_sum(text)}", "event": {text}}}\n'.encode()


def _event(line: bytes) -> dict[str, Any] | None:
    """The event of a line, or None for one that isn't as it was written."""
    try:
        whole = json.loads(line)
        text = json.dumps(whole["event"], allow_nan=False)
    except (ValueError, KeyError, TypeError):
        return None
    if not line.endswith(b"\n") or whole.get("sum") != _sum(text):
        return None
    return dict(_loose(whole["event"]))


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _strict(value: Any) -> Any:
    """Without numbers that JSON does not have: they become a mapping with their name."""
    if isinstance(value, float) and not isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    return [_strict(item) for item in value] if isinstance(value, (list, tuple)) else value


def _loose(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$float"}:
            return float(value["$float"])
        return {key: _loose(item) for key, item in value.items()}
    return [_loose(item) for item in value] if isinstance(value, list) else value


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _cut(path: Path, size: int) -> None:
    """Back to the length before a write that failed; what can't be cut is a damaged line."""
    try:
        os.truncate(path, size)
    except OSError:
        return
