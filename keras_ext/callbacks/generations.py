"""The last two states of a run, in two files that are written in turn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keras_ext.callbacks import snapshot
from keras_ext.errors import DataError, OutputError
from keras_ext.files import remove_leftovers


class Generations:
    """Keeps two states in a folder: while one is written the other one stays as it is.

    One process at a time: two runs would overwrite each other's files.

    Args:
        directory: the folder. Files in it that aren't ours are left alone.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for epoch in (1, 2, 3):
    ...         Generations(folder).save({"epoch": epoch})
    ...     newest, problems = Generations(folder).load()
    ...     _ = Path(folder, "generation-1.state").write_bytes(b"")
    ...     before, problems = Generations(folder).load()
    >>> newest["epoch"], before["epoch"], [problem[-8:] for problem in problems]
    (3, 2, ['is empty'])
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        folder = Path(directory)
        self.paths = (folder / "generation-0.state", folder / "generation-1.state")
        self._number: int | None = None

    def prepare(self) -> None:
        """Make the folder, and remove what a process left that was killed while it wrote.

        Raises:
            OutputError: naming the folder, when the system refuses.
        """
        folder = self.paths[0].parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"can't make {folder}: {error.strerror or error}") from error
        for path in self.paths:
            remove_leftovers(path)

    def load(self) -> tuple[Any, list[str]]:
        """The newest state that can be read, or None, and what is wrong with the other files."""
        found: dict[int, Any] = {}
        problems = []
        for path in self.paths:
            try:
                if path.exists():
                    content = snapshot.read(path)
                    found[content["number"]] = content["state"]
            except DataError as problem:
                problems.append(str(problem))
        self._number = max(found, default=0)
        return found.get(self._number), problems

    def save(self, state: Any) -> None:
        """Write a state over the older one of the two.

        Raises:
            ConfigError: for what can't be kept in a file.
            OutputError: when it can't be written; both files are then as they were.
        """
        if self._number is None:
            self.load()
        number = (self._number or 0) + 1
        snapshot.write(self.paths[number % 2], {"number": number, "state": state})
        self._number = number

    def clear(self) -> None:
        """Remove both files, the older one first, and the folder if nothing else is in it.

        Raises:
            OutputError: naming the file that can't be removed.
        """
        newest = (self._number or 0) % 2
        for path in (self.paths[1 - newest], self.paths[newest]):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"can't remove {path}: {error.strerror or error}") from error
        self._number = 0
        try:
            path.parent.rmdir()
        except OSError:
            return  # There is something else in it.
