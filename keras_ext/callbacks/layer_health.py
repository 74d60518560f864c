"""How the signals of a network run through its layers while it trains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from keras_ext.callbacks import checks, layer_probe
from keras_ext.callbacks.fixed_batch import fixed_batch
from keras_ext.callbacks.inference_model import inference_model
from keras_ext.diagnosis.layer_health import LayerHealthReport, judge_layers
from keras_ext.diagnosis.layer_record import LayerRecord, update_ratio
from keras_ext.errors import ConfigError
from keras_ext.gradients import adapter


class LayerHealth(keras.callbacks.Callback):
    """Says whether activations and gradients vanish or explode, and which units are dead.

    One forward and backward pass on a fixed batch before the first step and after each epoch, in
    training mode (batch norm with the statistics of the batch, dropout at work), with the cost that
    ``fit`` minimises: of several outputs the sum of their losses. Weights, optimizer, metrics and
    random state stay bit for bit as they are. ``layer_health(model, x, y)`` does it without a fit.

    The verdict, "healthy", "dead", "saturated", "exploding" or "vanishing", comes from the trend
    over depth (``diagnosis.judge_layers``). Initial weights that don't suit their activation are
    named with the Keras initializer that does.

    Writes into ``logs``, all plain floats: ``activation_factor`` and ``gradient_factor`` (by what
    activations and gradients are multiplied from one hidden layer to the next, and to the one
    before; 0.8 to 1.25 is healthy; infinite while they aren't finite; left out with fewer than
    three hidden layers), ``dead_share`` and ``saturated_share`` (of ReLU units, and of outputs of
    tanh and sigmoid; of the worst hidden layer), ``update_ratio`` (RMS of the change of the weights
    a step since the last measurement, relative to that of the weights; median of the layers; about
    0.001 is usual) and ``layer_health_epoch``, counted from 0, from when they are.

    Works with Sequential, functional and subclassed models whose layers are called one by one. It
    keeps a copy of the weights to see how much they change.

    Args:
        x: inputs, an array of shape (examples, ...) or a structure of arrays.
        y: their labels, likewise.
        every: measure each so many epochs, and after the last one.
        max_examples: the size of the batch; of more examples so many are drawn.
        seed: decides which.

    Attributes:
        initial_report: the ``LayerHealthReport`` from before the first step, or None.
        report: that of the last measurement, or None.
        history: a mapping for each measured epoch: ``epoch``, ``verdict``, what is written into
            ``logs``.

    Raises:
        ConfigError: naming the argument; about the model and its layers at the start of ``fit``.
    """

    initial_report: LayerHealthReport | None
    report: LayerHealthReport | None
    history: list[dict[str, Any]]
    _latest: dict[str, float]
    _gains: list[float | None]
    _weights: list[np.ndarray | None]
    _first_epoch: int | None

    def __init__(
        self, x: Any, y: Any, *, every: int = 1, max_examples: int = 128, seed: int = 0
    ) -> None:
        super().__init__()
        self.every = checks.whole_number("every", every, 1)
        self.max_examples = checks.whole_number("max_examples", max_examples, 1)
        self.seed = checks.whole_number("seed", seed, 0)
        self._probe = fixed_batch(x, y, self.max_examples, self.seed)
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> LayerHealth:
        return checks.copy_sharing(self, memo, (*keras.tree.flatten(self._probe), self._model))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before, and measure before the first step."""
        self._start()
        model = inference_model(self.model)
        if not model.built:
            # As the first step would.
            model(keras.tree.map_structure(lambda leaf: leaf[:1], self._probe[0]))
        adapter.check_model(model, None)
        self._gains = layer_probe.initial_gains(model)
        self._weights = layer_probe.snapshot(model)
        self._steps = self._steps_now()
        self.initial_report = layer_probe.measure(model, *self._probe, gains=self._gains)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember which epoch it is; the first one need not be number 0."""
        self._first_epoch = epoch if self._first_epoch is None else self._first_epoch
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure if it is time to, and write the last measurement into ``logs``."""
        if (epoch - (self._first_epoch or 0)) % self.every == 0 or not self._latest:
            self._measure(epoch)
        if logs is not None:
            logs.update(self._latest)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Measure the last epoch, unless that is done."""
        if self._first_epoch is not None and self._latest.get("layer_health_epoch") != self._epoch:
            self._measure(self._epoch)

    def summary(self, *, console: Console | None = None) -> None:
        """Print a row for each layer, then the verdict with its reasons and what to do.

        The numbers are those of ``LayerRecord``: depth, RMS of activations and of gradients, shares
        of dead and saturated units, and update ratio.

        Raises:
            ConfigError: before anything was measured.
        """
        report = self._measured()
        console = console or Console()
        when = f"after epoch {self.history[-1]['epoch'] + 1}" if self.history else "before training"
        console.print(_table(report, when))
        console.print(report.summary(), markup=False, highlight=False)

    def plot(self) -> Any:
        """RMS of activations and gradients over depth as a matplotlib figure.

        Raises:
            ConfigError: before anything was measured.
            MissingExtraError: without matplotlib.
        """
        report = self._measured()
        from keras_ext.reports import figures

        return figures.layer_signals(report.layers)

    def get_state(self) -> dict[str, Any]:
        """What a resumed run must know."""
        reports = {"initial": self.initial_report, "last": self.report}
        return {
            "history": [dict(row) for row in self.history],
            "latest": dict(self._latest),
            "first_epoch": self._first_epoch,
            "steps": self._steps,
            "gains": list(self._gains),
            "weights": list(self._weights),
            "reports": {
                name: report and [asdict(layer) for layer in report.layers]
                for name, report in reports.items()
            },
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what ``get_state`` gave; after ``on_train_begin``."""
        self.history = [dict(row) for row in state["history"]]
        self._latest = dict(state["latest"])
        self._first_epoch = state["first_epoch"]
        self._steps, self._gains = state["steps"], list(state["gains"])
        self._weights = list(state["weights"])
        self.initial_report, self.report = (
            layers and judge_layers([LayerRecord(**layer) for layer in layers])
            for layers in (state["reports"]["initial"], state["reports"]["last"])
        )

    def _start(self) -> None:
        self.initial_report = None
        self.report = None
        self.history = []
        self._latest = {}
        self._gains = []
        self._weights = []
        self._steps = 0
        self._first_epoch = None
        self._epoch = 0

    def _measure(self, epoch: int) -> None:
        model, before, steps = inference_model(self.model), self._weights, self._steps
        self._weights, self._steps = layer_probe.snapshot(model), self._steps_now()
        updates = [
            None if old is None or new is None else update_ratio(old, new, self._steps - steps)
            for old, new in zip(before, self._weights, strict=True)
        ]
        self.report = layer_probe.measure(model, *self._probe, gains=self._gains, updates=updates)
        self._latest = _logs(self.report) | {"layer_health_epoch": float(epoch)}
        row = {"epoch": epoch, "verdict": self.report.verdict, **self._latest}
        self.history = [*(old for old in self.history if old["epoch"] != epoch), row]

    def _steps_now(self) -> int:
        return int(getattr(self.model.optimizer, "iterations", 0))

    def _measured(self) -> LayerHealthReport:
        report = self.report or self.initial_report
        if report is None:
            raise ConfigError("nothing is measured yet: pass LayerHealth to fit first")
        return report


def _logs(report: LayerHealthReport) -> dict[str, float]:
    found = {
        "activation_factor": report.activation_factor,
        "gradient_factor": report.gradient_factor,
        "dead_share": report.dead_share,
        "saturated_share": report.saturated_share,
        "update_ratio": report.update_ratio or 0.0,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _table(report: LayerHealthReport, when: str) -> Table:
    table = Table(title=when)
    numbers = ("depth", "RMS", "gradient", "dead", "saturated", "update")
    for heading in ("layer", "", *numbers):
        table.add_column(heading, justify="right" if heading in numbers else "left")
    for layer in report.layers:
        table.add_row(layer.name, layer.activation, *_cells(layer))
    return table


def _cells(layer: LayerRecord) -> Iterable[str]:
    shares = (layer.dead_share, layer.saturated_share)
    ratio = layer.update_ratio
    return (
        str(layer.depth),
        f"{layer.activation_rms:.2g}",
        f"{layer.gradient_rms:.2g}",
        *("" if share is None else f"{share:.0%}" for share in shares),
        "" if ratio is None else f"{ratio:.2g}",
    )
