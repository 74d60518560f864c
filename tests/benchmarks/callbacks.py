"""What callbacks cost: those that work at each step, and BiasVariance at each epoch.

Both sides of a ratio are the same model, trained in turns in one process; who is first changes too.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from rich.console import Console

from keras_ext import callbacks, data
from keras_ext.training.round import batch_size, compiled_model
from recipes.mnist import BASE, VALIDATION

BATCH = 32
STEPS = 2000
ROUNDS = {"mlp": 7, "convnet": 3}
"""Pairs of measurements for each repeat."""

HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")

Callbacks = Sequence[keras.callbacks.Callback]
Fit = Callable[[Callbacks], float]

# One of each callback that has a hook for every batch.
PER_STEP: dict[str, Callable[[], keras.callbacks.Callback]] = {
    "Progress": lambda: callbacks.Progress(
        console=Console(file=io.StringIO(), force_terminal=True, width=100)
    ),
    "TimeBasedDecay": lambda: callbacks.TimeBasedDecay(1e-4, initial_learning_rate=1e-3),
}


def per_step(repeats: int) -> dict[str, object]:
    """An MLP in batches of 32 with all callbacks that have batch hooks over a bare fit."""
    missing = [name for name in callbacks.__all__ if _per_step(name) and name not in PER_STEP]
    if missing:
        raise SystemExit(f"PER_STEP lacks {', '.join(missing)}")

    def everything() -> Callbacks:
        return [make() for make in PER_STEP.values()]

    found = ratios("callbacks_per_step", mlp(), everything, ROUNDS["mlp"] * repeats)
    return line("callbacks_per_step", found, 1.02, "time of a fit without callbacks")


def decay_by_step(repeats: int) -> dict[str, object]:
    """The same MLP with a learning rate that a callback sets before each step."""

    def watching() -> Callbacks:
        return [callbacks.TimeBasedDecay(1e-4, initial_learning_rate=1e-3, by="step")]

    found = ratios("time_based_decay_by_step", mlp(), watching, ROUNDS["mlp"] * repeats)
    return line("time_based_decay_by_step", found, 1.02, "time of a fit without callbacks")


def bias_variance(repeats: int) -> dict[str, object]:
    """The recipe's convnet on MNIST with BiasVariance after every epoch over a bare fit."""
    splits = data.split(data.load("mnist"), seed=0, validation=VALIDATION)
    model, _ = compiled_model(BASE, splits.train)
    batches = data.training_batches(
        splits.train,
        batch_size=batch_size(BASE, splits.train),
        augmentation=BASE.augmentation,
        placement="host",
        seed=0,
    )
    parts = [(part.x, part.y) for part in (splits.train, splits.validation)]

    def fit(watching: Callbacks) -> float:
        options = {"epochs": 1, "shuffle": False, "verbose": 0}
        return seconds(lambda: model.fit(batches, callbacks=list(watching), **options))

    # As in one fit of many epochs, the data is read and the model traced before.
    watch = callbacks.BiasVariance(*parts)
    found = ratios("bias_variance_epoch", fit, lambda: [watch], ROUNDS["convnet"] * repeats)
    alone = statistics.median(seconds(watch.measure_now) for _ in range(5))
    print(f"  one measurement alone: {alone:.2f} s", file=sys.stderr)
    return line("bias_variance_epoch", found, 1.10, "time of an epoch of the MNIST convnet")


BENCHMARKS = {
    "callbacks_per_step": per_step,
    "time_based_decay_by_step": decay_by_step,
    "bias_variance_epoch": bias_variance,
}


def mlp() -> Fit:
    """784-128-10 with dropout, the first network of many tutorials, in small batches."""
    train = data.load("mnist").part("train")
    batch = train.x[:BATCH].astype("float32") / 255, train.y[:BATCH]
    layers = keras.layers
    hidden = [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *hidden, layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def fit(watching: Callbacks) -> float:
        # One batch again and again: the less else there is to do, the more callbacks show.
        batches = tf.data.Dataset.from_tensors(batch).repeat(STEPS)
        return seconds(
            lambda: model.fit(batches, shuffle=False, verbose=0, callbacks=list(watching))
        )

    return fit


def ratios(name: str, fit: Fit, watching: Callable[[], Callbacks], rounds: int) -> list[float]:
    """Time with the callbacks over time without, once each round."""
    fit([])
    fit(watching())
    found = []
    for index in range(rounds):
        order = ("with", "without") if index % 2 else ("without", "with")
        times = {side: fit(watching() if side == "with" else []) for side in order}
        found.append(times["with"] / times["without"])
    print(
        f"{name}: {times['with']:.2f} s against {times['without']:.2f} s; ratios"
        f" {min(found):.3f} to {max(found):.3f}, median {statistics.median(found):.3f}",
        file=sys.stderr,
    )
    return found


def line(name: str, found: list[float], target: float, unit: str) -> dict[str, object]:
    """What ``make benchmark`` prints."""
    return {
        "name": name,
        "ratio": round(statistics.median(found), 3),
        "target": target,
        "unit": unit,
        "n": len(found),
    }


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _per_step(name: str) -> bool:
    kind = getattr(callbacks, name)
    return any(getattr(kind, hook) is not getattr(keras.callbacks.Callback, hook) for hook in HOOKS)
