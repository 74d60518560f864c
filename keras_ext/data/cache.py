"""Decoded data sets on disk: arrays that are memory-mapped, so that a second load takes no time.

An entry is a folder ``<name>-<version>`` with x.npy, y.npy and a manifest. It is written under a
temporary name and renamed, so it is there whole or not at all; whatever doesn't fit its manifest
is thrown away and made anew.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_ext.records import Arrays

SCHEMA = 1
CHECKED_BYTES = 1 << 28
"""Larger arrays are compared by size, shape and dtype alone: reading them all takes too long."""
MANIFEST = "manifest.json"


def cache_directory() -> Path:
    """Where decoded data sets are kept.

    ``KERAS_EXT_CACHE``, else ``keras_ext`` under ``XDG_CACHE_HOME`` or under ``~/.cache``.

    Raises:
        OSError: when the user has no home directory.
    """
    chosen = os.environ.get("KERAS_EXT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        if chosen:
            return Path(chosen).expanduser()
        if base and os.path.isabs(base):
            return Path(base) / "keras_ext"
        return Path.home() / ".cache" / "keras_ext"
    except RuntimeError as error:
        raise OSError(errno.ENOENT, "no home directory to keep a cache in") from error


def read_entry(key: str, *, source: str | None = None) -> Arrays | None:
    """The arrays of an entry, memory-mapped and read-only, or None where there is none to use.

    A damaged entry is removed, with a warning.

    Args:
        key: ``<name>-<version>``.
        source: where the arrays must have come from; None takes the entry as it is.
    """
    try:
        folder = cache_directory() / key
    except OSError:
        return None
    if not folder.is_dir():
        return None
    try:
        return _open(folder, source)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        warnings.warn(f"{folder} is damaged ({error}): making it anew", stacklevel=2)
        _discard(folder)
        return None


def write_entry(key: str, arrays: Arrays, *, source: str) -> Arrays:
    """Keep arrays as an entry and give them back memory-mapped.

    When another process has written the same entry meanwhile, that one is used. Where the cache
    can't be written, a warning says so and the arrays are given back as they are, in memory.

    Args:
        key: ``<name>-<version>``.
        arrays: what to keep.
        source: where they come from, for the manifest.
    """
    try:
        base = cache_directory()
        base.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{key}.", suffix=".tmp", dir=base))
        try:
            _fill(temporary, key, arrays, source)
            _publish(temporary, base / key, source)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or str(error)
        warnings.warn(
            f"{arrays.name} can't be cached ({reason}): kept in memory; KERAS_EXT_CACHE names "
            "another place",
            stacklevel=2,
        )
        return arrays
    cached = read_entry(key, source=source)
    return arrays if cached is None else cached


def _open(folder: Path, source: str | None) -> Arrays | None:
    """The entry in ``folder``; ValueError, KeyError ... where it doesn't fit its manifest."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if manifest.pop("checksum") != _checksum(manifest):
        raise ValueError(f"{MANIFEST} does not fit its checksum")
    if manifest["schema"] != SCHEMA:
        raise ValueError(f"{MANIFEST} has schema {manifest['schema']}, not {SCHEMA}")
    if source is not None and manifest["source"] != source:
        return None
    x, y = (_map(folder / f"{name}.npy", manifest["arrays"][name]) for name in ("x", "y"))
    published = {split: (rows[0], rows[1]) for split, rows in manifest["splits"].items()}
    return Arrays(x, y, manifest["name"], tuple(manifest["classes"]), published)


def _map(path: Path, expected: Mapping[str, Any]) -> np.ndarray:
    """One array file, memory-mapped after it has been compared with what was written."""
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise ValueError(f"{path.name} has {size:,} bytes, not {expected['bytes']:,}")
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if list(array.shape) != expected["shape"] or array.dtype.str != expected["dtype"]:
        raise ValueError(f"{path.name} holds {array.dtype.str} of shape {array.shape}")
    if size <= CHECKED_BYTES and _sha256(array) != expected["sha256"]:
        raise ValueError(f"{path.name} does not have the values that were written")
    return array


def _fill(folder: Path, key: str, arrays: Arrays, source: str) -> None:
    """Write both arrays, then the manifest, and wait until they are on the disk."""
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "key": key,
        "name": arrays.name,
        "source": source,
        "splits": {split: list(rows) for split, rows in arrays.published.items()},
        "classes": list(arrays.classes),
        "arrays": {"x": _save(folder / "x.npy", arrays.x), "y": _save(folder / "y.npy", arrays.y)},
    }
    manifest["checksum"] = _checksum(manifest)
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    _flush(folder)


def _save(path: Path, array: np.ndarray) -> dict[str, Any]:
    """Write one array; what the manifest says of it."""
    array = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return {
        "bytes": path.stat().st_size,
        "shape": list(array.shape),
        "dtype": array.dtype.str,
        "sha256": _sha256(array),
    }


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.reshape(-1).view(np.uint8).data).hexdigest()


def _publish(temporary: Path, folder: Path, source: str) -> None:
    """Give a finished entry its name, unless a usable one has got there first."""
    os.chmod(temporary, 0o755)
    try:
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():
            raise
        if read_entry(folder.name, source=source) is None:
            _discard(folder)
            os.rename(temporary, folder)
    _flush(folder.parent)


def _discard(folder: Path) -> None:
    """Remove an entry under another name, so that it never stands there half removed."""
    try:
        grave = tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent)
    except OSError:
        return
    with contextlib.suppress(OSError):
        os.rename(folder, grave)
    shutil.rmtree(grave, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
