"""Bias and variance of a model while it trains, measured honestly."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import inf
from typing import Any

import keras
from rich.console import Console
from rich.table import Table

from keras_ext.callbacks import checks, losses
from keras_ext.callbacks.examples import Examples, check, read
from keras_ext.callbacks.measure import BATCH_SIZE, ErrorFunction, check_error, measure
from keras_ext.diagnosis import Diagnosis, ErrorEstimate, diagnose
from keras_ext.errors import ConfigError, DivergedError

LEAST_TRAIN_EXAMPLES = 5_000

SPLITS = ("train", "validation")


class BiasVariance(keras.callbacks.Callback):
    """Says after each epoch how large the avoidable bias and the variance are, and what to turn.

    Keras's own ``loss`` is a running mean in training mode while the weights move, and contains
    the regularization penalty; comparing it with ``val_loss`` tells neither bias nor variance. Here
    both errors are measured at the same weights, in inference mode, on a fixed sample of
    examples. Weights, optimizer, metrics and random state stay bit for bit as they are.

    Put it before the callbacks that read what it writes into ``logs`` (with ``mode="min"``, which
    Keras can't tell from the names), all plain floats:
    ``train_error``, ``validation_error``, ``avoidable_bias`` (train error minus optimal error),
    ``variance`` (validation error minus train error), ``train_cost`` and ``validation_cost`` (the
    mean compiled loss without regularization; left out for a model without a loss) and
    ``measured_epoch``, counted from 0. All but the last are infinite, with a warning, while
    predictions aren't finite.

    Args:
        train: clean training examples, ``(x, y)``, ``(x, y, sample_weight)`` or a finite data set
            of batches, without augmentation and not shuffled by the object that ``fit`` reads.
            Sample weights are left out: all examples count the same. A data set is read once,
            at the first fit, up to ``max_examples``.
        validation: the validation examples, likewise.
        error: "auto" for 0/1 errors with cross-entropies (multi-label: all labels right) and
            squared errors otherwise, or a function of arrays (y_true, y_pred) of shape
            (examples, ...) that gives one number for each example.
        optimal_error: the Bayes error or its proxy, human error, in the error's unit.
        tolerance: the smallest gap that matters, in the error's unit; 0 is significance alone.
            The default is meant for proportions: give your own for regression.
        every: measure each so many epochs, and after the last one.
        max_examples: the most examples of each sample. The one of train is stratified, and as
            large as that of validation or 5,000, whichever is more.
        batch_size: examples a call of the model.
        seed: decides the samples.
        knobs: hyperparameters that can be turned and their values, for concrete remedies.

    Attributes:
        train_estimate, validation_estimate: ``ErrorEstimate`` of the last measurement, or None.
        diagnosis: ``Diagnosis`` of the last measurement, or None.
        history: a mapping for each measured epoch: ``epoch``, what is written into ``logs``, and
            the limits ``train_low``, ``train_high``, ``validation_low``, ``validation_high``.

    Raises:
        ConfigError: naming the argument; about the data's content at the start of ``fit``.
    """

    diagnosis: Diagnosis | None
    history: list[dict[str, float]]
    _first_epoch: int | None
    _epoch: int

    def __init__(
        self,
        train: Any,
        validation: Any,
        *,
        error: str | ErrorFunction = "auto",
        optimal_error: float = 0.0,
        tolerance: float = 0.005,
        every: int = 1,
        max_examples: int = 10_000,
        batch_size: int = BATCH_SIZE,
        seed: int = 0,
        knobs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._data = {"train": check(train, "train"), "validation": check(validation, "validation")}
        check_error(error, "any")
        self.error = error
        self.optimal_error = checks.not_negative("optimal_error", optimal_error)
        self.tolerance = checks.not_negative("tolerance", tolerance)
        self.every = checks.whole_number("every", every, 1)
        self.max_examples = checks.whole_number("max_examples", max_examples, 1)
        self.batch_size = checks.whole_number("batch_size", batch_size, 1)
        self.seed = checks.whole_number("seed", seed, 0)
        self.knobs = checks.of_type("knobs", knobs, (Mapping, type(None)), "a mapping or None")
        self._samples: dict[str, Examples] = {}
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> BiasVariance:
        arrays = [part for sample in self._samples.values() for part in (sample.x, sample.y)]
        parts = [part for data in self._data.values() if isinstance(data, tuple) for part in data]
        shared = (*self._data.values(), *parts, *arrays, self._model, self.error)
        return checks.copy_sharing(self, memo, shared)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before, and check the data against the model."""
        self._start()
        check_error(self.error, losses.compiled_loss(self.model))
        self._samples = self._samples or self._sampled()

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

    def measure_now(self, model: Any = None) -> None:
        """Measure with the weights as they are, for the epoch that ended or was interrupted last.

        Args:
            model: needed only when ``fit`` was never called with this callback.
        """
        if model is not None:
            self.set_model(model)
        self._samples = self._samples or self._sampled()
        self._measure(self._epoch)

    def summary(self, *, console: Console | None = None) -> None:
        """Print both errors with their intervals, then the diagnosis in words.

        Raises:
            ConfigError: before anything was measured.
        """
        diagnosis = self._measured()
        epoch = self.history[-1]["epoch"]
        table = Table("", "error", "95 % interval", "examples", title=f"after epoch {epoch + 1}")
        for name, estimate in zip(SPLITS, self._estimates.values(), strict=True):
            low, high = estimate.interval()
            interval = f"{low:.4g} to {high:.4g}"
            table.add_row(name, f"{estimate.error:.4g}", interval, f"{estimate.count:,}")
        table.add_row("optimal", f"{self.optimal_error:.4g}", "as given", "")
        console = console or Console()
        console.print(table)
        console.print(diagnosis.summary(), markup=False, highlight=False)

    def plot(self) -> Any:
        """Learning curves of both errors as a matplotlib figure.

        Raises:
            ConfigError: before anything was measured.
            MissingExtraError: without matplotlib.
        """
        self._measured()
        from keras_ext.reports import figures

        return figures.learning_curves(
            self.history,
            optimal_error=self.optimal_error,
            proportion=all(estimate.proportion for estimate in self._estimates.values()),
        )

    @property
    def train_estimate(self) -> ErrorEstimate | None:
        """The error on the sample of training examples when last measured."""
        return self._estimates.get("train")

    @property
    def validation_estimate(self) -> ErrorEstimate | None:
        """The error on the sample of validation examples when last measured."""
        return self._estimates.get("validation")

    def _start(self) -> None:
        self.diagnosis = None
        self.history = []
        self._estimates: dict[str, ErrorEstimate] = {}
        self._latest: dict[str, float] = {}
        self._first_epoch = None
        self._epoch = 0

    def _sampled(self) -> dict[str, Examples]:
        limit = self.max_examples
        train, validation = (read(self._data[name], name, limit) for name in SPLITS)
        validation = validation.sample(limit, self.seed)
        count = min(limit, max(len(validation), LEAST_TRAIN_EXAMPLES))
        return {"train": train.sample(count, self.seed), "validation": validation}

    def _measure(self, epoch: int) -> None:
        model, found, costs = self.model, {}, {}
        self.history = [row for row in self.history if row["epoch"] != epoch]
        try:
            for name, sample in self._samples.items():
                found[name], cost = measure(
                    model, sample, error=self.error, batch_size=self.batch_size
                )
                if cost is not None:
                    costs[f"{name}_cost"] = cost
        except DivergedError as problem:
            warnings.warn(f"BiasVariance, epoch {epoch + 1}: {problem}", stacklevel=2)
            self._latest = self._infinite(epoch, model)
            return
        self._estimates = found
        self.diagnosis = diagnose(
            found["train"],
            found["validation"],
            optimal_error=self.optimal_error,
            tolerance=self.tolerance,
            knobs=self.knobs,
        )
        errors = {f"{name}_error": estimate.error for name, estimate in found.items()}
        gaps = {
            "avoidable_bias": self.diagnosis.avoidable_bias.value,
            "variance": self.diagnosis.variance.value,
        }
        self._latest = errors | gaps | costs | {"measured_epoch": float(epoch)}
        self.history.append({"epoch": epoch, **self._latest, **_limits(found)})

    def _infinite(self, epoch: int, model: Any) -> dict[str, float]:
        keys = ["train_error", "validation_error", "avoidable_bias", "variance"]
        if losses.compiled_loss(model) is not None:
            keys += ["train_cost", "validation_cost"]
        return dict.fromkeys(keys, inf) | {"measured_epoch": float(epoch)}

    def _measured(self) -> Diagnosis:
        if self.diagnosis is None:
            raise ConfigError("nothing is measured yet: pass BiasVariance to fit first")
        return self.diagnosis


def _limits(found: Mapping[str, ErrorEstimate]) -> dict[str, float]:
    limits = {}
    for name, estimate in found.items():
        limits[f"{name}_low"], limits[f"{name}_high"] = estimate.interval()
    return limits
