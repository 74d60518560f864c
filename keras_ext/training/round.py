"""One training run, measured: the only place where data, model, optimizer and callbacks meet."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_ext import data, models
from keras_ext.callbacks import BiasVariance, Progress, TrainingState
from keras_ext.callbacks.inference_model import inference_model
from keras_ext.callbacks.samples import Drawn
from keras_ext.data.epoch_number import EpochNumber
from keras_ext.errors import DivergedError
from keras_ext.records import Arrays, Augmentation, Round, Splits, TrainConfig
from keras_ext.training.crossentropy import MixedCrossentropy
from keras_ext.training.iteration_cost import IterationCost
from keras_ext.training.optimizers import optimizer
from keras_ext.training.recorder import Recorder
from keras_ext.training.turn import knob_values

Builder = Callable[[TrainConfig, tuple[int, ...], int, Any], keras.Model]
Maker = Callable[..., tuple[keras.Model, IterationCost]]
"""As ``compiled_model``: gives a model that is ready to train, and the metric of its costs."""


@dataclass(frozen=True)
class Turned:
    """Which knob a round turns, and why; nothing for the first one."""

    knob: str | None = None
    before: Any = None
    after: Any = None
    reason: str = "no regularization yet: what does the network do by itself?"


def outputs(arrays: Arrays) -> int:
    """How many numbers the model puts out for an example: a logit a class, or one value."""
    return len(arrays.classes) or 1


def loss_of(arrays: Arrays, augmentation: Augmentation | None = None) -> keras.losses.Loss:
    """Cross-entropy of logits where there are classes, mean squared error otherwise.

    Where augmentation mixes examples, labels may be shares of classes, too.
    """
    if not arrays.classes:
        return keras.losses.MeanSquaredError()
    if augmentation is not None and augmentation.active and augmentation.mixes:
        return MixedCrossentropy(from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled_model(
    config: TrainConfig,
    train: Arrays,
    *,
    build: Builder = models.build,
    training_model: Callable[[keras.Model], keras.Model] | None = None,
    normalizer: Any = None,
    steps: int | None = None,
) -> tuple[keras.Model, IterationCost]:
    """A fresh model with optimizer, loss and the metric that keeps the cost of each iteration.

    Sets the global random seed to ``config.seed``: the initial weights depend on it alone.

    Args:
        config: of the run.
        train: the training examples; the first layer normalises by their statistics.
        build: makes the uncompiled model.
        training_model: of the batches, makes of it the one to train, see
            ``data.training_batches``; None where the images come with the batches.
        normalizer: fitted before on the same examples, to spare another pass over them.
        steps: of an epoch, None for those of one pass over the examples.
    """
    keras.utils.set_random_seed(config.seed)
    layer = normalizer if normalizer is not None else data.normalizer(train.x)
    model = build(config, train.x.shape[1:], outputs(train), layer)
    if training_model is not None:
        model = training_model(model)
    steps = steps or math.ceil(len(train) / batch_size(config, train))
    loss = loss_of(train, config.augmentation)
    cost = IterationCost(loss, steps)
    model.compile(
        optimizer(config, steps),
        loss,
        metrics=[cost],
        steps_per_execution=min(config.steps_per_execution, steps),
    )
    return model, cost


def batch_size(config: TrainConfig, train: Arrays) -> int:
    """As configured, or by the rule of thumb."""
    return min(config.batch_size or data.mini_batch_size(len(train)), len(train))


def train_round(
    config: TrainConfig,
    splits: Splits,
    *,
    turned: Turned = Turned(),
    build: Builder = models.build,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    log_directory: Path | None = None,
    placement: str = "auto",
    announce: Callable[[str], None] = lambda line: None,
    quiet: bool = False,
    make: Maker = compiled_model,
    epochs: int | None = None,
    state_directory: Path | None = None,
    drawn: Drawn | None = None,
) -> tuple[Round, keras.Model]:
    """Train one configuration and measure both errors at the end.

    Ctrl-C ends the training; the round then says "interrupted" and measures what there is. The
    model given back takes images, wherever they were in training; callbacks find it as
    ``inference_model`` of theirs where that one takes them from the accelerator.

    Args:
        config, splits, build, callbacks, placement, quiet: see ``run``.
        turned: which knob the round turns.
        log_directory: for TensorBoard's events.
        announce: is told where the images are in training, and why.
        make: gives the compiled model.
        epochs: stop after so many of ``config.epochs``, which are those that the schedule is for.
        state_directory: where the state after each epoch is kept, and from where a run that was
            killed goes on. The files stay. Ctrl-C is then passed on: what was trained is kept.
        drawn: the measured samples, shared by rounds of the same splits; None draws them for this
            round alone.

    Raises:
        DivergedError: when the cost is not finite, or the predictions at the end aren't.
    """
    began = time.perf_counter()
    batches = data.training_batches(
        splits.train,
        batch_size=batch_size(config, splits.train),
        augmentation=config.augmentation,
        placement=placement,
        seed=config.seed,
    )
    announce(f"training images from the {batches.placement}")
    wrap = batches.training_model if batches.placement.startswith("device") else None
    model, cost = make(config, splits.train, build=build, training_model=wrap)
    between = splits.train_validation
    watch = BiasVariance(
        (splits.train.x, splits.train.y),
        (splits.validation.x, splits.validation.y),
        train_validation=None if between is None else (between.x, between.y),
        optimal_error=config.optimal_error,
        tolerance=config.tolerance,
        knobs=knob_values(config),
    )
    if drawn is not None:
        watch.share(drawn)
    recorder = Recorder(cost)
    logged = (
        [keras.callbacks.TensorBoard(log_directory, write_graph=False)] if log_directory else []
    )
    status, fit_began = "completed", time.perf_counter()
    until = config.epochs if epochs is None else min(epochs, config.epochs)
    with Progress(quiet=quiet) as progress:
        watching = [EpochNumber(batches), watch, *callbacks, *logged, progress, recorder]
        if state_directory is not None:
            parts = list(watching)
            watching.append(
                TrainingState(state_directory, parts, data=batches, configuration=config, keep=True)
            )
        try:
            with warnings.catch_warnings():
                # A run that was killed after its last epoch is complete.
                warnings.filterwarnings("ignore", message="nothing is left to train")
                model.fit(batches, epochs=until, verbose=0, shuffle=False, callbacks=watching)
        except KeyboardInterrupt:
            if recorder.epoch is None or state_directory is not None:
                raise
            status = "interrupted"
            watch.measure_now()
    fit_seconds = time.perf_counter() - fit_began
    _check_finite(recorder)
    assert watch.train_estimate is not None
    assert watch.validation_estimate is not None
    assert watch.diagnosis is not None
    made = Round(
        knob=turned.knob,
        before=turned.before,
        after=turned.after,
        reason=turned.reason,
        kept=True,
        config=config,
        train=watch.train_estimate,
        validation=watch.validation_estimate,
        train_validation=watch.train_validation_estimate,
        diagnosis=watch.diagnosis,
        history=history(recorder.rows, watch.history),
        iteration_costs=tuple(recorder.iteration_costs),
        seconds=time.perf_counter() - began,
        fit_seconds=fit_seconds,
        status=status,
    )
    return made, inference_model(model)


def _check_finite(recorder: Recorder) -> None:
    """Refuse predictions that are not finite at the end, whatever was measured before."""
    last = recorder.rows[-1] if recorder.rows else {}
    if not math.isfinite(last.get("validation_error", 0.0)):
        raise DivergedError(
            f"predictions are not finite after epoch {len(recorder.rows)}: "
            "try a lower learning rate first"
        )


def history(
    rows: Sequence[Mapping[str, float]], measured: Sequence[Mapping[str, float]]
) -> tuple[Mapping[str, float], ...]:
    """One mapping an epoch: what was logged, with the limits of both errors.

    >>> history([{"epoch": 0, "cost": 1.5}], [{"epoch": 0, "train_low": 0.1}])
    ({'epoch': 0, 'cost': 1.5, 'train_low': 0.1},)
    """
    limits = {row["epoch"]: row for row in measured}
    return tuple({**row, **limits.get(row["epoch"], {})} for row in rows)
