"""The learning-rate range test: one exponential sweep over mini-batches, on a copy of the model."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks import examples
from keras_ext.diagnosis.learning_rate_range import (
    DIVERGED,
    LEAST,
    LearningRates,
    learning_rates,
    smooth,
)
from keras_ext.errors import ConfigError
from keras_ext.gradients import random_state
from keras_ext.regularization.rebuild import rebuild

Batch = tuple[Any, Any]


@dataclass(frozen=True)
class LearningRateRange:
    """What a range test saw.

    Args:
        rates: of each step, rising.
        costs: of each mini-batch before its step, penalties included; the last one may be infinite.
        smoothed: their moving average.
        suggestions: which rates the costs speak for, each by its rule.
    """

    rates: tuple[float, ...]
    costs: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestions: LearningRates

    @property
    def range(self) -> tuple[float, float] | None:
        """Lowest and highest rate worth a trial: the ``learning_rates=`` of the oracles."""
        return self.suggestions.range

    def summary(self) -> str:
        """A line for each suggestion.

        >>> seen = LearningRateRange((0.1,), (1.0,), (1.0,), LearningRates(*[None] * 6))
        >>> seen.summary()
        'the cost never fell: look at the data and the model before the learning rate'
        """
        found = self.suggestions
        if found.steepest is None or found.lowest is None or found.range is None:
            return "the cost never fell: look at the data and the model before the learning rate"
        lines = [
            f"steepest descent at {found.steepest:.2g}",
            f"lowest cost at {found.lowest:.2g}, a tenth of it {found.tenth_of_lowest:.2g}",
        ]
        if found.divergence is None:
            lines.append(f"no divergence up to {self.rates[-1]:.2g}")
        else:
            lines.append(
                f"divergence at {found.divergence:.2g}, a tenth of it "
                f"{found.tenth_of_divergence:.2g}"
            )
        low, high = found.range
        return "\n".join([*lines, f"worth trying: {low:.2g} to {high:.2g}"])

    def plot(self) -> Any:
        """Cost over learning rate as a matplotlib figure, with the suggestions.

        Raises:
            MissingExtraError: without matplotlib.
        """
        from keras_ext.reports.figures.learning_rate_range import learning_rate_range

        found = self.suggestions
        marks = {
            "steepest": found.steepest,
            "lowest": found.lowest,
            "divergence": found.divergence,
        }
        return learning_rate_range(
            self.rates,
            self.costs,
            marks={name: rate for name, rate in marks.items() if rate is not None},
            span=found.range,
        )


def learning_rate_range(
    model: keras.Model,
    data: Any,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    batch_size: int = 32,
    seed: int = 0,
    build: Callable[[], keras.Model] | None = None,
) -> LearningRateRange:
    """Train a copy for a few steps, each at a higher rate, and see where the cost falls and rises.

    The rate grows by the same factor from step to step. The test ends when the cost is not finite
    or its moving average is four times its lowest. Take the rates for a hint: they hold for the
    weights as they are, this optimizer and this batch size, and for the first steps of a training.

    The model, its optimizer and all random generators are left as they are, to the last bit, and so
    are arrays. (A data set of batches is read from the start, a pass or more: one that draws its
    order anew at each pass, as a shuffled ``tf.data.Dataset`` does, has then made that pass.)

    Source: L. Smith (2017), arXiv 1506.01186, section 3.3; see ``diagnosis.learning_rate_range``.

    Args:
        model: compiled and built; its optimizer's state is copied too, a schedule left out.
        data: ``(x, y)``, ``(x, y, sample_weight)`` (weights are left out) or a finite data set of
            batches.
        low, high: the first and the last rate.
        steps: mini-batches.
        batch_size: examples of each, for arrays.
        seed: of the order of arrays.
        build: makes the same uncompiled model, for one that can't be made again from its config.

    Raises:
        ConfigError: naming the argument, or the layer that can't be copied.
    """
    _check(model, low, high, steps, batch_size)
    state = random_state.capture()
    try:
        copy = _copy(model, build)
        rates = np.geomspace(low, high, steps).tolist()
        costs = _costs(copy, rates, _batches(data, batch_size, seed))
    finally:
        random_state.restore(state)
    while len(costs) < LEAST:  # Over at once: it goes on as it ended.
        costs.append(inf)
    tried = rates[: len(costs)]
    return LearningRateRange(
        tuple(tried), tuple(costs), tuple(smooth(costs)), learning_rates(tried, costs)
    )


def _check(model: Any, low: Any, high: Any, steps: Any, batch_size: Any) -> None:
    if not isinstance(model, keras.Model) or getattr(model, "optimizer", None) is None:
        raise ConfigError(f"model must be a compiled keras.Model, got model={model!r}")
    if not model.built:
        raise ConfigError(f"model {model.name!r} must be built: call it once on a batch")
    if not 0 < low < high < inf:
        raise ConfigError(f"low and high must be 0 < low < high, got low={low!r}, high={high!r}")
    for name, value, least in (("steps", steps, LEAST), ("batch_size", batch_size, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(
                f"{name} must be a whole number from {least} on, got {name}={value!r}"
            )


def _copy(model: keras.Model, build: Callable[[], keras.Model] | None) -> keras.Model:
    """The model anew, compiled the same, without metrics and with a constant learning rate."""
    if build is None:
        with warnings.catch_warnings():
            # A loss that is a lambda can't be loaded from a file, but none is written.
            warnings.filterwarnings("ignore", message="The object being serialized")
            copy = rebuild(model, lambda node: node, lambda new: iter(()))
    else:
        copy = build()
        _fill(model, copy)
    optimizer = _optimizer(model.optimizer)
    copy.compile(
        optimizer,
        loss=model.loss,
        loss_weights=getattr(model, "loss_weights", None),
        run_eagerly=model.run_eagerly,
        jit_compile=model.jit_compile,
    )
    if model.optimizer.built:
        optimizer.build(copy.trainable_variables)
        pairs = zip(model.optimizer.variables, optimizer.variables, strict=True)
        rates = {id(_inner(each).learning_rate) for each in (model.optimizer, optimizer)}
        for old, new in pairs:
            if id(old) not in rates and id(new) not in rates and tuple(new.shape) == old.shape:
                new.assign(np.array(keras.ops.convert_to_numpy(old.value)))
    return copy


def _fill(model: keras.Model, copy: Any) -> None:
    """Give what ``build`` made the weights of the model."""
    if not isinstance(copy, keras.Model) or copy is model:
        raise ConfigError(f"build must make a new keras.Model, got {copy!r}")
    if not copy.built and model.input_shape is not None:
        copy.build(model.input_shape)
    shapes = [[tuple(v.shape) for v in each.variables] for each in (model, copy)]
    if shapes[0] != shapes[1]:
        raise ConfigError(
            f"build makes another model than {model.name!r}: {len(shapes[1])} variables of other "
            f"shapes than its {len(shapes[0])}"
        )
    for old, new in zip(model.variables, copy.variables, strict=True):
        new.assign(np.array(keras.ops.convert_to_numpy(old.value)))
        new.trainable = old.trainable


def _inner(optimizer: Any) -> Any:
    """The optimizer inside one that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _optimizer(optimizer: Any) -> Any:
    """One like it, at a learning rate that can be set."""
    config = keras.optimizers.serialize(optimizer)
    settings = config["config"]
    while "inner_optimizer" in settings:
        settings = settings["inner_optimizer"]["config"]
    settings["learning_rate"] = 1e-3
    kind = type(optimizer)
    return keras.optimizers.deserialize(config, custom_objects={kind.__name__: kind})


