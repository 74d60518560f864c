"""What the experiments train on, and how: MNIST in parts, points in a plane, one compiled step."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from keras_ext import data
from keras_ext.records import Arrays, Round, Splits, TrainConfig
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels
from keras_ext.training.round import train_round


class Trainer:
    """Trains many configurations; those of one structure share one compiled step.

    The model that a call gives is used again by the next call.
    """

    def __init__(self) -> None:
        self._models = CompiledModels()

    def __call__(
        self, config: TrainConfig, splits: Splits, *callbacks: keras.callbacks.Callback
    ) -> tuple[Round, keras.Model]:
        """Train one configuration, and measure both errors after each epoch.

        Raises:
            KeyboardInterrupt: after Ctrl-C; half a run is no result.
        """
        made, model = train_round(
            config, splits, callbacks=callbacks, make=self._models, placement="host", quiet=True
        )
        if made.status == "interrupted":
            raise KeyboardInterrupt
        return made, model

    def fitted(self, config: TrainConfig, train: Arrays) -> keras.Model:
        """Train one configuration, and measure nothing meanwhile."""
        return course(config, train, make=self._models).model

    def error(self, config: TrainConfig, splits: Splits) -> float:
        """Train one configuration, and measure the validation error at the end alone."""
        return wrong(self.fitted(config, splits.train), splits.validation)

    def steps(self, config: TrainConfig, train: Arrays) -> keras.Model:
        """Take ``config.epochs`` steps with all examples each, and measure nothing meanwhile."""
        size, epochs = len(train), config.epochs
        copies = Arrays(np.concatenate([train.x] * epochs), np.tile(train.y, epochs))
        model, _ = self._models(replace(config, batch_size=size, epochs=1), copies)
        model.fit(copies.x, copies.y, batch_size=size, shuffle=False, verbose=0)
        return model


def wrong(model: keras.Model, arrays: Arrays, chunk: int = 1000) -> float:
    """The share of wrong answers; ``predict`` would compile a step of its own for each model."""
    parts = (arrays.x[start : start + chunk] for start in range(0, len(arrays), chunk))
    answers = np.concatenate([np.argmax(model(part), axis=1) for part in parts])
    return float(np.mean(answers != arrays.y))


def mnist(examples: int, *, seed: int, validation: int = 5000) -> Splits:
    """So many training images of MNIST, and validation images that are none of them."""
    parts = data.split(data.load("mnist"), seed=seed, validation=validation)
    train = data.sample(parts.train, examples, seed=seed)
    return Splits(train=train, validation=parts.validation, test=parts.test)


def two_moons(examples: int, *, seed: int, noise: float = 0.25) -> Arrays:
    """Points around two half circles that reach into each other, one class each.

    Args:
        examples: an even number.
        seed: of the points.
        noise: standard deviation of both coordinates; the circles have radius 1.

    >>> two_moons(4, seed=0).x.shape
    (4, 2)
    """
    rng = np.random.default_rng(seed)
    label = np.arange(examples) % 2
    angle = rng.uniform(0, np.pi, examples)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(label[:, None] == 0, upper, [1.0, 0.5] - upper)
    points += rng.normal(scale=noise, size=points.shape)
    return Arrays(points.astype("float32"), label.astype("int32"), "two moons")
