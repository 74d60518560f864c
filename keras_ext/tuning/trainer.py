"""One execution of a trial: a configuration trained by the training room, its state kept."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import keras

from keras_ext import data, models
from keras_ext.callbacks import layer_health, measure
from keras_ext.callbacks.samples import Drawn
from keras_ext.diagnosis import Diagnosis, ErrorEstimate, diagnose
from keras_ext.diagnosis.layer_health import LayerHealthReport
from keras_ext.errors import ConfigError
from keras_ext.files import atomic_write
from keras_ext.records import Splits, TrainConfig
from keras_ext.sweep_records import Execution
from keras_ext.training.learning_rate_range import LearningRateRange, learning_rate_range
from keras_ext.training.reuse import CompiledModels
from keras_ext.training.round import Builder, batch_size, compiled_model, train_round
from keras_ext.training.run import save_model
from keras_ext.training.turn import knob_values

OnEpoch = Callable[[int, dict[str, float]], None]
RANGE_STEPS = 100
"""Mini-batches of a learning-rate range test."""
LOOKED_AT = 128
"""Training examples on which the layers are looked at."""


class Trains(Protocol):
    """What a sweep asks of that which trains its points: ``Trainer``, or a stand-in."""

    def train(
        self, config: TrainConfig, directory: Path, *, epochs: int | None, on_epoch: OnEpoch
    ) -> Execution:
        """Train, or go on with what is in the directory."""
        ...

    def test(self, save: Path | None) -> ErrorEstimate:
        """The test error of the model that was trained last, which may be saved."""
        ...


class Trainer:
    """Trains points on the same examples; models of one structure are compiled once.

    The samples that are measured are drawn once, and stay on an accelerator between the points.

    Args:
        splits: the examples.
        build: makes the uncompiled model, see ``models.build``.
        reuse: whether compiled models are used again: True for those of ``models.build``, False
            for none, "trust" for a builder of the user's own as well (see ``CompiledModels``).
        layer_health: whether the layers are looked at when an execution ends, on some training
            examples; it leaves the model as it is, and takes some hundredths of a second.
    """

    def __init__(
        self,
        splits: Splits,
        *,
        build: Builder = models.build,
        reuse: bool | str = True,
        layer_health: bool = False,
    ) -> None:
        self.splits = splits
        self.build = build
        self.reuse = reuse
        self.layer_health = layer_health
        self.models = CompiledModels(trust=reuse == "trust")
        self._drawn = Drawn()
        self._model: keras.Model | None = None

    def train(
        self, config: TrainConfig, directory: Path, *, epochs: int | None, on_epoch: OnEpoch
    ) -> Execution:
        """Train one configuration, from the state in the directory if there is one.

        Args:
            config: what to train.
            directory: for the state after each epoch; what another configuration left there is
                removed.
            epochs: stop after so many of ``config.epochs``.
            on_epoch: is told the number of each epoch that ends, and its logs.

        Raises:
            DivergedError: when the cost, or the predictions, are not finite.
        """
        _belongs(directory, config)
        before = self.models.reused
        made, model = train_round(
            config,
            self.splits,
            build=self.build,
            callbacks=[_Told(on_epoch)],
            quiet=True,
            epochs=epochs,
            state_directory=directory,
            make=self.models if self.reuse else compiled_model,
            drawn=self._drawn,
        )
        self._model = model
        seconds = max(made.seconds, float(made.history[-1].get("seconds", 0.0)))
        return Execution(
            seed=config.seed,
            train=made.train,
            validation=made.validation,
            history=made.history,
            seconds=seconds,
            compiled=self.models.reused == before,
            train_validation=made.train_validation,
            layer_health=self._layer_health(model) if self.layer_health else None,
        )

    def learning_rate_range(self, config: TrainConfig) -> LearningRateRange:
        """A range test from the initial weights of a configuration, on clean examples."""
        train, size = self.splits.train, batch_size(config, self.splits.train)
        few = data.sample(train, min(len(train), RANGE_STEPS * size), seed=config.seed)
        model, _ = compiled_model(config, few, build=self.build)
        return learning_rate_range(
            model, (few.x, few.y), steps=RANGE_STEPS, batch_size=size, seed=config.seed
        )

    def _layer_health(self, model: keras.Model) -> LayerHealthReport | None:
        """Of the model, None for one whose layers can't be seen."""
        some = self.splits.train.take(slice(0, LOOKED_AT))
        try:
            return layer_health(model, some.x, some.y)
        except ConfigError:
            return None

    def test(self, save: Path | None) -> ErrorEstimate:
        """The test error of the model that was trained last; the model is saved, if asked for."""
        assert self._model is not None
        if save is not None:
            save_model(self._model, save)
        estimate, _ = measure(self._model, (self.splits.test.x, self.splits.test.y))
        return estimate


@contextmanager
def expecting_compilation() -> Iterator[None]:
    """Without TensorFlow's advice against compiling often: a sweep compiles once a structure."""
    logger = logging.getLogger("tensorflow")

    def wanted(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


class _Told(keras.callbacks.Callback):
    """Hands the logs of each epoch on; what it has is for the screen."""

    def __init__(self, on_epoch: OnEpoch) -> None:
        super().__init__()
        self.on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.on_epoch(epoch, values)


def diagnosis_of(execution: Execution, config: TrainConfig) -> Diagnosis:
    """What hurts at the end of an execution, as ``train_round`` says it."""
    return diagnose(
        execution.train,
        execution.validation,
        train_validation=execution.train_validation,
        optimal_error=config.optimal_error,
        tolerance=config.tolerance,
        knobs=knob_values(config),
        costs=[row["train_cost"] for row in execution.history if math.isfinite(row["train_cost"])],
    )


def _belongs(directory: Path, config: TrainConfig) -> None:
    """Note whose state the folder holds; empty it where it is another's."""
    path = directory / "config.json"
    text = json.dumps(config.to_dict(), sort_keys=True)
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except (OSError, UnicodeDecodeError):
        pass
    shutil.rmtree(directory, ignore_errors=True)
    atomic_write(path, text)
