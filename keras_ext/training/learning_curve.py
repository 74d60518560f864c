"""Would more data help? Train at growing subsets, and extrapolate the validation error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_ext import data, models
from keras_ext.callbacks import measure
from keras_ext.diagnosis.power_law import Extrapolation, Prediction, extrapolate
from keras_ext.errors import ConfigError
from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.training.round import Builder, batch_size, compiled_model

JUDGED_TRAIN = 5_000


@dataclass(frozen=True)
class LearningPoint:
    """What came out at one size.

    Args:
        size: training examples.
        train_errors: one for each seed, on the examples trained on (5,000 of them at most).
        validation_errors: one for each seed.
    """

    size: int
    train_errors: tuple[float, ...]
    validation_errors: tuple[float, ...]

    @property
    def train_error(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.train_errors))

    @property
    def validation_error(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.validation_errors))


@dataclass(frozen=True)
class LearningCurve:
    """Errors at growing sizes, and what they promise for more data.

    Args:
        name: of the data.
        config: of every run.
        points: by rising size.
        seeds: of the runs at each size.
        steps: optimizer steps of every run.
        extrapolation: predictions at 2 and 10 times the largest size, or why there are none.
        seconds: wall-clock time.
    """

    name: str
    config: TrainConfig
    points: tuple[LearningPoint, ...]
    seeds: tuple[int, ...]
    steps: int
    extrapolation: Extrapolation
    seconds: float

    def predict(self, *targets: int, confidence: float = 0.95) -> tuple[Prediction, ...]:
        """The error at other sizes, above the largest; see ``diagnosis.power_law.extrapolate``."""
        errors = [point.validation_errors for point in self.points]
        sizes = [point.size for point in self.points]
        found = extrapolate(sizes, errors, targets=targets, confidence=confidence)
        return found.predictions

    def summary(self) -> str:
        """A line a size, then one for each prediction."""
        lines = [
            f"{point.size:>9,} examples: train error {point.train_error:.4f}, "
            f"validation error {point.validation_error:.4f}"
            for point in self.points
        ]
        largest, now = self.points[-1].size, self.points[-1].validation_error
        lines += [_sentence(item, largest, now) for item in self.extrapolation.predictions]
        return "\n".join(lines)


def learning_curve(
    config: TrainConfig,
    splits: Splits,
    sizes: Sequence[int],
    seeds: Sequence[int],
    *,
    steps: int | None = None,
    build: Builder = models.build,
    announce: Callable[[str], None] = lambda line: None,
) -> LearningCurve:
    """Train on growing subsets of the training examples, under several seeds; extrapolate.

    A seed decides the subsets, which are stratified and each part of the next, the initial weights
    and the order of examples. All runs take the same number of optimizer steps, with the same
    batch size and learning rates: those of ``config.epochs`` passes over the largest size. So the
    data are all that differs; with as many epochs instead, the small subsets would be trained too
    short, and the curve would show that rather than the data. A prediction holds for as many steps
    too: where these don't suffice for more data, longer training gains more than it says.

    Args:
        config: what to train; its seed isn't used.
        splits: the subsets are taken from ``train``; the validation examples are the same for all.
        sizes: numbers of training examples; five, each twice the one before, are a good start.
        seeds: two at least, or nothing is predicted.
        steps: of every run; None for those of ``config.epochs`` passes over the largest size.
        build: makes the uncompiled model, see ``models.build``.
        announce: is told what happens, a line at a time.

    Raises:
        ConfigError: for sizes or seeds that repeat or can't be, naming the value.
        DataError: for a size without room for an example of each class.
        DivergedError: when a model's predictions are not finite.
    """
    began = time.perf_counter()
    ordered = _checked_sizes(sizes, len(splits.train))
    _check_seeds(seeds)
    if steps is not None and not (_whole([steps]) and steps >= 1):
        raise ConfigError(f"steps must be a whole number from 1 on, got steps={steps!r}")
    plan = _plan(config, splits.train, ordered[-1], steps)
    announce(
        f"{len(ordered) * len(seeds)} runs of {plan.config.epochs * plan.per_epoch} steps with"
        f" {plan.config.batch_size} examples each"
    )
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in ordered}
    for seed in seeds:
        for subset in _nested(splits.train, ordered, seed):
            errors = _train(replace(plan.config, seed=seed), plan.per_epoch, subset, splits, build)
            found[len(subset)].append(errors)
            announce(
                f"seed {seed}, {len(subset):,} examples: train error {errors[0]:.4f}, "
                f"validation error {errors[1]:.4f}"
            )
    points = tuple(
        LearningPoint(size, *(tuple(column) for column in zip(*found[size], strict=True)))
        for size in ordered
    )
    curve = LearningCurve(
        name=splits.train.name,
        config=config,
        points=points,
        seeds=tuple(int(seed) for seed in seeds),
        steps=plan.config.epochs * plan.per_epoch,
        extrapolation=extrapolate(ordered, [point.validation_errors for point in points]),
        seconds=time.perf_counter() - began,
    )
    for line in curve.summary().splitlines()[len(points) :]:
        announce(line)
    return curve


@dataclass(frozen=True)
class _Plan:
    """A configuration with its batch size, and how many steps count as an epoch, for all sizes."""

    config: TrainConfig
    per_epoch: int


def _plan(config: TrainConfig, train: Arrays, largest: int, steps: int | None) -> _Plan:
    size = batch_size(config, train.take(slice(0, largest)))
    if steps is None:
        return _Plan(replace(config, batch_size=size), math.ceil(largest / size))
    epochs = min(config.epochs, steps)
    return _Plan(replace(config, batch_size=size, epochs=epochs), max(1, round(steps / epochs)))


def _nested(train: Arrays, sizes: Sequence[int], seed: int) -> list[Arrays]:
    """A subset of each size, by rising size; each is drawn from the next larger one."""
    subsets = [train]
    for size in reversed(sizes):
        subsets.append(data.sample(subsets[-1], size, seed=seed))
    return subsets[:0:-1]


def _train(
    config: TrainConfig, per_epoch: int, subset: Arrays, splits: Splits, build: Builder
) -> tuple[float, float]:
    """Train and validation error of one run of ``config.epochs`` times ``per_epoch`` steps."""
    model, _ = compiled_model(config, subset, build=build, steps=per_epoch)
    batches = data.training_batches(
        subset,
        batch_size=batch_size(config, subset),
        augmentation=config.augmentation,
        placement="host",
        seed=config.seed,
    )
    model.fit(
        batches.repeat(), epochs=config.epochs, steps_per_epoch=per_epoch, verbose=0, shuffle=False
    )
    judged = data.sample(subset, JUDGED_TRAIN, seed=config.seed)
    train, _ = measure(model, (judged.x, judged.y))
    validation, _ = measure(model, (splits.validation.x, splits.validation.y))
    return train.error, validation.error


def _checked_sizes(sizes: Sequence[int], most: int) -> list[int]:
    """By rising size."""
    _check_sequence("sizes", sizes)
    if not (_whole(sizes) and min(sizes) >= 1 and max(sizes) <= most):
        raise ConfigError(
            f"sizes must be whole numbers from 1 to {most} (the training examples), got "
            f"sizes={sizes!r}"
        )
    if len(set(sizes)) < len(sizes):
        raise ConfigError(f"sizes must differ, got sizes={sizes!r}")
    return sorted(int(size) for size in sizes)


def _check_seeds(seeds: Sequence[int]) -> None:
    _check_sequence("seeds", seeds)
    if not (_whole(seeds) and min(seeds) >= 0 and len(set(seeds)) == len(seeds)):
        raise ConfigError(f"seeds must be different whole numbers from 0 on, got seeds={seeds!r}")


def _check_sequence(name: str, value: object) -> None:
    if not isinstance(value, (Sequence, np.ndarray)):
        raise ConfigError(f"{name} must be a list of whole numbers, got {name}={value!r}")


def _whole(numbers: Sequence[int]) -> bool:
    """Whether there are some, and all are whole numbers."""
    kinds = [isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in numbers]
    return bool(kinds) and all(kinds)


def _sentence(item: Prediction, largest: int, now: float) -> str:
    size = f"{item.size:>9,} examples ({item.size / largest:g} times as many)"
    if item.error is None:
        return f"{size}: no prediction, {item.refusal}"
    return (
        f"{size}: validation error {item.error:.4f} [{item.low:.4f}, {item.high:.4f}] predicted,"
        f" {now:.4f} now"
    )
