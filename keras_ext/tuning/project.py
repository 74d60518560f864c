"""The folder of a sweep: its name, its lock, and what must not change between two starts."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from keras_ext.errors import ConfigError, OutputError, SweepError
from keras_ext.fields import encode
from keras_ext.files import atomic_write, remove_leftovers
from keras_ext.records import Arrays, Splits
from keras_ext.rows import chunks
from keras_ext.tuning.journal import Journal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SHOWN = 4


def project_directory(root: str | os.PathLike[str], name: str) -> Path:
    """``root/name``, for a name that stays inside of ``root``.

    Raises:
        ConfigError: for a name with a separator, a leading dot, or anything but letters, digits,
            dots, dashes and underscores.

    >>> project_directory("runs", "mnist-1").as_posix()
    'runs/mnist-1'
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            "a sweep's name must be up to 64 letters, digits, dots, dashes and underscores, "
            f"beginning with a letter or digit, got name={name!r}"
        )
    return Path(root) / name


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes out of the folder; the system unlocks it however this one ends.

    Raises:
        SweepError: when another process has it.
        OutputError: when the folder can't be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "lock").open("a+")
    except OSError as error:
        raise OutputError(f"can't write to {directory}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise SweepError(
                f"another process (id {owner}) works on the sweep in {directory}: wait for it, or "
                "give another directory"
            ) from None
        try:
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())
        except OSError as error:
            raise OutputError(f"can't write to {directory}: {error.strerror}") from error
        yield


def check_settings(directory: Path, settings: Mapping[str, Any], journal: Journal) -> None:
    """Write what the sweep is at its first start; refuse another one at later starts.

    It is written to settings.json, and into the journal for the case that this file is lost.

    Args:
        directory: of the sweep.
        settings: plain values.
        journal: of the sweep.

    Raises:
        ConfigError: naming what differs.
    """
    path = directory / "settings.json"
    remove_leftovers(path)
    now = json.loads(json.dumps(encode(settings)))
    noted = [event["settings"] for event in journal.of("settings")]
    before = _read(path) or (noted[-1] if noted else None)
    if before is not None and journal.of("proposed"):
        found = list(differences(before, now))
        # What the base changes it changes in the default point, too.
        found = [f for f in found if not f.startswith("default.")] or found
        if found:
            more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise ConfigError(
                f"the sweep in {directory} was begun with other settings: "
                f"{'; '.join(found[:SHOWN])}{more}. Undo that, or give another "
                "directory (--name on the command line)"
            )
    if noted[-1:] != [now]:
        journal.append({"event": "settings", "settings": now})
    text = json.dumps(now, indent=1) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        atomic_write(path, text)


def fingerprint(splits: Splits) -> dict[str, Any]:
    """Name, size and checksum of each split.

    A part of the examples would not do: changed labels are as bad as other images.
    """
    parts = {item.name: getattr(splits, item.name) for item in fields(splits)}
    return {
        name: {"name": part.name, "examples": len(part), "sha256": _checksum(part)}
        for name, part in parts.items()
        if isinstance(part, Arrays)
    }


def set_aside(path: Path) -> Path:
    """Rename a damaged file, with a warning; its content may still be of use to somebody."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in range(1, 10_000))
    aside = next(name for name in names if not name.exists())
    os.replace(path, aside)
    warnings.warn(f"{path} is damaged; it was renamed to {aside.name}", stacklevel=3)
    return aside


def _read(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        set_aside(path)
        return None


def _checksum(part: Arrays) -> str:
    found = hashlib.sha256()
    for array in (part.x, part.y):
        found.update(f"{array.dtype}{array.shape}".encode())
        for chunk in chunks(array):
            found.update(np.ascontiguousarray(chunk).data)
    return found.hexdigest()[:DIGITS]


DIGITS = 16


def differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """A phrase for each value that differs, of plain values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            inner = f"{name}.{key}".lstrip(".")
            if key in before and key in now:
                yield from differences(before[key], now[key], inner)
            else:
                yield f"{inner} is {'gone' if key in before else 'new'}"
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, (one, other) in enumerate(zip(before, now, strict=True)):
            named = one.get("name", place) if isinstance(one, dict) else place
            yield from differences(one, other, f"{name}.{named}")
    elif before != now:
        yield f"{name} was {before!r}, now {now!r}"
