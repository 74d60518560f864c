"""What the process that trains the points of a sweep must know, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keras_ext import models
from keras_ext.errors import ConfigError
from keras_ext.records import Splits, TrainConfig
from keras_ext.training.round import Builder
from keras_ext.tuning.space import Space
from keras_ext.tuning.trainer import Trainer, Trains


@dataclass(frozen=True)
class Task:
    """The arguments of ``tuning.sweep`` that decide how a point is trained.

    Raises:
        ConfigError: when there is neither a trainer nor examples for one.
    """

    base: TrainConfig
    space: Space
    splits: Splits | None
    directory: Path
    objective: str = "final"
    executions: int = 1
    build: Builder = models.build
    reuse: bool | str = True
    layer_health: bool = False
    trainer: Trains | None = None

    def __post_init__(self) -> None:
        if self.trainer is None and self.splits is None:
            raise ConfigError("splits must be given: the training, validation and test examples")

    def make_trainer(self) -> Trains:
        """That which was given, or one for the examples."""
        if self.trainer is not None:
            return self.trainer
        assert self.splits is not None
        return Trainer(
            self.splits, build=self.build, reuse=self.reuse, layer_health=self.layer_health
        )
