"""Are the gradients that a model trains with those of its cost?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
from rich.console import Console

from keras_ext.callbacks import checks
from keras_ext.callbacks.fixed_batch import fixed_batch
from keras_ext.callbacks.inference_model import inference_model
from keras_ext.errors import ConfigError
from keras_ext.gradients import GradientReport, check_gradients

BEFORE = -1.0
"""Stands for an epoch before the first one."""

ON_FAILURE = ("warn", "stop", "raise")


class GradientCheck(keras.callbacks.Callback):
    """Compares backpropagation with central differences before the first step, and later if asked.

    On a small fixed batch, in training mode, with the cost that ``fit`` minimises, by
    ``gradients.check_gradients`` on a copy of the model in double precision. Weights, optimizer,
    metrics and random state stay bit for bit as they are. A check takes about as long as compiling
    the model: a second or two for a small convnet.

    Writes into ``logs``, as plain floats: ``gradient_relative_error``, Ng's
    ``||dtheta - approx|| / (||dtheta|| + ||approx||)`` (below 1e-7 is excellent, above 1e-3
    probably wrong; infinite where nothing could be measured), carried on between checks, and
    ``gradient_check_epoch``, counted from 0, after which it was measured: -1 before the first step.

    Args:
        x: inputs, an array of shape (examples, ...) or a structure of arrays.
        y: their labels, likewise.
        every: check again after each so many epochs; None checks before the first step alone.
        on_failure: when a gradient is wrong, "warn" with the element that is off; "stop" training
            too, after one step if that is before the first epoch; or "raise" an AssertionError with
            the table.
        build: a function without arguments that makes the model, where its config can't.
        max_examples: the size of the batch; of more examples so many are drawn.
        seed: decides which, and the directions.

    Attributes:
        initial_report: the ``GradientReport`` from before the first step, or None.
        report: that of the last check, or None.
        history: a mapping for each check: ``epoch`` (-1 before the first), ``ok`` and what is
            written into ``logs``.

    Raises:
        ConfigError: naming the argument; about the model at the start of ``fit``.
    """

    initial_report: GradientReport | None
    report: GradientReport | None
    history: list[dict[str, Any]]
    _latest: dict[str, float]
    _first_epoch: int | None

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        every: int | None = None,
        on_failure: str = "warn",
        build: Callable[[], keras.Model] | None = None,
        max_examples: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.every = None if every is None else checks.whole_number("every", every, 1)
        self.on_failure = checks.one_of("on_failure", on_failure, ON_FAILURE)
        if build is not None and not callable(build):
            raise ConfigError(f"build must be a function that makes the model, got build={build!r}")
        self.build = build
        self.max_examples = checks.whole_number("max_examples", max_examples, 1)
        self.seed = checks.whole_number("seed", seed, 0)
        self._batch = fixed_batch(x, y, self.max_examples, self.seed)
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> GradientCheck:
        leaves = keras.tree.flatten(self._batch)
        return checks.copy_sharing(self, memo, (*leaves, self._model, self.build))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before, and check before the first step."""
        self._start()
        model = inference_model(self.model)
        if not model.built:
            # As the first step would.
            model(keras.tree.map_structure(lambda leaf: leaf[:1], self._batch[0]))
        self.initial_report = self._check(BEFORE)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember which epoch is the first one; it need not be number 0."""
        self._first_epoch = epoch if self._first_epoch is None else self._first_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check if it is time to, and write the last result into ``logs``."""
        done = epoch + 1 - (self._first_epoch or 0)
        if self.every is not None and done % self.every == 0:
            self._check(float(epoch))
        if logs is not None:
            logs.update(self._latest)

    def summary(self, *, console: Console | None = None) -> None:
        """Print the table of the last check with its advice.

        Raises:
            ConfigError: before anything was checked.
        """
        if self.report is None:
            raise ConfigError("nothing is checked yet: pass GradientCheck to fit first")
        console = console or Console()
        console.print(self.report.table())
        for line in self.report.advice:
            console.print(line, markup=False, highlight=False)

    def get_state(self) -> dict[str, Any]:
        """What a resumed run must know."""
        reports = {"initial": self.initial_report, "last": self.report}
        return {
            "history": [dict(row) for row in self.history],
            "latest": dict(self._latest),
            "first_epoch": self._first_epoch,
            "reports": {name: report and report.state() for name, report in reports.items()},
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` gave; after ``on_train_begin``."""
        self.history = [dict(row) for row in state["history"]]
        self._latest = dict(state["latest"])
        self._first_epoch = state["first_epoch"]
        self.initial_report, self.report = (
            kept and GradientReport.from_state(kept)
            for kept in (state["reports"]["initial"], state["reports"]["last"])
        )

    def _start(self) -> None:
        self.initial_report = None
        self.report = None
        self.history = []
        self._latest = {}
        self._first_epoch = None

    def _check(self, epoch: float) -> GradientReport:
        model = inference_model(self.model)
        report = check_gradients(model, *self._batch, build=self.build, seed=self.seed)
        self.report, error = report, float(report.relative_error)
        self._latest = {
            "gradient_relative_error": error if math.isfinite(error) else math.inf,
            "gradient_check_epoch": epoch,
        }
        kept = [row for row in self.history if row["epoch"] != int(epoch)]
        self.history = [*kept, {"epoch": int(epoch), "ok": report.ok, **self._latest}]
        if not report.ok:
            self._fail(report, epoch)
        return report

    def _fail(self, report: GradientReport, epoch: float) -> None:
        if self.on_failure == "raise":
            report.raise_if_wrong()
        self.model.stop_training |= self.on_failure == "stop"
        when = "before the first step" if epoch == BEFORE else f"epoch {int(epoch) + 1}"
        warnings.warn(f"GradientCheck, {when}: {report.summary()}", stacklevel=2)
