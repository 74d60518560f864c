"""A sweep in the terminal: a live table, or plain lines where there is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from keras_ext.sweep_records import COMPLETED, Trial, ranked
from keras_ext.tuning.watcher import Watcher

ROWS = 8
VALUES = 4
"""Hyperparameters of a row: those that differ most from trial to trial."""


class LiveTable(Watcher):
    """The best and the last trials, what runs now, and how long it will take.

    Args:
        max_trials: of the sweep.
        trials: that were done before.
        console: None is the standard output.
        quiet: show nothing.
    """

    def __init__(
        self,
        max_trials: int,
        trials: tuple[Trial, ...],
        *,
        console: Console | None = None,
        quiet: bool = False,
    ) -> None:
        self.console = console or Console()
        self.quiet = quiet
        self.trials = list(trials)
        self.max_trials = max_trials
        self._workers = 1
        self._present: dict[str, str] = {}
        self._epochs: dict[str, int] = {}
        self._notes: dict[str, str] = {}
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), auto_refresh=False
        )
        self._task = self._bar.add_task("trials", total=max_trials, completed=len(trials))
        self._live: Live | None = None

    def __enter__(self) -> LiveTable:
        if self.console.is_terminal and not self.quiet:
            self._live = Live(console=self.console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def begins(self, trial_id: str, values: dict[str, Any], reason: str, epochs: int) -> None:
        """Show what is trained now, and why."""
        self._present.pop(trial_id, None)
        while len(self._present) >= self._workers:
            del self._present[next(iter(self._present))]
        self._present[trial_id] = f"trial {trial_id}: {reason or shown(values)}"
        self._epochs[trial_id] = epochs
        self._notes.pop(trial_id, None)
        self._refresh()

    def epoch(self, trial_id: str, number: int, logs: dict[str, float]) -> None:
        """Move on by an epoch."""
        error = logs.get("validation_error")
        at = "" if error is None else f", validation error {error:.4g}"
        self._notes[trial_id] = f" (epoch {number + 1}/{self._epochs.get(trial_id, '?')}{at})"
        self._refresh()

    def ends(self, trial: Trial) -> None:
        """A row more, or a line."""
        self.trials.append(trial)
        self._bar.update(self._task, completed=len(self.trials))
        self._present.pop(trial.trial_id, None)
        self._refresh()
        if self._live is None:
            self.says(self.line(trial))

    def says(self, line: str) -> None:
        """A line above the table."""
        if not self.quiet:
            self.console.print(Text(line), soft_wrap=True)

    def at_a_time(self, number: int) -> None:
        """Show so many trials that run."""
        self._workers = max(1, number)

    def line(self, trial: Trial) -> str:
        """A trial in one line, with the best so far and the time left."""
        place = f"trial {trial.trial_id} ({len(self.trials)}/{self.max_trials})"
        best = ranked(self.trials)
        so_far = f"best {best[0].validation_error:.4g} ({best[0].trial_id})" if best else "none yet"
        why = f"  {trial.reason}" if trial.reason else ""
        what = _outcome(trial)
        return f"{place}  {what}  {shown(trial.values)}  {so_far}  {self.left()}{why}"

    def left(self) -> str:
        """How long the trials that remain will take, if they are like those before."""
        remaining = self.max_trials - len(self.trials)
        if not self.trials:
            return ""
        each = sum(trial.seconds for trial in self.trials) / len(self.trials)
        return f"{duration(each * remaining / self._workers)} left"

    def _refresh(self) -> None:
        if self._live is not None:
            lines = [line + self._notes.get(name, "") for name, line in self._present.items()]
            present = [Text(n, style="dim", overflow="ellipsis", no_wrap=True) for n in lines]
            self._bar.update(self._task, description=f"trials  {self.left()}")
            self._live.update(Group(self._table(), *present, self._bar), refresh=True)

    def _table(self) -> Table:
        names = varied(self.trials)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("trial", "validation", "train", "hurts", *names, "s"):
            table.add_column(name, no_wrap=True)
        best = ranked(self.trials)[:1]
        last = self.trials[-ROWS:]
        for trial in [*(item for item in best if item not in last), *last]:
            table.add_row(*_row(trial, names), style="bold" if trial in best else "")
        return table


def varied(trials: list[Trial]) -> list[str]:
    """The hyperparameters with the most different values."""
    found: dict[str, set[Any]] = {}
    for trial in trials:
        for name, value in trial.values.items():
            if not name.startswith("tuner/"):
                found.setdefault(name, set()).add(value)
    order = sorted(found, key=lambda name: -len(found[name]))
    return [name for name in order if len(found[name]) > 1][:VALUES]


def shown(values: Any) -> str:
    """Hyperparameters in a line.

    >>> shown({"learning_rate": 0.0123456, "units": 32, "tuner/epochs": 3})
    'learning_rate 0.01235, units 32'
    """
    named = [(name, value) for name, value in values.items() if not name.startswith("tuner/")]
    return ", ".join(f"{name} {_plain(value)}" for name, value in named)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours.

    >>> duration(42.4), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _row(trial: Trial, names: list[str]) -> list[Text]:
    done = trial.status == COMPLETED
    cells = [
        trial.trial_id,
        f"{trial.validation_error:.4g}" if done else "failed",
        f"{trial.metrics['train_error']:.4g}" if done else trial.message.partition("\n")[0][:40],
        trial.diagnosis.dominant if trial.diagnosis else "",
        *(_plain(trial.values.get(name, "")) for name in names),
        f"{trial.seconds:.1f}",
    ]
    return [Text(str(cell)) for cell in cells]


def _outcome(trial: Trial) -> str:
    if trial.status != COMPLETED:
        return f"failed: {trial.message.partition(chr(10))[0]}"
    hurts = f", {trial.diagnosis.dominant}" if trial.diagnosis else ""
    train = trial.metrics.get("train_error")
    beside = "" if train is None else f" (train {train:.4g}{hurts})"
    return f"validation error {trial.validation_error:.4g}{beside}"


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
