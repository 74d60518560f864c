"""What augmentation costs: in a pipeline against the layers of Keras, and in a training step.

CIFAR-10 with flip, rotation, zoom and translation; MNIST for the network of keras.io.
"""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from keras_ext import data
from keras_ext.records import Arrays, Augmentation
from keras_ext.training.round import compiled_model
from recipes.cifar10 import BASE
from tests.benchmarks.keras_io_convnet import convnet

BATCH = 128
ROUNDS = 3
"""Measurements of each side for each repeat."""

MOVES = Augmentation(flip="horizontal", rotation=15, zoom=0.15, translation=0.1)
OPTIONS = {"fill_mode": "constant", "interpolation": "bilinear"}


def against_batched_layers(repeats: int) -> dict[str, object]:
    """Images a second into ``fit``: one transform over four layers that get whole batches."""
    return into_fit("augmentation_batched", stacked(by_batch=True), 2.5, repeats)


def against_single_layers(repeats: int) -> dict[str, object]:
    """Images a second into ``fit``: one transform over four layers that get single images."""
    return into_fit("augmentation_per_example", stacked(by_batch=False), 6.0, repeats)


def cifar_step(repeats: int, placement: str = "host") -> dict[str, object]:
    """Time of the CIFAR-10 recipe's training steps with augmentation over without."""
    train = cifar10().take(slice(0, 48 * BATCH))
    model, _ = compiled_model(replace(BASE, batch_size=BATCH, steps_per_execution=1), train)
    name = "augmentation_cifar10_step"
    return step(name, model, train, BASE.augmentation, 1.15, repeats, placement=placement)


def mnist_step(repeats: int, placement: str = "host") -> dict[str, object]:
    """Time of training steps of keras.io's MNIST convnet with augmentation over without."""
    train = data.load("mnist").part("train").take(slice(0, 240 * BATCH))
    model = convnet()
    model.compile("adam", "sparse_categorical_crossentropy")
    moves = replace(MOVES, flip=None)
    name = "augmentation_mnist_step"
    return step(name, model, train, moves, 1.25, repeats, placement=placement)


BENCHMARKS = {
    "augmentation_batched": against_batched_layers,
    "augmentation_per_example": against_single_layers,
    "augmentation_cifar10_step": cifar_step,
    "augmentation_mnist_step": mnist_step,
}


@functools.cache
def cifar10() -> Arrays:
    """The training images, uint8 of shape (50000, 32, 32, 3)."""
    return data.load("cifar10").part("train")


def stacked(*, by_batch: bool) -> Any:
    """Shuffled, mapped in parallel and prefetched; the layers stand as in Keras's guides."""
    train = cifar10()
    layers = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(15 / 360, **OPTIONS),
        keras.layers.RandomZoom(0.15, **OPTIONS),
        keras.layers.RandomTranslation(0.1, 0.1, **OPTIONS),
    ]

    def augment(images: Any, labels: Any) -> tuple[Any, Any]:
        for layer in layers:
            images = layer(images, training=True)
        return images, labels

    examples = tf.data.Dataset.from_tensor_slices((train.x, train.y)).shuffle(10_000)
    if by_batch:
        batches = examples.batch(BATCH).map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        batches = examples.map(augment, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    return batches.prefetch(tf.data.AUTOTUNE)


def into_fit(
    name: str,
    theirs: Any,
    target: float | None,
    repeats: int,
    *,
    placement: str = "host",
    unit: str = "images per second of four Keras layers",
) -> dict[str, object]:
    """Images a second that a model takes which does next to nothing with them.

    Args:
        name: of the benchmark.
        theirs: the data set to compare with.
        target: what the ratio should be.
        repeats: how often there are ``ROUNDS`` pairs.
        placement: of our images.
        unit: what the ratio is in.
    """
    ours = data.training_batches(
        cifar10(), batch_size=BATCH, augmentation=MOVES, placement=placement, seed=0
    )
    core = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.GlobalAveragePooling2D()])
    core.add(keras.layers.Dense(10))
    model = ours.training_model(core)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, steps_per_execution=16)
    sides = [(model, ours, 192), (core, theirs, 64 if placement == "host" else 192)]

    def seconds(side: int) -> float:
        trained, batches, steps = sides[side]
        began = time.perf_counter()
        trained.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
        return (time.perf_counter() - began) / steps

    return compare(name, seconds, target, repeats, unit, 1)


def step(
    name: str,
    model: keras.Model,
    train: Arrays,
    augmentation: Augmentation,
    target: float,
    repeats: int,
    *,
    placement: str = "host",
) -> dict[str, object]:
    """The same model fed twice, by what differs by augmentation alone."""
    sides = []
    for given in (augmentation, None):
        batches = data.training_batches(
            train, batch_size=BATCH, augmentation=given, placement=placement, seed=0
        )
        trained = batches.training_model(model)
        if trained is not model:
            # An optimizer of its own: one is built for one model.
            alike = keras.optimizers.get(keras.optimizers.serialize(model.optimizer))
            trained.compile(alike, model.loss)
        sides.append((trained, batches))

    def seconds(side: int) -> float:
        trained, batches = sides[side]
        began = time.perf_counter()
        trained.fit(batches, epochs=1, verbose=0, shuffle=False)
        return (time.perf_counter() - began) * BATCH / len(train)

    return compare(name, seconds, target, repeats, "step time without augmentation", 0)


def compare(
    name: str,
    seconds: Callable[[int], float],
    target: float | None,
    repeats: int,
    unit: str,
    above: int,
) -> dict[str, object]:
    """The ratio of both sides, measured in turns; who is first changes too.

    Args:
        name: of the benchmark.
        seconds: time a batch of side 0, which is ours, or of side 1.
        target: what the ratio should be, None for one that is only told.
        repeats: how often there are ``ROUNDS`` pairs.
        unit: what the ratio is in.
        above: the side whose time is divided by that of the other.
    """
    for side in (0, 1):
        seconds(side)
    times = []
    for index in range(ROUNDS * repeats):
        order = (0, 1) if index % 2 else (1, 0)
        measured = {side: seconds(side) for side in order}
        times.append((measured[0], measured[1]))
    ratios = [pair[above] / pair[1 - above] for pair in times]
    ours, theirs = (BATCH / statistics.median(side) for side in zip(*times, strict=True))
    print(
        f"{name}: {ours:,.0f} images/s against {theirs:,.0f}; "
        f"ratios {min(ratios):.3f} to {max(ratios):.3f}",
        file=sys.stderr,
    )
    return {
        "name": name,
        "ratio": round(statistics.median(ratios), 3),
        "target": target,
        "unit": unit,
        "n": len(ratios),
    }
