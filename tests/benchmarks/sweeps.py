"""Twenty trials of a sweep over those of KerasTuner's own RandomSearch, with the same points.

Both train the same networks on the same 2,000 images for the same epochs and batches; learning
rate, beta, dropout and L2 differ from trial to trial. Ours also measures both errors on clean
images after each epoch, and keeps the state of the trial on the disk; KerasTuner evaluates the
validation images and saves the weights.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from keras_ext import data
from keras_ext.records import Splits, TrainConfig
from keras_ext.training.round import loss_of
from keras_ext.tuning import sweep

TRIALS = 20
EXAMPLES = 2_000
MLP = TrainConfig(model="mlp", units=128, layers=2, epochs=3, batch_size=64, schedule="cosine")
CNN = TrainConfig(model="convnet", units=8, layers=2, epochs=2, batch_size=64, schedule="cosine")


def space(hp: Any, base: TrainConfig) -> TrainConfig:
    return replace(
        base,
        learning_rate=hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        momentum=hp.Float("momentum", 0.8, 0.99),
        dropout=hp.Float("dropout", 0.05, 0.5),
        l2=hp.Float("l2", 1e-6, 1e-3, sampling="log"),
    )


def stock(base: TrainConfig, splits: Splits) -> Callable[[Any], keras.Model]:
    """The same network of Keras's own layers, as a user of KerasTuner would write it."""

    def build(hp: Any) -> keras.Model:
        config = space(hp, base)
        layers = keras.layers
        penalty = keras.regularizers.L2(config.l2)
        normalizer = data.normalizer(splits.train.x)
        x = inputs = keras.Input(splits.train.x.shape[1:])
        x = normalizer(x)

        def finished(x: Any) -> Any:
            return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))

        options = {"kernel_initializer": "he_normal", "kernel_regularizer": penalty}
        if base.model == "mlp":
            x = layers.Flatten()(x)
            for _ in range(base.layers):
                x = finished(layers.Dense(base.units, use_bias=False, **options)(x))
                x = layers.Dropout(config.dropout)(x)
        else:
            for channels in (base.units, 2 * base.units):
                x = layers.Conv2D(channels, 3, use_bias=False, **options)(x)
                x = finished(layers.MaxPooling2D()(x))
            x = layers.Dropout(config.dropout)(layers.Flatten()(x))
            x = finished(layers.Dense(4 * base.units, use_bias=False, **options)(x))
            x = layers.Dropout(config.dropout)(x)
        x = layers.Dense(10, kernel_regularizer=penalty)(x)
        model = keras.Model(inputs, x)
        steps = base.epochs * -(-len(splits.train) // base.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
        model.compile(
            keras.optimizers.Adam(rate, beta_1=config.momentum),
            loss_of(splits.train),
            metrics=["accuracy"],
            steps_per_execution=base.steps_per_execution,
        )
        return model

    return build


def theirs(base: TrainConfig, splits: Splits, folder: Path) -> tuple[float, list[Any]]:
    began = time.perf_counter()
    tuner = keras_tuner.RandomSearch(
        stock(base, splits),
        objective=keras_tuner.Objective("val_accuracy", "max"),
        max_trials=TRIALS,
        seed=1,
        directory=folder,
    )
    tuner.search(
        splits.train.x,
        splits.train.y,
        validation_data=(splits.validation.x, splits.validation.y),
        epochs=base.epochs,
        batch_size=base.batch_size,
        verbose=0,
    )
    seconds = time.perf_counter() - began
    trials = sorted(tuner.oracle.trials.values(), key=lambda trial: int(trial.trial_id))
    return seconds, [trial.hyperparameters.values for trial in trials]


def ours(base: TrainConfig, splits: Splits, folder: Path) -> tuple[float, list[Any]]:
    began = time.perf_counter()
    result = sweep(
        base,
        space,
        splits,
        max_trials=TRIALS,
        directory=folder,
        strategy="random",
        confirm=0,
        seed=0,
        quiet=True,
    )
    return time.perf_counter() - began, [dict(trial.values) for trial in result.trials]


def benchmark(name: str, base: TrainConfig, target: float) -> Callable[[int], dict[str, object]]:
    def measured(repeats: int) -> dict[str, object]:
        parts = data.split(data.load("mnist"), seed=0)
        splits = replace(
            parts,
            train=data.sample(parts.train, EXAMPLES, seed=0),
            validation=data.sample(parts.validation, EXAMPLES, seed=0),
        )
        ratios = []
        for repeat in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                sides = [(ours, "ours"), (theirs, "theirs")]
                order = sides if repeat % 2 == 0 else sides[::-1]
                found = {n: side(base, splits, Path(folder, n)) for side, n in order}
            assert found["ours"][1] == found["theirs"][1], "the points differ"
            seconds = {n: value[0] for n, value in found.items()}
            print(
                f"{name}: {TRIALS} trials in {seconds['ours']:.1f} s, KerasTuner's RandomSearch in "
                f"{seconds['theirs']:.1f} s",
                file=sys.stderr,
            )
            ratios.append(seconds["theirs"] / seconds["ours"])
        return {
            "name": name,
            "ratio": round(statistics.median(ratios), 2),
            "target": target,
            "unit": "time of KerasTuner's RandomSearch with the same points, over ours",
            "n": repeats,
        }

    return measured


BENCHMARKS = {
    "sweep_mlp": benchmark("sweep_mlp", MLP, 3.0),
    "sweep_cnn": benchmark("sweep_cnn", CNN, 2.0),
}
