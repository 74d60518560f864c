"""Who looks on at a sweep: the terminal's table, the files that are kept, a worker's link."""

from __future__ import annotations

from typing import Any

from keras_ext.sweep_records import Trial


class Watcher:
    """Is told what happens in a sweep; this one does nothing."""

    def begins(self, trial_id: str, values: dict[str, Any], reason: str, epochs: int) -> None:
        """A trial begins, or goes on."""

    def epoch(self, trial_id: str, number: int, logs: dict[str, float]) -> None:
        """An epoch of a trial has ended."""

    def ends(self, trial: Trial) -> None:
        """A trial has ended."""

    def says(self, line: str) -> None:
        """Something else is worth a line."""

    def at_a_time(self, number: int) -> None:
        """So many workers train from now on."""
