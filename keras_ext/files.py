"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_ext.errors import OutputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside ``path``; at the end of the block it becomes ``path``.

    Missing folders are made. What is written under the temporary name reaches the disk before it
    is renamed, so that whoever reads ``path`` finds the old file or the new one, never a part. The
    temporary name ends like ``path``, for writers that look at the ending. When the block fails,
    the temporary file is removed and ``path`` is as it was.

    Raises:
        OutputError: naming ``path``, when the system refuses (no permission, disk full ...).
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.tmp{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"can't write {target}: {error.strerror or error}") from error
    finally:
        _remove(temporary)


def atomic_write(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write text (as UTF-8) or bytes to ``path``, whole or not at all; see ``replacing``.

    Raises:
        OutputError: naming ``path``, when it can't be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = atomic_write(Path(folder) / "runs" / "note.txt", "0.45 %")
    ...     [path.read_text(), len(list(path.parent.iterdir()))]
    ['0.45 %', 1]
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files for ``path`` of a process that was killed while it wrote.

    Not while another process may be writing it. What can't be removed stays.
    """
    target = Path(path)
    stem, suffix = glob.escape(target.stem), glob.escape(target.suffix)
    for leftover in target.parent.glob(f".{stem}.*.tmp{suffix}"):
        _remove(leftover)


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """Without hiding the error that led here: what could not be made can't be removed either."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
