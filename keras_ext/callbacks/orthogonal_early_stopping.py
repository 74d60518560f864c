"""Stopping that keeps the two axes apart: optimizing the cost, and not overfitting."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import keras
import numpy as np
from rich.console import Console

from keras_ext.callbacks import checks, losses, model_knobs, turning
from keras_ext.callbacks.bias_variance import BiasVariance
from keras_ext.callbacks.outputs import Output
from keras_ext.callbacks.turning import Choice
from keras_ext.callbacks.two_axes import TwoAxes
from keras_ext.diagnosis import Setting
from keras_ext.diagnosis.stopping import StoppingReport, Turn
from keras_ext.errors import ConfigError
from keras_ext.regularization import Knob, knobs

RESTORE = ("last", "best_validation")
MONITOR = ("error", "cost")
COLUMNS = ("train_cost", "validation_cost", "validation_error")


class OrthogonalEarlyStopping(keras.callbacks.Callback):
    """Ends training when the cost is optimized, and never because of the validation error.

    Conventional early stopping turns two knobs at once: it fights overfitting by not optimizing the
    cost. Here the clean, un-regularized training cost alone decides when to stop: it has converged
    (``diagnosis.convergence`` says how that is judged, robust against noise and with regard to
    a falling learning rate) or diverged. The validation error is watched: once it has been
    significantly above its best for ``patience`` epochs, where early stopping would give up, one
    variance knob may be turned instead, and training goes on.

    After a turn, also one by somebody else, both judgements begin anew. Another notch is turned
    only when the validation error has again been significantly above its best for ``patience``
    epochs, the best since that turn: what was turned has had the time to act, and the same
    overfitting turns nothing twice. A knob is left alone as long as its last turn has brought no
    validation error below all before.

    Put it after the BiasVariance it reads. It writes plain floats into ``logs``:
    ``cost_improvement`` (relative fall of the training cost over ``patience`` epochs; infinite at
    first, minus infinite once diverged), ``validation_above_best`` and ``knob_turns``, and what
    BiasVariance writes if it was given data. A plateau before a drop of the learning rate that is
    still to come can't be told from the end: choose a patience that outlasts it.

    Args:
        train: a ``BiasVariance`` that stands before it in the list, so that nothing is measured
            twice; or clean training examples, ``(x, y)`` or a finite data set of batches.
        validation: the validation examples, likewise; None with a BiasVariance.
        patience: epochs over which the training cost must improve, and for which the validation
            error must be above its best to count as overfitting.
        min_delta: the smallest improvement over ``patience`` epochs, relative to the training cost.
        monitor: what is watched for overfitting, of the validation examples: "error", or "cost",
            which rises earlier, as soon as a model grows too sure of its mistakes.
        restore: whose weights the model has at the end: "last", or "best_validation", the epoch
            with the lowest finite validation error (cost, among equal ones). Copies are kept in
            memory of all weights, also those that aren't trained: batch statistics, and the knobs'
            strengths of that epoch. Optimizer and random state stay those of the last epoch.
        on_overfitting: what to turn by one notch: None for nothing; "turn" for the first remedy
            that is a live knob of the model; the name of a knob; or a function that is given the
            ``Overfitting`` found and returns the name of a knob, or None.

    Attributes:
        history: a mapping for each measured epoch: ``epoch``, both costs, the validation error,
            ``learning_rate`` (their mean since the measurement before), and what it writes.
        turns: the knobs turned, each with epoch, knob, before and after.
        report: a ``StoppingReport``; ``summary()`` prints it.

    Raises:
        ConfigError: naming the argument and the value received; at the start of ``fit`` for a model
            without a loss or without the knob to turn.
    """

    _knobs: dict[str, Knob]
    _settings: Mapping[str, Any]
    _rates: list[float]
    _seen: dict[str, Any] | None
    _weights: list[np.ndarray]

    def __init__(
        self,
        train: Any = None,
        validation: Any = None,
        *,
        patience: int = 5,
        min_delta: float = 0.01,
        monitor: str = "error",
        restore: str = "last",
        on_overfitting: Choice = None,
    ) -> None:
        super().__init__()
        self._owns = not isinstance(train, BiasVariance)
        self._watch = _watch(train, validation)
        self.patience = checks.whole_number("patience", patience, 1)
        self.min_delta = checks.not_negative("min_delta", min_delta)
        self.monitor = checks.one_of("monitor", monitor, MONITOR)
        self.restore = checks.one_of("restore", restore, RESTORE)
        self.on_overfitting = turning.check(on_overfitting)
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> OrthogonalEarlyStopping:
        shared = (self._model, self.on_overfitting, *self._knobs.values())
        return checks.copy_sharing(self, memo, shared)

    def set_model(self, model: Any) -> None:
        """Keep the model, also for the measurement."""
        super().set_model(model)
        if self._owns:
            self._watch.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        """Keep what ``fit`` says about itself, also for the measurement."""
        super().set_params(params)
        if self._owns:
            self._watch.set_params(params)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before, and check that there is something to judge and to turn."""
        self._start()
        if losses.compiled_loss(self.model, self._output()) is None:
            raise ConfigError(
                "OrthogonalEarlyStopping judges the training cost: compile the model with a loss"
            )
        if self._owns:
            self._watch.on_train_begin()
        elif self._watch.model is not self.model:
            raise ConfigError(
                "the BiasVariance given to OrthogonalEarlyStopping must be in the list of callbacks"
                " too, before it"
            )
        self._knobs = knobs(self.model)
        self._settings = self._watch.knobs or _settings(self.model)
        turning.require(self.on_overfitting, self._knobs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the learning rate."""
        self._began_with = _learning_rate(self.model)
        if self._owns:
            self._watch.on_epoch_begin(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Judge both axes; turn a knob, or stop."""
        logs = {} if logs is None else logs
        self._rates.append((self._began_with + _learning_rate(self.model)) / 2)
        if self._owns:
            self._watch.on_epoch_end(epoch, logs)
        row = _row(logs)
        self._notice(epoch)
        if logs["measured_epoch"] == epoch:
            self._judge(epoch, row)
            turned = self._turn(epoch)
            if not turned and self._axes.convergence.verdict != "converging":
                self._axes.stopped = self.model.stop_training = True
        self._seen = self._live()
        self._axes.follow(epoch, row[f"validation_{self.monitor}"])
        logs.update(self._axes.written())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take in what BiasVariance measured at the end; bring back the best weights."""
        late = self._watch.history[-1] if self._watch.history else {"epoch": -1}
        if self.history and late["epoch"] > self.history[-1]["epoch"]:
            self._judge(int(late["epoch"]), _row(late))
        self._knobs = {}
        if self._weights:
            self.model.set_weights(self._weights)

    @property
    def history(self) -> list[dict[str, float]]:
        """A mapping for each measured epoch."""
        return self._axes.rows

    @property
    def turns(self) -> list[Turn]:
        """The knobs that were turned."""
        return self._axes.turns

    @property
    def report(self) -> StoppingReport:
        """Both axes of the run so far, and what early stopping would have done.

        Raises:
            ConfigError: before anything was measured.
        """
        if not self.history:
            raise ConfigError("nothing is measured yet: pass OrthogonalEarlyStopping to fit first")
        return self._axes.report(restored=self.restore == "best_validation")

    def summary(self, *, console: Console | None = None) -> None:
        """Print the report.

        Raises:
            ConfigError: before anything was measured.
        """
        (console or Console()).print(self.report.summary(), markup=False, highlight=False)

    def get_state(self) -> dict[str, Any]:
        """What a resumed run must know: plain values and arrays."""
        own = {"rates": self._rates, "seen": self._seen, "weights": self._weights}
        return {**self._axes.get_state(), **own}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where ``get_state`` was called; after ``on_train_begin``."""
        self._axes.set_state(state, self._strengths())
        self._rates = list(state["rates"])
        seen = state["seen"]
        self._seen = None if seen is None else {name: tuple(seen[name]) for name in seen}
        self._weights = [np.asarray(item) for item in state["weights"]]

    def _start(self) -> None:
        self._axes = TwoAxes(patience=self.patience, min_delta=self.min_delta, monitor=self.monitor)
        self._knobs = {}
        self._settings = {}
        self._rates = []
        self._seen = None
        self._began_with = nan
        self._weights = []

    def _output(self) -> Output:
        return Output.of_model(self.model, self._watch.output)

    def _judge(self, epoch: int, row: Mapping[str, float]) -> None:
        rates, self._rates = self._rates or [nan], []
        row = {"epoch": epoch, **row, "learning_rate": sum(rates) / len(rates)}
        model, measured = self.model, self._watch.measured.get("validation")
        best = self._axes.add(row, measured, self._strengths())
        if best and self.restore == "best_validation":
            self._weights = [np.array(weight.numpy()) for weight in model.weights]

    def _live(self) -> dict[str, tuple[float, ...]]:
        """The value of each knob in each layer."""
        values = {name: np.ravel(knob.value).tolist() for name, knob in self._knobs.items()}
        return {name: tuple(value) for name, value in values.items()}

    def _notice(self, epoch: int) -> None:
        """Judge anew where another callback or the user has turned a knob since the last epoch."""
        if self._seen not in (None, self._live()):
            self._axes.begin_anew(epoch)

    def _strengths(self) -> dict[str, Any]:
        """The knobs there are and their values at present."""
        return {**self._settings, **{name: knob.value for name, knob in self._knobs.items()}}

    def _turn(self, epoch: int) -> bool:
        """Turn one knob by one notch, if it is time to."""
        last = (self.params or {}).get("epochs") == epoch + 1  # Nothing would train with it.
        if last or not self._axes.may_turn():
            return False
        spent, found = self._axes.of_no_use(), self._axes.overfitting
        turned = turning.turn(self.on_overfitting, found, self._knobs, spent)
        if turned is not None:
            self._axes.turned(Turn(epoch, *turned))
        return turned is not None


def _watch(train: Any, validation: Any) -> BiasVariance:
    if not isinstance(train, BiasVariance):
        return BiasVariance(train, validation)
    if validation is not None:
        raise ConfigError(
            f"validation must be None with a BiasVariance, got validation={validation!r}"
        )
    return train


def _settings(model: Any) -> dict[str, Setting]:
    """Knobs that are not live: strengths in stock layers, and augmentation of images."""
    images = any(len(tensor.shape) == 4 for tensor in getattr(model, "inputs", None) or ())
    return model_knobs.settings(model, epochs=None, rate=Setting(None), images=images)


def _row(logs: Mapping[str, Any]) -> dict[str, float]:
    missing = [name for name in (*COLUMNS, "measured_epoch") if name not in logs]
    if missing:
        raise ConfigError(
            f"OrthogonalEarlyStopping found no {missing[0]} in logs: put the BiasVariance given to"
            " it before it in the list of callbacks"
        )
    return {name: float(logs[name]) for name in COLUMNS}


def _learning_rate(model: Any) -> float:
    """The rate at this step, also of a schedule; NaN where the optimizer has none."""
    return float(getattr(model.optimizer, "learning_rate", nan))