def _batches(data: Any, batch_size: int, seed: int) -> Iterator[Batch]:
    """Mini-batches without end."""
    if not isinstance(data, tuple):
        if hasattr(data, "set_epoch"):
            raise ConfigError(
                "data counts its passes, and the test would be one of them: give arrays (x, y), "
                "or another data set made the same way"
            )
        while True:
            for batch in examples.batches(data, "data"):
                yield batch.x, batch.y
    everything = examples.read(data, "data")
    rng = np.random.default_rng(seed)
    size = min(batch_size, len(everything))
    while True:
        order = rng.permutation(len(everything))
        for first in range(0, len(order) - size + 1, size):
            batch = everything.rows(order[first : first + size])
            yield batch.x, batch.y


def _costs(model: keras.Model, rates: list[float], batches: Iterator[Batch]) -> list[float]:
    """The cost of each mini-batch before its step, until it diverges."""
    costs: list[float] = []
    lowest = inf
    for rate, (x, y) in zip(rates, itertools.islice(batches, len(rates)), strict=False):
        _inner(model.optimizer).learning_rate = rate
        model.reset_metrics()
        cost = model.train_on_batch(x, y)
        costs.append(float(cost[0] if isinstance(cost, list | tuple) else cost))
        if not isfinite(costs[-1]):
            costs[-1] = inf
            break
        average = smooth(costs)[-1]
        lowest = min(lowest, average)
        if len(costs) >= LEAST and average > DIVERGED * lowest > 0:
            break
    return costs
