"""What a live strength costs in a step: at 0 next to nothing, and less than Keras's own layers.

Both sides are compiled and fed alike: one batch of 128 again and again, 32 steps an execution.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_ext.records import Augmentation
from keras_ext.regularization import Augment, Dropout

BATCH = 128
STEPS_PER_EXECUTION = 32
ROUNDS = 7
"""Pairs of measurements for each repeat."""

MOVES = Augmentation(rotation=10, zoom=0.1, translation=0.1)
STILL = Augmentation(rotation=10, zoom=0.1, translation=0.1, magnitude=0)


def dropout_at_zero(repeats: int) -> dict[str, object]:
    """An MLP with two live Dropout layers at rate 0 over the same without."""
    live, bare = mlp(drop=lambda: [Dropout(0.0)]), mlp(drop=list)
    return line("dropout_rate_zero_step", (live, bare), 512, 1.05, repeats)


def augment_at_zero(repeats: int) -> dict[str, object]:
    """An MLP behind a live Augment at magnitude 0 over the same without."""
    live, bare = mlp([Augment(STILL)]), mlp()
    return line("augment_magnitude_zero_step", (live, bare), 512, 1.05, repeats)


def augment_against_stock(repeats: int) -> dict[str, object]:
    """A convnet behind Augment over the same behind three layers of Keras."""
    live, stock = convnet([Augment(MOVES)]), convnet(stock_layers())
    return line("augment_step", (live, stock), 64, 1.0, repeats, than="three stock layers")


def augment_against_none(repeats: int) -> dict[str, object]:
    """A convnet of the size of keras.io's for MNIST behind Augment over the same without."""
    live, bare = convnet([Augment(MOVES)], keras_io()), convnet([], keras_io())
    return line("augment_convnet_step", (live, bare), 64, 1.25, repeats)


BENCHMARKS = {
    "dropout_rate_zero_step": dropout_at_zero,
    "augment_magnitude_zero_step": augment_at_zero,
    "augment_step": augment_against_stock,
    "augment_convnet_step": augment_against_none,
}


def stock_layers() -> list[keras.layers.Layer]:
    """The chain of Keras with the strengths of ``MOVES``."""
    options = {"fill_mode": "constant", "interpolation": "bilinear"}
    return [
        keras.layers.RandomRotation(10 / 360, **options),
        keras.layers.RandomZoom(0.1, **options),
        keras.layers.RandomTranslation(0.1, 0.1, **options),
    ]


def mlp(
    before: Sequence[keras.layers.Layer] = (),
    drop: Callable[[], list[keras.layers.Layer]] = list,
) -> keras.Model:
    """784-256-256-10, with what stands before it and after each hidden layer."""
    hidden = [[keras.layers.Dense(256, activation="relu"), *drop()] for _ in range(2)]
    layers = [*before, keras.layers.Flatten(), *hidden[0], *hidden[1]]
    return compiled(layers)


def convnet(
    before: Sequence[keras.layers.Layer], convolutions: Sequence[keras.layers.Layer] | None = None
) -> keras.Model:
    """By default a small one: the larger the network, the less augmentation would show."""
    small = [keras.layers.Conv2D(8 * n, 3, strides=2, activation="relu") for n in (2, 4)]
    return compiled([*before, *(convolutions or small), keras.layers.Flatten()])


def keras_io() -> list[keras.layers.Layer]:
    """The convolutions of keras.io's network for MNIST."""
    pairs = (
        (keras.layers.Conv2D(channels, 3, activation="relu"), keras.layers.MaxPooling2D(2))
        for channels in (32, 64)
    )
    return [layer for pair in pairs for layer in pair]


def compiled(layers: Sequence[keras.layers.Layer]) -> keras.Model:
    """The layers between an image and ten logits, compiled as Keras does by default."""
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers, keras.layers.Dense(10)])
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    return model


def line(
    name: str,
    pair: tuple[keras.Model, keras.Model],
    steps: int,
    target: float,
    repeats: int,
    *,
    than: str = "the model without it",
) -> dict[str, object]:
    """Time both models in turns; who is first changes too."""
    for model in pair:
        seconds(model, steps)
    times = []
    for index in range(ROUNDS * repeats):
        order = (0, 1) if index % 2 else (1, 0)
        measured = {which: seconds(pair[which], steps) for which in order}
        times.append((measured[0], measured[1]))
    ratios = [ours / theirs for ours, theirs in times]
    ours, theirs = (statistics.median(side) * 1e3 for side in zip(*times, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    print(
        f"{name}: {ours:.2f} ms a step against {theirs:.2f} ms; "
        f"quartiles of the ratio {low:.3f} to {high:.3f}",
        file=sys.stderr,
    )
    return {
        "name": name,
        "ratio": round(statistics.median(ratios), 3),
        "target": target,
        "unit": f"step time of {than}",
        "n": len(ratios),
    }


def seconds(model: keras.Model, steps: int) -> float:
    """Time of a training step in ``fit``."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (BATCH, 28, 28, 1)).astype("float32")
    y = rng.integers(0, 10, BATCH)
    batches = tf.data.Dataset.from_tensors((x, y)).repeat(steps)
    began = time.perf_counter()
    model.fit(batches, epochs=1, verbose=0, shuffle=False)
    return (time.perf_counter() - began) / steps
