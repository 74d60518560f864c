"""Bias and variance of a model while it trains, measured honestly."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import keras
from rich.console import Console

from keras_ext.callbacks import checks, losses, model_knobs, outputs, readings
from keras_ext.callbacks.examples import Examples, check
from keras_ext.callbacks.measure import (
    BATCH_SIZE,
    ErrorFunction,
    Measured,
    check_error,
    meaning,
    measure_each,
    warn_of_classes,
)
from keras_ext.callbacks.on_device import OnDevice
from keras_ext.callbacks.outputs import Output
from keras_ext.callbacks.samples import Drawn, Samples, draw
from keras_ext.diagnosis import Diagnosis, ErrorEstimate, Setting, diagnose
from keras_ext.errors import ConfigError, DivergedError


class BiasVariance(keras.callbacks.Callback):
    """Says after each epoch how large the avoidable bias and the variance are, and what to turn.

    Keras's own ``loss`` is a running mean in training mode while the weights move, and contains
    the regularization penalty; comparing it with ``val_loss`` tells neither bias nor variance. Here
    both errors are measured at the same weights, in inference mode, on a fixed sample of
    examples. Weights, optimizer, metrics and random state stay bit for bit as they are.

    On an accelerator samples of arrays, up to 2 GiB, are copied there once for the whole ``fit``;
    after that predictions alone cross the bus.

    Put it before the callbacks that read what it writes into ``logs`` (with ``mode="min"``, which
    Keras can't tell from the names), all plain floats:
    ``train_error``, ``validation_error``, ``avoidable_bias`` (train error minus optimal error),
    ``variance`` (validation error minus train error), ``train_cost`` and ``validation_cost`` (the
    mean compiled loss without regularization; left out for a model without a loss) and
    ``measured_epoch``, counted from 0. With ``train_validation``, variance is its error minus that
    of train, and ``train_validation_error``, ``train_validation_cost`` and ``mismatch`` (validation
    error minus its error) are there too. All but ``measured_epoch`` are infinite, with a warning,
    while predictions aren't finite.

    Args:
        train: clean training examples, ``(x, y)``, ``(x, y, sample_weight)`` or a data set of
            batches that has an end, without augmentation and not shuffled by the object that
            ``fit`` reads. Sample weights are left out: all examples count the same. A data set is
            read once from beginning to end, when the first fit begins, for a fair sample; at most
            twice ``max_examples`` of it are in memory. Where that takes too long, give a part.
        validation: the validation examples, likewise.
        train_validation: examples distributed like the training examples but not trained on,
            likewise. They tell variance from a mismatch between training and validation examples.
        error: "auto" for 0/1 errors with cross-entropies (multi-label: all labels right) and
            squared errors otherwise, or a function of arrays (y_true, y_pred) of shape
            (examples, ...) that gives one number for each example.
        output: of a model with several, the one that counts: its name, or its place from 0. Labels
            are a mapping or list of those of all outputs, or those of this one.
        optimal_error: the Bayes error or its proxy, human error, in the error's unit.
        tolerance: the smallest gap that matters, in the error's unit; 0 is significance alone.
            The default is meant for proportions: give your own for regression.
        precision: how close to the truth each error must be, plus or minus, with 95 % confidence.
            The first measurement sets the sizes of the samples by it. With None, validation is
            taken whole, and of train as many examples as of validation or 5,000, whichever is more.
        max_examples: the most examples of each sample, whatever the precision.
        every: measure each so many epochs, and after the last one.
        batch_size: examples a call of the model.
        knobs: hyperparameters that can be turned and their values, for concrete remedies; None
            reads them off the model, its optimizer and ``fit``.

    Attributes:
        train_estimate, validation_estimate, train_validation_estimate, diagnosis: of the last
            measurement, or None.
        measured: by "train" and "validation", the error and cost of each example of the sample when
            last measured; empty before, and while predictions aren't finite.
        history: a mapping for each measured epoch: ``epoch``, what is written into ``logs``, and
            the 95 % limits ``train_low``, ``train_high``, ``validation_low`` and so on.

    Raises:
        ConfigError: naming the argument; about the data's content at the start of ``fit``.
    """

    def __init__(
        self,
        train: Any,
        validation: Any,
        *,
        train_validation: Any = None,
        error: str | ErrorFunction = "auto",
        output: str | int | None = None,
        optimal_error: float = 0.0,
        tolerance: float = 0.005,
        precision: float | None = None,
        max_examples: int = 10_000,
        every: int = 1,
        batch_size: int = BATCH_SIZE,
        knobs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_error(error, "any")
        self.error = error
        self.output = outputs.check(output)
        self.optimal_error = checks.not_negative("optimal_error", optimal_error)
        self.tolerance = checks.not_negative("tolerance", tolerance)
        self.precision = None if precision is None else checks.positive("precision", precision)
        self.max_examples = checks.whole_number("max_examples", max_examples, 1)
        self.every = checks.whole_number("every", every, 1)
        self.batch_size = checks.whole_number("batch_size", batch_size, 1)
        self.knobs = checks.of_type("knobs", knobs, (Mapping, type(None)), "a mapping or None")
        data = {"train": train, "validation": validation, "train_validation": train_validation}
        self._samples = Samples(data, self.max_examples, self.precision)
        self._start()

    def _start(self) -> None:
        self.diagnosis: Diagnosis | None = None
        self.history: list[dict[str, float]] = []
        self.measured: dict[str, Measured] = {}
        self._samples.forget()
        self._estimates: dict[str, ErrorEstimate] = {}
        self._latest: dict[str, float] = {}
        self._rate = Setting(None)
        self._first_epoch: int | None = None
        self._epoch = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> BiasVariance:
        shared = (*self._samples.shared(), self._model, self.error)
        return checks.copy_sharing(self, memo, shared)

    def share(self, drawn: Drawn) -> None:
        """Measure the samples that others have drawn of the same data, or draw them for others.

        Args:
            drawn: what they share; on an accelerator the samples stay there as long as it lives.
        """
        self._samples.share(drawn)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before, and check the data against the model."""
        self._start()
        check_error(self.error, self._loss())
        self._samples.draw(self._output())
        if self.error == "auto":
            warn_of_classes(self._samples.pools["train"].y, self._loss())
        self._rate = model_knobs.learning_rate(self.model)
        self._samples.try_first(self.batch_size, self._estimate)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember which epoch it is; the first one need not be number 0."""
        self._first_epoch = epoch if self._first_epoch is None else self._first_epoch
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure if it is time to, and write the last measurement into ``logs``."""
        if (epoch - (self._first_epoch or 0)) % self.every == 0 or not self._latest:
            self.measure_now()
        if logs is not None:
            logs.update(self._latest)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Measure the last epoch, unless that is done."""
        if self._first_epoch is not None and self._latest.get("measured_epoch") != self._epoch:
            self.measure_now()
        self._samples.release()

    def measure_now(self, model: Any = None) -> None:
        """Measure with the weights as they are, for the epoch that ended or was interrupted last.

        A model is needed only when ``fit`` was never called with this callback.
        """
        if model is not None:
            self.set_model(model)
        self._samples.draw(self._output())
        self._measure(self._epoch)

    def open_test(self, test: Any) -> Diagnosis:
        """Measure the test set too, and say whether choices were over-tuned to validation.

        Call it once, when all choices are made: an error that is looked at each epoch becomes one
        that choices are fitted to, a second validation error. All errors are measured with the
        weights as they are now; nothing is kept.

        Args:
            test: all test examples, as arrays or a data set of batches.

        Raises:
            ConfigError: for data that can't be used, or before anything was measured.
            DivergedError: while predictions aren't finite.
        """
        self._latest_diagnosis()
        examples = draw(check(test, "test"), "test", self._output(), most=None)
        samples = {**self._samples.chosen, "test": examples}
        return self._diagnose({name: self._estimate(part) for name, part in samples.items()})

    def summary(self, *, console: Console | None = None) -> None:
        """Print the errors with their intervals, then the diagnosis in words.

        Raises:
            ConfigError: before anything was measured.
        """
        diagnosis = self._latest_diagnosis()
        title = f"after epoch {self.history[-1]['epoch'] + 1}"
        console = console or Console()
        error = meaning(self.error, self._loss())
        console.print(readings.table(self._estimates, self.optimal_error, title, error))
        console.print(diagnosis.summary(), markup=False, highlight=False)

    def plot(self) -> Any:
        """Learning curves of both errors as a matplotlib figure.

        Raises:
            ConfigError: before anything was measured.
            MissingExtraError: without matplotlib.
        """
        self._latest_diagnosis()
        from keras_ext.reports import figures

        return figures.learning_curves(
            self.history,
            optimal_error=self.optimal_error,
            proportion=all(estimate.proportion for estimate in self._estimates.values()),
        )

    def get_state(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {
            "history": [dict(row) for row in self.history],
            "latest": dict(self._latest),
            "first_epoch": self._first_epoch,
            "epoch": self._epoch,
            "estimates": {name: dataclasses.asdict(e) for name, e in self._estimates.items()},
            "sizes": self._samples.sizes(),
            "learning_rate": dataclasses.asdict(self._rate),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where ``get_state`` was called; between ``on_train_begin`` and the first epoch."""
        self.history = [dict(row) for row in state["history"]]
        self._latest = dict(state["latest"])
        self._first_epoch, self._epoch = state["first_epoch"], state["epoch"]
        self._estimates = {name: ErrorEstimate(**e) for name, e in state["estimates"].items()}
        self._samples.resize(state["sizes"])
        self._rate = Setting(**state["learning_rate"])
        self.diagnosis = self._diagnose(self._estimates) if self._estimates else None

    @property
    def train_estimate(self) -> ErrorEstimate | None:
        """The error on the sample of training examples when last measured."""
        return self._estimates.get("train")

    @property
    def validation_estimate(self) -> ErrorEstimate | None:
        """The error on the sample of validation examples when last measured."""
        return self._estimates.get("validation")

    @property
    def train_validation_estimate(self) -> ErrorEstimate | None:
        """The error on the train-validation sample, where there is one."""
        return self._estimates.get("train_validation")

    def _output(self) -> Output:
        return Output.of_model(self.model, self.output)

    def _loss(self) -> Any:
        return losses.compiled_loss(self.model, self._output())

    def _each(self, examples: Examples, device: OnDevice | None = None) -> Measured:
        how: dict[str, Any] = {"error": self.error, "output": self.output, "device": device}
        return measure_each(self.model, examples, batch_size=self.batch_size, **how)

    def _estimate(self, examples: Examples) -> ErrorEstimate:
        return self._each(examples).estimate

    def _measure(self, epoch: int) -> None:
        self.measured = {}
        self.history = [row for row in self.history if row["epoch"] != epoch]
        at = {"measured_epoch": float(epoch)}
        try:
            samples = self._samples.sized(self._estimate)
            device = self._samples.drawn.device
            each = {name: self._each(examples, device) for name, examples in samples.items()}
        except DivergedError as problem:
            warnings.warn(f"BiasVariance, epoch {epoch + 1}: {problem}", stacklevel=2)
            self._latest = readings.infinite(self._samples.data, costs=bool(self._loss())) | at
            return
        self.measured = each
        self._estimates = {name: part.estimate for name, part in each.items()}
        self.diagnosis = self._diagnose(self._estimates, each["train"].cost)
        self._latest = readings.written(each, self.diagnosis) | at
        self.history.append({"epoch": epoch, **self._latest, **readings.limits(self._estimates)})

    def _diagnose(self, estimates: readings.Estimates, cost: float | None = None) -> Diagnosis:
        """From these errors, and the costs of the epochs so far; ``cost`` is that of this one."""
        costs = [row["train_cost"] for row in self.history if "train_cost" in row]
        return diagnose(
            estimates["train"],
            estimates["validation"],
            train_validation=estimates.get("train_validation"),
            test=estimates.get("test"),
            optimal_error=self.optimal_error,
            tolerance=self.tolerance,
            knobs=self._settings() if self.knobs is None else self.knobs,
            costs=costs if cost is None else [*costs, cost],
        )

    def _settings(self) -> dict[str, Setting]:
        inputs = keras.tree.flatten(self._samples.pools["train"].x)
        return model_knobs.settings(
            self.model,
            epochs=(self.params or {}).get("epochs"),
            rate=self._rate,
            images=any(leaf.ndim == 4 for leaf in inputs),
        )

    def _latest_diagnosis(self) -> Diagnosis:
        if self.diagnosis is None:
            raise ConfigError("nothing is measured yet: pass BiasVariance to fit first")
        return self.diagnosis
