"""One run as its cost and its error go, with nothing else in the way: for experiments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ext import data, models
from keras_ext.callbacks import measure
from keras_ext.data.epoch_number import EpochNumber
from keras_ext.errors import DivergedError
from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.iteration_cost import IterationCost
from keras_ext.training.round import Builder, Maker, batch_size, compiled_model


@dataclass(frozen=True)
class Course:
    """How a run went.

    Args:
        costs: array of shape (iterations,), the un-regularized cost of each mini-batch before its
            step; NaN or infinite where the run diverged.
        errors: array of shape (epochs,), the validation error after each epoch; empty where it
            wasn't asked for, and 1 where the predictions aren't finite.
        seconds: array of shape (epochs,), of the steps alone; the first epoch compiles them.
        model: as it is at the end. A maker that uses models again trains it anew for the next run.
    """

    costs: np.ndarray
    errors: np.ndarray
    seconds: np.ndarray
    model: keras.Model


def course(
    config: TrainConfig,
    train: Arrays,
    *,
    validation: Arrays | None = None,
    build: Builder = models.build,
    make: Maker = compiled_model,
    steps_per_epoch: int | None = None,
    until: float = 0.0,
    after_epoch: Callable[[keras.Model], None] = lambda model: None,
) -> Course:
    """Train, and keep the cost of each iteration and the validation error after each epoch.

    ``run`` measures both errors with intervals, shows progress and refuses a run that diverges.
    This is for many short runs that are compared with each other, where divergence is a result.

    Args:
        config: what to train.
        train: the training examples.
        validation: examples with class numbers, to measure the error on.
        build: makes the uncompiled model, see ``models.build``.
        make: gives the compiled model: a ``CompiledModels`` compiles once for many runs.
        steps_per_epoch: iterations that count as one of ``config.epochs``; None for those of one
            pass over the examples. With full batches a pass is a single one, and costs more time
            around the step than in it.
        until: stop after the first epoch whose validation error is below this.
        after_epoch: is called with the model after each epoch, outside the time that is taken.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(64, 2)).astype("float32")
    >>> arrays = Arrays(x, (x[:, 0] > 0).astype("int32"))
    >>> config = TrainConfig(model="mlp", units=4, layers=1, batch_size=16, epochs=3)
    >>> found = course(config, arrays, validation=arrays)
    >>> found.costs.shape, found.errors.shape, found.seconds.shape
    ((12,), (3,), (3,))
    """
    batches = data.training_batches(
        train,
        batch_size=batch_size(config, train),
        augmentation=config.augmentation,
        placement="host",
        seed=config.seed,
    )
    model, cost = make(config, train, build=build, steps=steps_per_epoch)
    watch = _Watch(cost, validation, until, after_epoch)
    how: dict[str, Any] = {"epochs": config.epochs, "verbose": 0, "shuffle": False}
    if steps_per_epoch is None:
        model.fit(batches, callbacks=[EpochNumber(batches), watch], **how)
    else:
        how["steps_per_epoch"] = steps_per_epoch
        model.fit(batches.repeat(), callbacks=[watch], **how)
    costs = [cost for epoch in watch.costs for cost in epoch]
    return Course(np.array(costs), np.array(watch.errors), np.array(watch.seconds), model)


def _error(model: keras.Model, validation: Arrays) -> float:
    """The error of the model as it is; 1 where it has diverged."""
    try:
        return measure(model, (validation.x, validation.y))[0].error
    except DivergedError:
        return 1.0


class _Watch(keras.callbacks.Callback):
    """Notes costs, errors and seconds of each epoch, and stops at the target."""

    def __init__(
        self,
        cost: IterationCost,
        validation: Arrays | None,
        until: float,
        after_epoch: Callable[[keras.Model], None],
    ) -> None:
        super().__init__()
        self.cost, self.validation = cost, validation
        self.until, self.after_epoch = until, after_epoch
        self.costs: list[tuple[float, ...]] = []
        self.errors: list[float] = []
        self.seconds: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.costs.append(self.cost.costs())
        self.seconds.append(time.perf_counter() - self._began)
        if self.validation is not None:
            self.errors.append(_error(self.model, self.validation))
            self.model.stop_training = self.errors[-1] < self.until
        self.after_epoch(self.model)
