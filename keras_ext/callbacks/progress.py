"""A live view of a training run in the terminal."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from keras_ext.callbacks.checks import copy_sharing, of_type

REFRESH_SECONDS = 0.1

# What to show of an epoch: the first group of which something is there.
_SHOWN = (("train_error", "validation_error"), ("loss", "val_loss"))

# In the bar, where a line of 80 characters must do.
_SHORT = {
    "train_error": "train error",
    "validation_error": "validation",
    "val_loss": "validation",
    "learning_rate": "rate",
}


class Progress(keras.callbacks.Callback):
    """One progress bar over all epochs, with both errors, the learning rate and the time left.

    Where there is no terminal, one plain line an epoch. Use ``fit(..., verbose=0)`` with it, and
    put it after ``BiasVariance``; without that it shows ``loss`` and ``val_loss``.

    ``fit`` tells no callback about an exception or Ctrl-C: with ``close()``, or the callback as a
    context manager, the terminal is clean at once; otherwise it is once the callback is dropped.

    Args:
        console: where to print, a ``rich.console.Console``; None is the standard output.
        quiet: print nothing at all.
        label: what to call the run, in front of everything.

    Raises:
        ConfigError: naming the argument and the value received.
    """

    async_safe = True

    _first_epoch: int | None
    _steps: int
    _values: dict[str, float]

    def __init__(
        self, *, console: Console | None = None, quiet: bool = False, label: str = ""
    ) -> None:
        super().__init__()
        self.console = of_type("console", console, (Console, type(None)), "a rich Console or None")
        self.quiet = of_type("quiet", quiet, bool, "True or False")
        self.label = of_type("label", label, str, "text")
        self._bar: Bar | None = None
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> Progress:
        return copy_sharing(self, memo, (self.console, self._model, self._bar))

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before."""
        self.close()
        self._start()
        self._out = self.console or Console()
        self._learning_rate = _learning_rate(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the bar at the first epoch, which need not be number 0."""
        if self._first_epoch is None:
            self._first_epoch = epoch
            self._started = time.monotonic()
            if self._out.is_terminal and not self.quiet:
                self._open()
        self._epoch = epoch
        self._steps_done = 0
        self._refresh()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar, not more often than can be seen.

        Off TensorFlow this is called from several threads, and not always in order.
        """
        self._steps_done = max(self._steps_done, batch + 1)
        if self._bar is not None and time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._refresh()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the errors of the epoch: in the bar, or as a line."""
        self._steps = self._steps_done = self._steps or self._steps_done
        self._learning_rate = _learning_rate(self.model)
        self._values = _shown(logs or {})
        self._refresh()
        if not self.quiet and not self._out.is_terminal:
            self._print(self._line())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the last state of the bar on the terminal."""
        self.close()

    def close(self) -> None:
        """Give the terminal back; more than once does no harm."""
        if self._bar is not None:
            self._bar = None
            self._finish()

    def _start(self) -> None:
        parameters = self.params or {}
        self._epochs = parameters.get("epochs") or 1
        self._steps = parameters.get("steps") or 0
        self._first_epoch = None
        self._epoch = 0
        self._steps_done = 0
        self._refreshed = 0.0
        self._values = {}

    def _open(self) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self._out,
            expand=True,
            # Without a thread nothing writes to the terminal after an exception.
            auto_refresh=False,
        )
        self._bar.start()
        self._out.show_cursor(True)
        self._task = self._bar.add_task("", total=None, numbers="")
        # Also called when the callback is dropped, or at the end of the program.
        self._finish = weakref.finalize(self, self._bar.stop)

    def _refresh(self) -> None:
        bar = self._bar
        if bar is None:
            return
        epochs = self._epochs - (self._first_epoch or 0)
        before = self._epoch - (self._first_epoch or 0)
        bar.update(
            self._task,
            description=self._title(),
            total=epochs * self._steps or None,
            completed=before * self._steps + self._steps_done,
            numbers=self._numbers(_SHORT),
            refresh=True,
        )
        self._refreshed = time.monotonic()

    def _title(self) -> str:
        return f"{self.label} epoch {self._epoch + 1}/{self._epochs}".strip()

    def _numbers(self, names: Mapping[str, str] = MappingProxyType({})) -> str:
        values = dict(self._values)
        if self._learning_rate is not None:
            values["learning_rate"] = self._learning_rate
        return "  ".join(f"{names.get(name, name)} {value:.4g}" for name, value in values.items())

    def _line(self) -> str:
        done = self._epoch - (self._first_epoch or 0) + 1
        left = self._epochs - self._epoch - 1
        seconds = (time.monotonic() - self._started) / done * left
        return f"{self._title()}  {self._numbers()}  {seconds:.0f} s left"

    def _print(self, line: str) -> None:
        self._out.print(line, markup=False, highlight=False, soft_wrap=True)


def _shown(logs: dict[str, Any]) -> dict[str, float]:
    for names in _SHOWN:
        values = {name: float(logs[name]) for name in names if name in logs}
        if values:
            return values
    return {}


def _learning_rate(model: Any) -> float | None:
    """The rate at this step, also of a schedule; None for a model without an optimizer."""
    rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
    return None if rate is None else float(rate)
